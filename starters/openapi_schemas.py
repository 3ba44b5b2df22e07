"""The bodies of the OpenAPI document, as JSON Schema 2020-12."""

from typing import Any

from passkeys import directory
from passkeys.ceremony import CEREMONY_ID, Kind, Outcome, Stage, public_reason
from passkeys.credentials import StandingState
from passkeys.response import (
    MAX_ATTESTATION_OBJECT,
    MAX_AUTHENTICATOR_DATA,
    MAX_CLIENT_DATA,
    MAX_CREDENTIAL_ID,
    MAX_SIGNATURE,
    MAX_TRANSPORTS,
    MAX_USER_HANDLE,
    MAX_WORD,
    encoded_length,
)
from passkeys.usernames import MAX_USERNAME
from starters.problems import PROBLEMS, TYPE_PREFIX
from starters.waiting import FINISHED

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_INSTANT: Json = {"type": "string", "format": "date-time"}
_ID: Json = {"type": "string", "pattern": f"^{CEREMONY_ID.pattern.removesuffix(chr(92) + 'Z')}$"}
_KIND: Json = {"enum": list(Kind)}
_PATH: Json = {"type": "string", "format": "uri-reference", "pattern": "^/ceremonies/"}
PERSON_ID: Json = {
    "type": "string",
    "pattern": f"^{directory.PERSON_ID.pattern.removesuffix(chr(92) + 'Z')}$",
}
_VERSION: Json = {"const": 1}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Json) -> Json:
    """The schema, or null."""
    return {"oneOf": [{"type": "null"}, schema]}


def object_of(properties: Json, *, optional: tuple[str, ...] = (), closed: bool = True) -> Json:
    """An object of which every member is there but the `optional` ones; `closed`: and no other."""
    shape: Json = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
    return {**shape, "additionalProperties": False} if closed else shape


_CUSTOM_STATUS = object_of(
    {
        "v": _VERSION,
        "stage": {
            "enum": [*Stage, *Outcome],
            "description": "Where the ceremony is; at the end, its outcome.",
        },
        "publicKey": _ref("PublicKeyOptions"),
        "expiresAt": {**_INSTANT, "description": "When the challenge dies."},
        "details": {"type": "object", "description": "What is being approved."},
    },
    optional=("publicKey", "expiresAt", "details"),
)
_PERSON = object_of({"id": _TEXT, "display_name": _TEXT})
_PUBLIC_REASONS = sorted({reason for outcome in Outcome if (reason := public_reason(outcome)) is not None})
_OUTPUT = object_of(
    {
        "v": _VERSION,
        "kind": _KIND,
        "outcome": {"enum": list(Outcome)},
        "reason": {
            "enum": [None, *_PUBLIC_REASONS],
            "description": "Uniform: the exact one is told to operators.",
        },
        "person": or_null(_PERSON),
        "credential_id": {"type": ["string", "null"]},
        "step_up": {
            "type": ["boolean", "null"],
            "description": "Of a completed one: whether it is good for managing passkeys alone.",
        },
        "retry_after_seconds": {"type": ["integer", "null"], "minimum": 1},
        "at": _INSTANT,
    }
)


def _ceremony(*, ended: bool) -> Json:
    running = ["Pending", "Running", "Suspended", "ContinuedAsNew"]
    shown = object_of(
        {
            "name": _KIND,
            "instanceId": _ID,
            "runtimeStatus": {"enum": sorted(FINISHED) if ended else running},
            "customStatus": or_null(_CUSTOM_STATUS),
            "output": _ref("Output") if ended else {"type": "null"},
            "createdTime": _INSTANT,
            "lastUpdatedTime": _INSTANT,
        }
    )
    if ended:  # with `?redeem=true` alone; null: none came of it
        shown["properties"]["tokens"] = or_null(_ref("TokenAnswer"))
    return shown


def _word(longest: int) -> Json:
    return {"type": "string", "pattern": "^[ -~]+$", "minLength": 1, "maxLength": longest}


def _base64url(longest_bytes: int) -> Json:
    """Strict base64url (RFC 4648 §5): whole bytes, no padding, no stray bits in the last character."""
    pattern = "^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-]{4}|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048]|[A-Za-z0-9_-][AQgw])$"
    return {"type": "string", "pattern": pattern, "minLength": 2, "maxLength": encoded_length(longest_bytes)}


_MEDIATION: Json = {"enum": ["modal", "conditional"], "default": "modal"}
# One SHA-256: 43 characters, of which the last carries four bits.
_PROOF_KEY: Json = {"type": "string", "pattern": "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"}
_CODE_CHALLENGE: Json = {
    "oneOf": [{"type": "null"}, _PROOF_KEY],
    "description": "The proof key (RFC 7636, S256): base64url(SHA-256(code_verifier)), without padding.",
}

# What an application says of itself at the start of a sign-in (passkeys/authorization.py).
_APPLICATIONS: Json = {
    "client_id": or_null({"type": "string", "description": "The application that the sign-in is for."}),
    "redirect_uri": or_null(
        {"type": "string", "description": "Where its person is sent back to: one that is registered."}
    ),
    "resource": or_null(
        {"type": "string", "description": "Which of its audiences the tokens are for (RFC 8707)."}
    ),
    "application_challenge": {
        "oneOf": [{"type": "null"}, _PROOF_KEY],
        "description": "Its proof key, where a page with a proof key of its own answers for it.",
    },
    "dpop_jkt": {
        "oneOf": [{"type": "null"}, _PROOF_KEY],
        "description": "The thumbprint of the key that its tokens are to be bound to (RFC 9449 §10).",
    },
    "acr_values": or_null(
        {"type": "string", "description": "One of these must be met (OIDC Core §3.1.2.1): phr, phrh."}
    ),
}


def _response(required: Json, optional: Json) -> Json:
    """RegistrationResponseJSON and AuthenticationResponseJSON (WebAuthn L3 §5.1), as far as anybody reads them."""
    return object_of(
        {
            "id": _word(encoded_length(MAX_CREDENTIAL_ID)),
            "rawId": _base64url(MAX_CREDENTIAL_ID),
            "type": _word(MAX_WORD),
            "authenticatorAttachment": or_null(_word(MAX_WORD)),
            "clientExtensionResults": {"type": "object"},
            "response": object_of({**required, **optional}, optional=tuple(optional), closed=False),
        },
        optional=("authenticatorAttachment", "clientExtensionResults"),
        closed=False,
    )


_CREDENTIAL_ID: Json = {"type": "string", "pattern": "^[A-Za-z0-9_-]{2,1364}$"}
_URL: Json = {"type": "string", "format": "uri"}
_CREDENTIAL: Json = {
    "id": _CREDENTIAL_ID,
    "name": {"type": ["string", "null"], "description": "What its person calls it."},
    "authenticator": object_of(
        {
            "aaguid": _TEXT,
            "name": {"type": ["string", "null"], "description": "What people call the model."},
            "icon": {"type": ["string", "null"], "format": "uri-reference"},
            "proven": {"type": "boolean", "description": "An attestation vouches for the model."},
        }
    ),
    "createdAt": _INSTANT,
    "lastUsedAt": or_null(_INSTANT),
    "synced": {"type": "boolean", "description": "May leave its device (backup eligible)."},
    "backedUp": {"type": "boolean"},
    "transports": {"type": "array", "items": _TEXT},
    "standing": {"enum": [state for state in StandingState if state is not StandingState.REMOVED]},
    "current": {"type": "boolean", "description": "The one that this session was made with."},
}
_OPERATOR_CREDENTIAL: Json = {
    **_CREDENTIAL,
    "person": _TEXT,
    "decision": or_null(
        object_of(
            {"reason": {"type": ["string", "null"]}, "by": {"type": ["string", "null"]}, "at": _INSTANT}
        )
    ),
}
_OWNER: Json = {"rpId": _TEXT, "userId": {"type": ["string", "null"]}}
# WebAuthn L3 §5.1.10: the options of signalAllAcceptedCredentials() and signalCurrentUserDetails().
_SIGNALS = object_of(
    {
        "allAcceptedCredentials": object_of(
            {**_OWNER, "allAcceptedCredentialIds": {"type": "array", "items": _CREDENTIAL_ID}}
        ),
        "currentUserDetails": object_of({**_OWNER, "name": _TEXT, "displayName": _TEXT}),
    }
)
_OPERATOR_CEREMONY: Json = {
    "id": _ID,
    "kind": _KIND,
    "runtimeStatus": {"type": "string"},
    "stage": {"type": ["string", "null"]},
    "outcome": {"enum": [None, *Outcome]},
    "reason": {"type": ["string", "null"], "description": "The exact one."},
    "createdTime": _INSTANT,
    "lastUpdatedTime": _INSTANT,
}
_STEP = object_of({"at": _INSTANT, "source": {"enum": ["history", "audit"]}, "step": _TEXT, "detail": _TEXT})

_COUNT: Json = {"type": "integer", "minimum": 0}
_METADATA = object_of(
    {
        "no": {**_COUNT, "description": "The BLOB's serial number."},
        "nextUpdate": {"type": "string", "format": "date"},
        "stale": {"type": "boolean", "description": "Whether a newer one should have come by now."},
        "models": _COUNT,
        "keptAt": {**_INSTANT, "description": "Since when this BLOB counts."},
    }
)
_METADATA_REFRESH = object_of(
    {
        "runtimeStatus": {"type": "string"},
        "lastUpdatedTime": _INSTANT,
        "startedAt": {"type": ["string", "null"]},
        "endedAt": {"type": ["string", "null"]},
        "outcome": {"enum": [None, "updated", "unchanged", "refused", "failed", "off"]},
        "reason": {"type": ["string", "null"]},
        "detail": {"type": ["string", "null"]},
        "judged": {"type": ["integer", "null"], "description": "Stored credentials that were looked at."},
        "changed": {
            "type": ["integer", "null"],
            "description": "Those that were disabled, stepped up or cleared.",
        },
        "damaged": {"type": ["integer", "null"], "description": "Those that could not be read."},
        "complete": {"type": ["boolean", "null"], "description": "Whether all were looked at."},
    }
)

_REASON = "Printable. As JSON in ASCII, at most 3,002 characters: 250 emoji, or 500 letters of any script."
SCHEMAS: Json = {
    "Problem": {
        "description": "RFC 9457. `type` ends in `code`, which never changes; the texts may.",
        "type": "object",
        "properties": {
            "type": {"enum": [TYPE_PREFIX + code for code in PROBLEMS]},
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "code": {"enum": list(PROBLEMS)},
            "missing": {"type": "array", "items": _TEXT},
        },
        "required": ["type", "title", "status", "detail", "code"],
        "additionalProperties": False,
    },
    "StartRegistration": object_of(
        {
            "ticket": {
                "type": "string",
                "minLength": 1,
                "maxLength": 256,
                "writeOnly": True,
                "description": "An enrolment ticket; without one, a fresh session or an access token is needed.",
            },
            "issuer": {
                "type": "string",
                "minLength": 1,
                "maxLength": 32,
                "description": "With an access token: whose it is, by the name of PASSKEYS_ISSUERS. Needed where there are several.",
            },
            "mediation": _MEDIATION,
            "code_challenge": _CODE_CHALLENGE,
        },
        optional=("ticket", "issuer", "mediation", "code_challenge"),
        closed=False,
    ),
    "StartAuthentication": object_of(
        {
            "mediation": _MEDIATION,
            "code_challenge": _CODE_CHALLENGE,
            "username": or_null(
                {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": MAX_USERNAME,
                    "description": "Sign in as this person: `allowCredentials` names their passkeys. It is answered alike, "
                    "with credentials, whether or not anybody has this name.",
                }
            ),
            **_APPLICATIONS,
        },
        optional=("mediation", "code_challenge", "username", *_APPLICATIONS),
        closed=False,
    ),
    "StartRecovery": object_of(
        {
            "person": PERSON_ID,
            "reason": {
                "type": "string",
                "minLength": 1,
                "maxLength": 500,
                "description": f"{_REASON} Shown to who is to confirm, signed by them, and audited.",
            },
            "code_challenge": _PROOF_KEY,
        },
        closed=False,
    ),
    "TakeTicket": object_of(
        {"code_verifier": {"type": "string", "pattern": "^[A-Za-z0-9._~-]{43,128}$", "writeOnly": True}},
        closed=False,
    ),
    "Ticket": object_of({"ticket": _TEXT, "link": _URL, "expiresAt": _INSTANT}),
    "AuthenticatorResponse": {
        "anyOf": [_ref("RegistrationResponseJSON"), _ref("AuthenticationResponseJSON")]
    },
    "RegistrationResponseJSON": _response(
        {
            "clientDataJSON": _base64url(MAX_CLIENT_DATA),
            "attestationObject": _base64url(MAX_ATTESTATION_OBJECT),
        },
        {"transports": or_null({"type": "array", "items": _word(MAX_WORD), "maxItems": MAX_TRANSPORTS})},
    ),
    "AuthenticationResponseJSON": _response(
        {
            "clientDataJSON": _base64url(MAX_CLIENT_DATA),
            "authenticatorData": _base64url(MAX_AUTHENTICATOR_DATA),
            "signature": _base64url(MAX_SIGNATURE),
        },
        {"userHandle": or_null(_base64url(MAX_USER_HANDLE))},
    ),
    "PublicKeyOptions": {
        "description": "PublicKeyCredentialCreationOptionsJSON or PublicKeyCredentialRequestOptionsJSON (WebAuthn L3 §5).",
        "type": "object",
        "properties": {"challenge": {"type": "string", "minLength": 43}},
        "required": ["challenge"],
    },
    "CeremonyStarted": object_of(
        {
            "id": _ID,
            "kind": _KIND,
            "status": object_of({"v": _VERSION, "stage": {"enum": [*Stage, *Outcome]}}),
            "publicKey": _ref("PublicKeyOptions"),
            "expiresAt": _INSTANT,
            "statusQueryGetUri": _PATH,
            "sendResponsePostUri": _PATH,
            "cancelDeleteUri": _PATH,
        },
        optional=("status", "publicKey", "expiresAt"),
    ),
    "CeremonyRunning": _ceremony(ended=False),
    "CeremonyEnded": _ceremony(ended=True),
    "Output": _OUTPUT,
    "OperatorCeremonies": object_of(
        {"ceremonies": {"type": "array", "items": object_of(_OPERATOR_CEREMONY)}}
    ),
    "OperatorCeremony": object_of(
        {
            **_OPERATOR_CEREMONY,
            "timeline": {"type": "array", "items": _STEP},
            "audit": {"type": ["object", "null"], "description": "The audit entry, once there is one."},
        }
    ),
    "Credential": object_of(_CREDENTIAL),
    "Credentials": object_of(
        {"credentials": {"type": "array", "items": _ref("Credential")}, "signals": _SIGNALS}
    ),
    "CredentialRemoved": object_of({"removed": _CREDENTIAL_ID, "signals": _SIGNALS}),
    "RenameCredential": object_of(
        {"name": {"type": "string", "minLength": 1, "maxLength": 64, "description": "Printable."}},
        closed=False,
    ),
    "CeremonySignals": object_of(
        {
            "rpId": _TEXT,
            "unknownCredential": or_null(object_of({"rpId": _TEXT, "credentialId": _CREDENTIAL_ID})),
        }
    ),
    "RelatedOrigins": object_of({"origins": {"type": "array", "items": _TEXT, "minItems": 1}}),
    "PasskeyEndpoints": object_of({"enroll": _URL, "manage": _URL}),
    "Reason": object_of(
        {"reason": {"type": "string", "minLength": 1, "maxLength": 500, "description": _REASON}},
        closed=False,
    ),
    "OperatorCredential": object_of(_OPERATOR_CREDENTIAL),
    "OperatorCredentials": object_of(
        {"person": _TEXT, "credentials": {"type": "array", "items": _ref("OperatorCredential")}}
    ),
    "OperatorAudit": object_of(
        {
            "standing": {
                "enum": ["kept_up", "behind", "full"],
                "description": "`full`: no ceremony begins and no token is given until entries are written.",
            },
            "pending": {"type": "integer", "minimum": 0},
            "oldestAt": or_null(_INSTANT),
            "limit": {
                "type": "integer",
                "description": "PASSKEYS_AUDIT_BACKLOG: from there on a chain is full.",
            },
            "logs": {
                "type": "array",
                "items": object_of(
                    {
                        "shard": {"type": "string", "pattern": "^[0-9]{2}$"},
                        "recorded": {"type": "integer", "minimum": 0},
                        "pending": {"type": "integer", "minimum": 0},
                        "oldestAt": or_null(_INSTANT),
                        "segment": or_null({"type": "string"}),
                    }
                ),
            },
        }
    ),
    "OperatorHousekeeping": object_of(
        {
            "sweeps": {
                "type": "array",
                "items": object_of(
                    {
                        "name": {"type": "string"},
                        "at": _INSTANT,
                        "count": {
                            "type": ["integer", "null"],
                            "minimum": 0,
                            "description": "How much it took away; null: it failed.",
                        },
                        "failed": or_null({"type": "string"}),
                        "upTo": or_null(_INSTANT),
                    }
                ),
            }
        }
    ),
    "OperatorMetadata": object_of(
        {
            "configured": {"type": "boolean"},
            "metadata": or_null(_METADATA),
            "refresh": or_null(_METADATA_REFRESH),
        }
    ),
    "Ready": object_of({"status": {"const": "ready"}, "missing": {"type": "array", "maxItems": 0}}),
    "KeySet": object_of(
        {
            "keys": {
                "type": "array",
                "minItems": 1,
                "items": object_of(
                    {
                        "kty": {"const": "EC"},
                        "crv": {"const": "P-256"},
                        "x": {"type": "string"},
                        "y": {"type": "string"},
                        "kid": {"type": "string", "description": "The thumbprint (RFC 7638)."},
                        "alg": {"const": "ES256"},
                        "use": {"const": "sig"},
                    }
                ),
            }
        }
    ),
    "Anything": {"type": "object"},
}
