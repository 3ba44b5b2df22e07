"""The settings: read once, at start, into one frozen object. `load` finds all mistakes, not just the first.

`SETTINGS` is the table; docs/settings.md says the same to people, and a test compares the two. With no
settings at all the local profile runs.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from passkeys.algorithms import ALGORITHMS, DEFAULT_ALGORITHMS
from passkeys.attestation import AnchorsInvalid, TrustAnchors, read_anchors
from passkeys.decoys import MODELS
from passkeys.directory import ROLE
from passkeys.errors import SettingsError
from passkeys.extensions import EXTENSIONS
from passkeys.metadata import CERTIFICATION_LEVELS, PROHIBITED_BY_DEFAULT, STATUSES
from passkeys.rate_limit import Limit
from passkeys.related_origins import MAX_LABELS, label_of, labels_of

# An https page may use any RP ID that its host ends with; a plain http page is a secure context here only.
_LOCAL_HOST = "localhost"
# WebAuthn L3 §8, in the order of their sections.
_FORMATS = ("none", "packed", "tpm", "android-key", "fido-u2f", "apple", "compound")
# passkeys.attestation.Lenience, field by field.
_LENIENCE = (
    "tpm-unbound-keys",
    "android-software-enforced",
    "android-unspecified",
    "u2f-aaguid",
    "packed-enterprise",
)
# WebAuthn L3 §5.8.4.
_TRANSPORTS = ("usb", "nfc", "ble", "smart-card", "hybrid", "internal")
_NATIVE_ORIGIN = re.compile(r"android:apk-key-hash:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
_TPM_VENDOR = re.compile(r"id:[0-9A-F]{8}")
_AAGUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# The clouds' own domains alone: whoever is asked to sign is believed.
_VAULT = re.compile(
    r"https://[a-z0-9](?:-?[a-z0-9]){2,23}\.(?:vault\.azure\.net|vault\.usgovcloudapi\.net|vault\.azure\.cn)"
)
_ACCOUNT = re.compile(
    r"https://[a-z0-9]{3,24}\.(?:blob\.core\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)|z[0-9]{2}\.blob\.storage\.azure\.net)"
)
_CONNECTIONS = (
    {"usedevelopmentstorage"},
    {"accountname", "accountkey"},
    {"blobendpoint", "sharedaccesssignature"},
)
# With the longest name of passkeys.store.CONTAINERS behind it, at most the 63 characters that Azure allows.
_CONTAINER_PREFIX = re.compile(r"(?:[a-z0-9](?:-?[a-z0-9]){0,29}-?)?")


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may choose. Every field is documented in docs/settings.md under its PASSKEYS_ name."""

    profile: str
    rp_id: str
    rp_name: str
    origins: tuple[str, ...]
    store: str
    store_connection: str = field(repr=False)
    store_prefix: str
    ceremony_seconds: int
    attestation: str
    attestation_trust: str
    attestation_roots: TrustAnchors
    attestation_formats: tuple[str, ...]
    attestation_lenience: tuple[str, ...]
    attestation_tpm_vendors: tuple[str, ...]
    aaguid_allow: tuple[str, ...]
    aaguid_deny: tuple[str, ...]
    user_verification: str
    backup_eligible: str
    sign_count: str
    cross_origin: str
    top_origins: tuple[str, ...]
    native_origins: tuple[str, ...]
    attachment: str
    transports: tuple[str, ...]
    algorithms: tuple[int, ...]
    metadata: str | None
    metadata_root: tuple[bytes, ...]
    metadata_signer: str
    metadata_schedule: str
    metadata_prohibited: tuple[str, ...]
    unknown_models: str
    certification: str
    revoked_credentials: str
    extensions: tuple[str, ...]
    credential_protection: str
    hints: tuple[str, ...]
    limit_network: Limit
    limit_person: Limit
    decoy_models: tuple[str, ...]
    limit_username: Limit
    limit_acts: Limit
    limit_recoveries: Limit
    limit_global: Limit
    limit_global_shards: int
    audit_shards: int
    audit_flush_schedule: str
    audit_seal_schedule: str
    audit_backlog: int
    ceremony_days: int
    ticket_seconds: int
    session_seconds: int
    fresh_seconds: int
    operator_role: str
    recovery_operators: int
    recovery_seconds: int
    related_origins: tuple[str, ...]
    conditional_create: bool
    directory: Path | None
    issuers: Path | None
    issuer: str
    applications: Path | None
    keys: str
    key_days: int
    key_publish_seconds: int
    key_schedule: str
    code_seconds: int
    refresh_grace_seconds: int
    claims_seconds: int
    dpop_nonces: bool
    forwarded_hops: int
    conformance: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: where it goes, its default (as text, or computed from the surroundings), how text becomes a value.

    `parse` raises ValueError with what the value must be. A `secret` value is never printed.
    """

    name: str
    field: str
    default: str | Callable[[Mapping[str, str]], str]
    parse: Callable[[str], Any]
    secret: bool = False


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError("must be " + " or ".join(repr(word) for word in allowed))
        return text

    return parse


def _on_off(text: str) -> bool:
    return _one_of("on", "off")(text) == "on"


def _role(text: str) -> str:
    if not ROLE.match(text):
        raise ValueError("must be one word, as the directory's claim `roles` spells it")
    return text


def _some_of(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        words = _words(text)
        if not set(words) <= set(allowed) or len(set(words)) != len(words):
            raise ValueError("must be a comma-separated list, each at most once, of " + ", ".join(allowed))
        return words

    return parse


def _one_or_more(what: str, *allowed: str) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        words = _some_of(*allowed)(text)
        if not words:
            raise ValueError(f"must be the name of one {what} at least")
        return words

    return parse


def _algorithms(text: str) -> tuple[int, ...]:
    numbers = {algorithm.name: algorithm.cose for algorithm in ALGORITHMS.values()}
    return tuple(numbers[name] for name in _one_or_more("algorithm", *numbers)(text))


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _limit(text: str) -> Limit:
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    try:
        return Limit(int(match[1]), int(match[2])) if match else Limit(0, 0)
    except ValueError:
        raise ValueError(
            "must be CAPACITY/SECONDS, such as 30/60: 1 to 1000000 in 1 to 86400 seconds"
        ) from None


def _rp_id(text: str) -> str:
    if not _is_domain(text):
        raise ValueError(
            "must be a domain name in lower case, such as login.example.com, without scheme or port; not an IP address"
        )
    return text


def _rp_name(text: str) -> str:
    # 64 bytes is what authenticators must be able to keep (WebAuthn L3 §5.4.1).
    if not text.strip() or not text.isprintable() or len(text.encode()) > 64:
        raise ValueError("must be 1 to 64 bytes of printable text")
    return text


def _related_origins(text: str) -> tuple[str, ...]:
    return _origins(text) if text else ()


def _origins(text: str) -> tuple[str, ...]:
    origins = _words(text)
    if not origins or len(set(origins)) != len(origins) or not all(map(_is_origin, origins)):
        raise ValueError(
            "must be a comma-separated list of origins exactly as browsers write them, such as https://login.example.com: "
            "https (http for localhost alone), lower case, a port only if it is not the usual one, no path"
        )
    return origins


def _top_origins(text: str) -> tuple[str, ...]:
    return _origins(text) if text else ()


def _native_origins(text: str) -> tuple[str, ...]:
    # What Android puts into client data for an app: the SHA-256 of its signing certificate, in base64url.
    origins = _words(text)
    if len(set(origins)) != len(origins) or not all(map(_NATIVE_ORIGIN.fullmatch, origins)):
        raise ValueError(
            "must be a comma-separated list, each at most once, of android:apk-key-hash: and 43 characters of base64url "
            "(iOS apps answer with an https origin: see PASSKEYS_ORIGINS)"
        )
    return origins


def _aaguids(text: str) -> tuple[str, ...]:
    aaguids = _words(text)
    if len(set(aaguids)) != len(aaguids) or not all(map(_AAGUID.fullmatch, aaguids)):
        raise ValueError(
            "must be a comma-separated list, each at most once, of AAGUIDs such as 08987058-cadc-4b81-b6e1-30de50dcbe96, "
            "in lower case"
        )
    return aaguids


def _tpm_vendors(text: str) -> tuple[str, ...]:
    vendors = _words(text)
    if len(set(vendors)) != len(vendors) or not all(map(_TPM_VENDOR.fullmatch, vendors)):
        raise ValueError(
            "must be a comma-separated list, each at most once, of TPM vendors as certificates name them, such as id:FFFFF1D0"
        )
    return vendors


def _roots(text: str) -> TrustAnchors:
    """The trust anchors in a folder's files."""
    try:
        files = (
            {file.name: file.read_bytes() for file in Path(text).iterdir() if not file.name.startswith(".")}
            if text
            else {}
        )
    except OSError:
        raise ValueError("must be the path of a folder of files that can be read") from None
    try:
        return read_anchors(files)
    except AnchorsInvalid as invalid:
        raise ValueError(f"must be a folder of trust anchors: {invalid}".removesuffix(".")) from None


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    usual_port = {"https": 443, "http": 80}.get(parts.scheme)
    local = host == _LOCAL_HOST or host.endswith("." + _LOCAL_HOST)
    return (
        usual_port is not None
        and (parts.scheme == "https" or local)
        and _is_domain(host)
        and port not in (usual_port, 0)
        and text == f"{parts.scheme}://{host}" + (f":{port}" if port else "")
    )


def _is_domain(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.split(".")
        return len(text) <= 253 and all(
            re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(?<!-)", label) for label in labels
        )
    return False


def _metadata(text: str) -> str | None:
    """An https address, or the path of a file; which of the two, `is_address` tells."""
    if not text or (not is_address(text) and Path(text).is_file()):
        return text or None
    try:
        parts = urlsplit(text)
        wrong = parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or bool(parts.fragment)
        parts.port  # noqa: B018 -- raises for one that is none
    except ValueError:
        wrong = True
    if wrong or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be an https address, or the path of a file that exists")
    return text


def is_address(source: str) -> bool:
    """Whether PASSKEYS_METADATA, PASSKEYS_KEYS or PASSKEYS_STORE names an address, and not a file or folder."""
    return "://" in source


def _certificates(text: str) -> tuple[bytes, ...]:
    """The certificates of a PEM file, in DER."""
    try:
        found = x509.load_pem_x509_certificates(Path(text).read_bytes()) if text else []
    except (OSError, ValueError):
        raise ValueError("must be the path of a PEM file with one certificate or more") from None
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in found)


def _signer(text: str) -> str:
    if not _is_domain(text):
        raise ValueError("must be a domain name in lower case, such as mds.fidoalliance.org")
    return text


def _statuses(text: str) -> tuple[str, ...]:
    # An empty value means the default, so that "none of them" needs a word.
    return () if text == "none" else _some_of(*STATUSES)(text)


def _schedule(text: str) -> str:
    # NCRONTAB as Azure Functions reads it: six fields, seconds first. The host judges the rest.
    if not re.fullmatch(r"[0-9*,/\-]+( [0-9A-Za-z*,/\-]+){5}", text):
        raise ValueError("must be an NCRONTAB expression of six fields, seconds first, such as */2 * * * * *")
    return text


def _directory(text: str) -> Path | None:
    if text and not Path(text).is_file():
        raise ValueError(
            "must be the path of a JSON file of people that exists, or be left out for the demo people"
        )
    return Path(text) if text else None


def _issuers(text: str) -> Path | None:
    if text and not Path(text).is_file():
        raise ValueError("must be the path of a JSON file of issuers that exists, or be left out")
    return Path(text) if text else None


def _applications(text: str) -> Path | None:
    if text and not Path(text).is_file():
        raise ValueError("must be the path of a JSON file of applications that exists, or be left out")
    return Path(text) if text else None


def _issuer(text: str) -> str:
    # RFC 8414 §2 has https; a browser takes plain http for secure on localhost alone.
    if not _is_origin(text):
        raise ValueError(
            "must be one origin, such as https://login.example.com: https (http for localhost alone), no path"
        )
    return text


def _keys(text: str) -> str:
    """The address of a Key Vault, or the path of a folder; which of the two, `is_address` tells."""
    if _VAULT.fullmatch(text):
        return text
    if is_address(text) or not text.strip() or (Path(text).exists() and not Path(text).is_dir()):
        raise ValueError(
            "must be the path of a folder, which is made if it does not exist, or the address of a Key Vault, such as https://acme.vault.azure.net"
        )
    return text


def store_home(text: str) -> str:
    """The address of a storage account, or the path of a directory; which of the two, `is_address` tells. Raises ValueError."""
    if _ACCOUNT.fullmatch(text):
        return text
    if is_address(text) or not text.strip() or (Path(text).exists() and not Path(text).is_dir()):
        raise ValueError(
            "must be the path of a directory, which is made if it does not exist, or the address of a storage account, such as https://acme.blob.core.windows.net"
        )
    return text


def _connection(text: str) -> str:
    parts = [part.partition("=") for part in text.rstrip(";").split(";")]
    named = {name.lower(): value for name, _, value in parts}
    endpoint = named.get("blobendpoint", "https://")
    if text and not (
        all(separator for _, separator, _ in parts)
        and endpoint.startswith(("https://", "http://"))
        and any(complete <= named.keys() for complete in _CONNECTIONS)
    ):
        raise ValueError("must be the connection string of a storage account, or be left out")
    return text


def _container_prefix(text: str) -> str:
    if not _CONTAINER_PREFIX.fullmatch(text):
        raise ValueError(
            "must be at most 32 lower-case letters, digits and single hyphens, the first no hyphen"
        )
    return text


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _default_origin(environ: Mapping[str, str]) -> str:
    host = environ.get("WEBSITE_HOSTNAME", "") or f"{_LOCAL_HOST}:7071"
    local = host.split(":")[0] == _LOCAL_HOST
    return f"{'http' if local else 'https'}://{host}"


def _default_issuer(environ: Mapping[str, str]) -> str:
    # A wrong list of origins is one mistake, not two.
    first = environ.get("PASSKEYS_ORIGINS", "").split(",")[0].strip()
    return first if _is_origin(first) else _default_origin(environ)


def _default_keys(environ: Mapping[str, str]) -> str:
    return str(Path(environ.get("LOCAL_HOST_STATE", "") or ".local") / "keys")


def _default_store(environ: Mapping[str, str]) -> str:
    return str(Path(environ.get("LOCAL_HOST_STATE", "") or ".local") / "store")


SETTINGS: tuple[Setting, ...] = (
    Setting("PASSKEYS_PROFILE", "profile", "local", _one_of("local")),
    Setting("PASSKEYS_RP_ID", "rp_id", _LOCAL_HOST, _rp_id),
    Setting("PASSKEYS_RP_NAME", "rp_name", "Durable Passkeys", _rp_name),
    Setting("PASSKEYS_ORIGINS", "origins", _default_origin, _origins),
    Setting("PASSKEYS_STORE", "store", _default_store, store_home),
    Setting("PASSKEYS_STORE_CONNECTION", "store_connection", "", _connection, secret=True),
    Setting("PASSKEYS_STORE_PREFIX", "store_prefix", "", _container_prefix),
    Setting("PASSKEYS_CEREMONY_SECONDS", "ceremony_seconds", "300", _integer(1, 600)),
    Setting("PASSKEYS_ATTESTATION", "attestation", "none", _one_of("none", "indirect", "direct")),
    Setting("PASSKEYS_ATTESTATION_TRUST", "attestation_trust", "any", _one_of("any", "trusted")),
    Setting("PASSKEYS_ATTESTATION_ROOTS", "attestation_roots", "", _roots),
    Setting(
        "PASSKEYS_ATTESTATION_FORMATS",
        "attestation_formats",
        ",".join(_FORMATS),
        _one_or_more("format", *_FORMATS),
    ),
    Setting("PASSKEYS_ATTESTATION_LENIENCE", "attestation_lenience", "", _some_of(*_LENIENCE)),
    Setting("PASSKEYS_ATTESTATION_TPM_VENDORS", "attestation_tpm_vendors", "", _tpm_vendors),
    Setting("PASSKEYS_AAGUID_ALLOW", "aaguid_allow", "", _aaguids),
    Setting("PASSKEYS_AAGUID_DENY", "aaguid_deny", "", _aaguids),
    Setting("PASSKEYS_USER_VERIFICATION", "user_verification", "required", _one_of("required", "preferred")),
    Setting("PASSKEYS_BACKUP_ELIGIBLE", "backup_eligible", "allow", _one_of("allow", "refuse")),
    Setting("PASSKEYS_SIGN_COUNT", "sign_count", "reject", _one_of("reject", "flag")),
    Setting("PASSKEYS_CROSS_ORIGIN", "cross_origin", "deny", _one_of("deny", "allow")),
    Setting("PASSKEYS_TOP_ORIGINS", "top_origins", "", _top_origins),
    Setting("PASSKEYS_NATIVE_ORIGINS", "native_origins", "", _native_origins),
    Setting("PASSKEYS_ATTACHMENT", "attachment", "any", _one_of("any", "platform", "cross-platform")),
    Setting("PASSKEYS_TRANSPORTS", "transports", "", _some_of(*_TRANSPORTS)),
    Setting("PASSKEYS_ALGORITHMS", "algorithms", ",".join(DEFAULT_ALGORITHMS), _algorithms),
    Setting("PASSKEYS_METADATA", "metadata", "", _metadata),
    Setting("PASSKEYS_METADATA_ROOT", "metadata_root", "", _certificates),
    Setting("PASSKEYS_METADATA_SIGNER", "metadata_signer", "mds.fidoalliance.org", _signer),
    Setting("PASSKEYS_METADATA_SCHEDULE", "metadata_schedule", "0 0 3 * * *", _schedule),
    Setting(
        "PASSKEYS_METADATA_PROHIBITED", "metadata_prohibited", ",".join(PROHIBITED_BY_DEFAULT), _statuses
    ),
    Setting("PASSKEYS_UNKNOWN_MODELS", "unknown_models", "allow", _one_of("allow", "refuse")),
    Setting("PASSKEYS_CERTIFICATION", "certification", "none", _one_of("none", *CERTIFICATION_LEVELS)),
    Setting("PASSKEYS_REVOKED_CREDENTIALS", "revoked_credentials", "disable", _one_of("disable", "step-up")),
    Setting("PASSKEYS_EXTENSIONS", "extensions", "credProps", _some_of(*EXTENSIONS)),
    Setting(
        "PASSKEYS_CREDENTIAL_PROTECTION", "credential_protection", "prefer", _one_of("prefer", "require")
    ),
    Setting("PASSKEYS_HINTS", "hints", "", _some_of("client-device", "hybrid", "security-key")),
    Setting("PASSKEYS_LIMIT_NETWORK", "limit_network", "30/60", _limit),
    Setting("PASSKEYS_LIMIT_PERSON", "limit_person", "10/600", _limit),
    Setting("PASSKEYS_DECOY_MODELS", "decoy_models", "", _some_of(*(model.name for model in MODELS))),
    Setting("PASSKEYS_LIMIT_USERNAME", "limit_username", "30/600", _limit),
    Setting("PASSKEYS_LIMIT_ACTS", "limit_acts", "30/600", _limit),
    Setting("PASSKEYS_LIMIT_RECOVERIES", "limit_recoveries", "10/3600", _limit),
    Setting("PASSKEYS_LIMIT_GLOBAL", "limit_global", "600/60", _limit),
    Setting("PASSKEYS_LIMIT_GLOBAL_SHARDS", "limit_global_shards", "4", _integer(1, 64)),
    Setting("PASSKEYS_AUDIT_SHARDS", "audit_shards", "4", _integer(1, 64)),
    Setting("PASSKEYS_AUDIT_FLUSH_SCHEDULE", "audit_flush_schedule", "*/2 * * * * *", _schedule),
    Setting("PASSKEYS_AUDIT_SEAL_SCHEDULE", "audit_seal_schedule", "0 5 * * * *", _schedule),
    Setting("PASSKEYS_AUDIT_BACKLOG", "audit_backlog", "2000", _integer(100, 10_000)),
    Setting("PASSKEYS_CEREMONY_DAYS", "ceremony_days", "30", _integer(1, 3_650)),
    Setting("PASSKEYS_TICKET_SECONDS", "ticket_seconds", "86400", _integer(60, 2_592_000)),
    Setting("PASSKEYS_SESSION_SECONDS", "session_seconds", "900", _integer(60, 3_600)),
    Setting("PASSKEYS_FRESH_SECONDS", "fresh_seconds", "300", _integer(1, 3_600)),
    Setting("PASSKEYS_OPERATOR_ROLE", "operator_role", "operator", _role),
    Setting("PASSKEYS_RECOVERY_OPERATORS", "recovery_operators", "2", _integer(1, 2)),
    Setting("PASSKEYS_RECOVERY_SECONDS", "recovery_seconds", "900", _integer(1, 3_600)),
    Setting("PASSKEYS_RELATED_ORIGINS", "related_origins", "", _related_origins),
    Setting("PASSKEYS_CONDITIONAL_CREATE", "conditional_create", "off", _on_off),
    Setting("PASSKEYS_DIRECTORY", "directory", "", _directory),
    Setting("PASSKEYS_ISSUERS", "issuers", "", _issuers),
    Setting("PASSKEYS_ISSUER", "issuer", _default_issuer, _issuer),
    Setting("PASSKEYS_APPLICATIONS", "applications", "", _applications),
    Setting("PASSKEYS_KEYS", "keys", _default_keys, _keys),
    Setting("PASSKEYS_KEY_DAYS", "key_days", "90", _integer(1, 365)),
    Setting("PASSKEYS_KEY_PUBLISH_SECONDS", "key_publish_seconds", "172800", _integer(60, 604_800)),
    Setting("PASSKEYS_KEY_SCHEDULE", "key_schedule", "0 0 * * * *", _schedule),
    Setting("PASSKEYS_CODE_SECONDS", "code_seconds", "120", _integer(10, 600)),
    Setting("PASSKEYS_REFRESH_GRACE_SECONDS", "refresh_grace_seconds", "10", _integer(0, 30)),
    Setting("PASSKEYS_CLAIMS_SECONDS", "claims_seconds", "300", _integer(0, 300)),
    Setting("PASSKEYS_DPOP_NONCES", "dpop_nonces", "on", _on_off),
    Setting("PASSKEYS_FORWARDED_HOPS", "forwarded_hops", "1", _integer(0, 8)),
    Setting("PASSKEYS_CONFORMANCE", "conformance", "off", _on_off),
)


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings out of `environ`. Raises SettingsError with every mistake in it.

    An empty value counts as left out: that is how Azure and local.settings.json say "not set".
    """
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for setting in SETTINGS:
        default = setting.default if isinstance(setting.default, str) else setting.default(environ)
        text = environ.get(setting.name, "") or default
        try:
            values[setting.field] = setting.parse(text)
        except ValueError as error:
            mistakes.append(f"{setting.name}{'' if setting.secret else f'={text!r}'}: {error}.")
    mistakes += _unknown(environ)
    mistakes += _contradictions(values, environ)
    if mistakes:
        raise SettingsError(tuple(mistakes))
    return Settings(**values)


def _unknown(environ: Mapping[str, str]) -> list[str]:
    """A misspelt setting would otherwise be a default that nobody chose."""
    known = [setting.name for setting in SETTINGS]
    mistakes = []
    for name in sorted(name for name in environ if name.startswith("PASSKEYS_") and name not in known):
        near = difflib.get_close_matches(name, known, n=1)
        mistakes.append(
            f"{name}: there is no such setting." + (f" Is {near[0]} meant?" if near else " Remove it.")
        )
    return mistakes


def _contradictions(values: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """What each value alone cannot show. Values that were themselves wrong are not here to be judged."""
    mistakes = []
    rp_id = values.get("rp_id")
    for origin in values.get("origins", ()) if rp_id else ():
        host = urlsplit(origin).hostname or ""
        # WebAuthn L3 §5.1.3 step 7: the RP ID is the host or a domain above it, else the browser refuses.
        if host != rp_id and not host.endswith(f".{rp_id}"):
            mistakes.append(
                f"PASSKEYS_ORIGINS: {origin} does not belong to PASSKEYS_RP_ID={rp_id!r}: its host must be that domain or end with .{rp_id}."
            )
    mistakes += _unrelated(values.get("related_origins", ()), rp_id)
    if {"limit_global", "limit_global_shards"} <= values.keys() and values["limit_global"].capacity < values[
        "limit_global_shards"
    ]:
        mistakes.append(
            "PASSKEYS_LIMIT_GLOBAL_SHARDS: must not be more than the capacity in PASSKEYS_LIMIT_GLOBAL, or a shard would admit nobody."
        )
    if values.get("conformance") and values.get("profile") != "local":
        mistakes.append(
            "PASSKEYS_CONFORMANCE='on': anybody may enrol through that door; only PASSKEYS_PROFILE='local' has it."
        )
    mistakes += [
        mistake
        for fields, contradict, mistake in _CONTRADICTIONS
        if values.keys() >= set(fields) and contradict(*(values[field] for field in fields))
    ]
    azure = _sign_of_azure(environ)
    if values.get("profile") == "local" and azure is not None:
        mistakes.append(
            f"PASSKEYS_PROFILE='local': demo people and local files must never run in Azure ({azure} is set)."
        )
    if values.get("store_connection") and azure is not None:
        mistakes.append(
            f"PASSKEYS_STORE_CONNECTION: may hold a key, and must never be used in Azure ({azure} is set). Set PASSKEYS_STORE to the account's address."
        )
    if values.get("store_connection") and environ.get("PASSKEYS_STORE"):
        mistakes.append(
            "PASSKEYS_STORE_CONNECTION: names the store, and so does PASSKEYS_STORE; leave one out."
        )
    return mistakes


def _unrelated(origins: tuple[str, ...], rp_id: str | None) -> list[str]:
    """What is wrong with the related origins, each of which is well spelt."""
    mistakes = []
    for origin in origins:
        host = urlsplit(origin).hostname or ""
        if rp_id and (host == rp_id or host.endswith(f".{rp_id}")):
            mistakes.append(
                f"PASSKEYS_RELATED_ORIGINS: {origin} belongs to PASSKEYS_RP_ID={rp_id!r} already. Put it into PASSKEYS_ORIGINS."
            )
        elif label_of(origin) is None:
            mistakes.append(
                f"PASSKEYS_RELATED_ORIGINS: {origin} has no domain of its own: anybody may have a name under it."
            )
    labels = labels_of(origins)
    if len(labels) > MAX_LABELS:
        mistakes.append(
            f"PASSKEYS_RELATED_ORIGINS: has {len(labels)} domain labels ({', '.join(sorted(labels))}). Browsers read {MAX_LABELS}; take some out."
        )
    return mistakes


# What would refuse everybody, or only seem to protect: the fields, whether their values contradict, and what to do.
_CONTRADICTIONS: tuple[tuple[tuple[str, ...], Callable[..., bool], str], ...] = (
    (
        ("top_origins", "cross_origin"),
        lambda top_origins, cross_origin: bool(top_origins) and cross_origin == "deny",
        "PASSKEYS_TOP_ORIGINS: says nothing while PASSKEYS_CROSS_ORIGIN='deny'; set that to 'allow', or leave this out.",
    ),
    (
        ("attestation_trust", "attestation"),
        lambda trust, attestation: trust == "trusted" and attestation == "none",
        "PASSKEYS_ATTESTATION_TRUST='trusted': nobody could enrol while PASSKEYS_ATTESTATION='none'; set that to 'direct'.",
    ),
    (
        ("attestation_trust", "attestation_roots", "metadata"),
        lambda trust, roots, metadata: trust == "trusted" and not roots.by_format and metadata is None,
        "PASSKEYS_ATTESTATION_TRUST='trusted': nobody could enrol without a trust anchor; set PASSKEYS_ATTESTATION_ROOTS or PASSKEYS_METADATA.",
    ),
    (
        ("aaguid_allow", "attestation_trust"),
        lambda allowed, trust: bool(allowed) and trust == "any",
        "PASSKEYS_AAGUID_ALLOW: anybody can claim any AAGUID while PASSKEYS_ATTESTATION_TRUST='any'; set that to 'trusted'.",
    ),
    (
        ("aaguid_allow", "aaguid_deny"),
        lambda allowed, denied: bool(set(allowed) & set(denied)),
        "PASSKEYS_AAGUID_DENY: must not name what PASSKEYS_AAGUID_ALLOW names.",
    ),
    (
        ("metadata", "metadata_root"),
        lambda metadata, root: metadata is not None and not root,
        "PASSKEYS_METADATA_ROOT: must be set with PASSKEYS_METADATA: the PEM file of the root that its signer leads to.",
    ),
    (
        ("metadata", "metadata_root"),
        lambda metadata, root: metadata is None and bool(root),
        "PASSKEYS_METADATA: must be set with PASSKEYS_METADATA_ROOT: where the metadata is read.",
    ),
    (
        ("unknown_models", "metadata"),
        lambda unknown, metadata: unknown == "refuse" and metadata is None,
        "PASSKEYS_UNKNOWN_MODELS='refuse': nobody could enrol, since without PASSKEYS_METADATA every model is unknown.",
    ),
    (
        ("certification", "metadata"),
        lambda certification, metadata: certification != "none" and metadata is None,
        "PASSKEYS_CERTIFICATION: nobody could enrol, since without PASSKEYS_METADATA no model is known to be certified.",
    ),
    (
        ("certification", "attestation_trust"),
        lambda certification, trust: certification != "none" and trust == "any",
        "PASSKEYS_CERTIFICATION: anybody can claim a certified model's AAGUID while PASSKEYS_ATTESTATION_TRUST='any'; set that to 'trusted'.",
    ),
    (
        ("credential_protection", "extensions"),
        lambda protection, extensions: protection == "require" and "credProtect" not in extensions,
        "PASSKEYS_CREDENTIAL_PROTECTION='require': nobody is asked for it; name credProtect in PASSKEYS_EXTENSIONS.",
    ),
    (
        ("fresh_seconds", "session_seconds"),
        lambda fresh, session: fresh > session,
        "PASSKEYS_FRESH_SECONDS: must not be more than PASSKEYS_SESSION_SECONDS: what is good for changes is good for reading.",
    ),
    (
        ("keys", "store"),
        lambda keys, store: (
            not is_address(keys)
            and not is_address(store)
            and Path(keys).resolve().is_relative_to(Path(store).resolve())
        ),
        "PASSKEYS_KEYS: must not be inside PASSKEYS_STORE: who may read or copy the store would have the private keys.",
    ),
)


# One of these is set on every plan: an instance id where App Service runs the app, a pod or service name on Flex
# Consumption. Not CONTAINER_NAME, which developers' own containers set too; such a plan shows itself by its host name.
_AZURE = ("WEBSITE_INSTANCE_ID", "WEBSITE_POD_NAME", "LEGION_SERVICE_HOST", "WEBSITE_SKU")


def _sign_of_azure(environ: Mapping[str, str]) -> str | None:
    """The variable that says that this is Azure, or None. A host on this machine calls itself localhost."""
    host = urlsplit("//" + (environ.get("WEBSITE_HOSTNAME") or _LOCAL_HOST)).hostname
    if host not in {"localhost", "127.0.0.1", "::1"}:
        return "WEBSITE_HOSTNAME"
    return next((name for name in _AZURE if environ.get(name)), None)
