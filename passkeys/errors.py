"""Everything that the domain raises, each with one stable code.

The tree:

    PasskeysError
     ├── IllegalMove            illegal_move           we moved a ceremony where the table has no move
     ├── MalformedResponse      response_malformed     what arrived is not an authenticator's response at all
     ├── Rejection              (a RejectionCode)      the response is one, and failed one obligation
     ├── SignatureInvalid       signature_invalid      a signature is not the key's; what it signed, the caller knows
     ├── MetadataInvalid        (a MetadataFault)      a metadata BLOB is not one to rely on; says why
     ├── MetadataUnreachable    metadata_unreachable   the metadata's source could not be read: transient
     ├── TokenRefused           (a TokenRefusal)       an access token is not one to rely on; says why
     ├── DpopRefused            (a DpopRefusal)        a proof of possession proves nothing; says why
     ├── IssuerUnreachable      issuer_unreachable     no keys of an issuer's could be had: transient
     ├── SettingsError          settings_invalid       the settings are wrong; says all that is wrong with them
     ├── AuditBroken            audit_<kind>           the audit chain does not verify; says where
     ├── CheckpointRefused      (a CheckpointFault)    a checkpoint or a proof of the audit is not one to rely on; says why
     ├── DirectoryUnavailable   directory_unreachable  the directory could not be asked: transient
     └── StoreError
          ├── AlreadyExists     already_exists         create: the name is taken
          ├── Changed           changed                replace: not the version that was read
          ├── WrongPosition     wrong_position         append: not the end of what is there
          ├── StoreDamaged      store_damaged          what is stored is not what was written: needs a person
          └── StoreUnavailable  store_unavailable      the store could not be asked, or could not say: transient

Codes are for programs and never change; messages are for people and may.
"""

# Named for the fact, not the mechanism: `Changed`, not `ChangedError`.

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import StrEnum
from types import TracebackType


class PasskeysError(Exception):
    """Root of every error that the domain raises on purpose. `code` is stable."""

    code: str = "passkeys_error"


class IllegalMove(PasskeysError):
    """The transition table has no such move. A bug of ours, never of the person."""

    code = "illegal_move"


class MalformedResponse(PasskeysError):
    """Not of the shape of a RegistrationResponseJSON or AuthenticationResponseJSON.

    The caller's mistake: answer it with 400 and do not burn the challenge.
    """

    code = "response_malformed"

    def __init__(self, member: str, problem: str) -> None:
        super().__init__(f"{member} {problem}. Send what PublicKeyCredential.toJSON() returns, unchanged.")
        self.member = member


class RejectionCode(StrEnum):
    """One code for each obligation that a response can fail. Stable: audit and alerts use them."""

    RESPONSE_UNREADABLE = "response_unreadable"
    CREDENTIAL_ID_MISMATCH = "credential_id_mismatch"
    CREDENTIAL_TYPE_UNEXPECTED = "credential_type_unexpected"
    CREDENTIAL_UNKNOWN = "credential_unknown"
    CREDENTIAL_DECOY = "credential_decoy"
    CREDENTIAL_GONE = "credential_gone"
    CREDENTIAL_OWNER_MISMATCH = "credential_owner_mismatch"
    CREDENTIAL_DISABLED = "credential_disabled"
    CREDENTIAL_NOT_ALLOWED = "credential_not_allowed"
    CREDENTIAL_ID_TOO_LONG = "credential_id_too_long"
    USER_HANDLE_MISSING = "user_handle_missing"
    USER_HANDLE_MISMATCH = "user_handle_mismatch"
    CLIENT_DATA_UNREADABLE = "client_data_unreadable"
    CLIENT_DATA_TYPE_UNEXPECTED = "client_data_type_unexpected"
    CHALLENGE_MISMATCH = "challenge_mismatch"
    ORIGIN_UNEXPECTED = "origin_unexpected"
    CROSS_ORIGIN_DENIED = "cross_origin_denied"
    TOP_ORIGIN_DENIED = "top_origin_denied"
    TOP_ORIGIN_UNEXPECTED = "top_origin_unexpected"
    TOKEN_BINDING_MALFORMED = "token_binding_malformed"  # noqa: S105 -- a code, and no secret
    ATTESTATION_OBJECT_UNREADABLE = "attestation_object_unreadable"
    AUTHENTICATOR_DATA_UNREADABLE = "authenticator_data_unreadable"
    ATTESTED_CREDENTIAL_MISSING = "attested_credential_missing"
    RP_ID_MISMATCH = "rp_id_mismatch"
    USER_NOT_PRESENT = "user_not_present"
    USER_NOT_VERIFIED = "user_not_verified"
    BACKUP_STATE_INCONSISTENT = "backup_state_inconsistent"
    BACKUP_ELIGIBLE_REFUSED = "backup_eligible_refused"
    BACKUP_ELIGIBILITY_CHANGED = "backup_eligibility_changed"
    PUBLIC_KEY_UNREADABLE = "public_key_unreadable"
    PUBLIC_KEY_WEAK = "public_key_weak"
    ALGORITHM_NOT_OFFERED = "algorithm_not_offered"
    ATTACHMENT_UNEXPECTED = "attachment_unexpected"
    TRANSPORT_NOT_ALLOWED = "transport_not_allowed"
    RESIDENT_KEY_MISSING = "resident_key_missing"
    ATTESTATION_FORMAT_UNSUPPORTED = "attestation_format_unsupported"
    ATTESTATION_INVALID = "attestation_invalid"
    # Of passkeys.attestation: one for each obligation of each format.
    ATTESTATION_CHAIN_INVALID = "attestation_chain_invalid"
    ATTESTATION_NONE_NOT_EMPTY = "attestation_none_not_empty"
    ATTESTATION_PACKED_MALFORMED = "attestation_packed_malformed"
    ATTESTATION_PACKED_CERTIFICATE_UNREADABLE = "attestation_packed_certificate_unreadable"
    ATTESTATION_PACKED_SIGNATURE_INVALID = "attestation_packed_signature_invalid"
    ATTESTATION_PACKED_CERTIFICATE_VERSION = "attestation_packed_certificate_version"
    ATTESTATION_PACKED_SUBJECT_COUNTRY = "attestation_packed_subject_country"
    ATTESTATION_PACKED_SUBJECT_ORGANIZATION = "attestation_packed_subject_organization"
    ATTESTATION_PACKED_SUBJECT_UNIT = "attestation_packed_subject_unit"
    ATTESTATION_PACKED_SUBJECT_NAME = "attestation_packed_subject_name"
    ATTESTATION_PACKED_CERTIFICATE_AUTHORITY = "attestation_packed_certificate_authority"
    ATTESTATION_PACKED_FIRMWARE_MALFORMED = "attestation_packed_firmware_malformed"
    ATTESTATION_PACKED_ENTERPRISE_UNASKED = "attestation_packed_enterprise_unasked"
    ATTESTATION_PACKED_AAGUID_CRITICAL = "attestation_packed_aaguid_critical"
    ATTESTATION_PACKED_AAGUID_MALFORMED = "attestation_packed_aaguid_malformed"
    ATTESTATION_PACKED_AAGUID_MISMATCH = "attestation_packed_aaguid_mismatch"
    ATTESTATION_PACKED_SELF_ALGORITHM_MISMATCH = "attestation_packed_self_algorithm_mismatch"
    ATTESTATION_PACKED_SELF_SIGNATURE_INVALID = "attestation_packed_self_signature_invalid"
    ATTESTATION_TPM_MALFORMED = "attestation_tpm_malformed"
    ATTESTATION_TPM_VER_UNSUPPORTED = "attestation_tpm_ver_unsupported"
    ATTESTATION_TPM_PUBLIC_AREA_UNREADABLE = "attestation_tpm_public_area_unreadable"
    ATTESTATION_TPM_PUBLIC_KEY_MISMATCH = "attestation_tpm_public_key_mismatch"
    ATTESTATION_TPM_KEY_NOT_BOUND = "attestation_tpm_key_not_bound"
    ATTESTATION_TPM_CERTIFICATE_UNREADABLE = "attestation_tpm_certificate_unreadable"
    ATTESTATION_TPM_CERTIFICATE_VERSION = "attestation_tpm_certificate_version"
    ATTESTATION_TPM_SUBJECT_NOT_EMPTY = "attestation_tpm_subject_not_empty"
    ATTESTATION_TPM_ALTERNATIVE_NAME = "attestation_tpm_alternative_name"
    ATTESTATION_TPM_VENDOR_UNKNOWN = "attestation_tpm_vendor_unknown"
    ATTESTATION_TPM_EXTENDED_KEY_USAGE = "attestation_tpm_extended_key_usage"
    ATTESTATION_TPM_CERTIFICATE_AUTHORITY = "attestation_tpm_certificate_authority"
    ATTESTATION_TPM_AAGUID_MISMATCH = "attestation_tpm_aaguid_mismatch"
    ATTESTATION_TPM_SIGNATURE_INVALID = "attestation_tpm_signature_invalid"
    ATTESTATION_TPM_MAGIC_UNEXPECTED = "attestation_tpm_magic_unexpected"
    ATTESTATION_TPM_TYPE_UNEXPECTED = "attestation_tpm_type_unexpected"
    ATTESTATION_TPM_CERT_INFO_UNREADABLE = "attestation_tpm_cert_info_unreadable"
    ATTESTATION_TPM_EXTRA_DATA_MISMATCH = "attestation_tpm_extra_data_mismatch"
    ATTESTATION_TPM_NAME_MISMATCH = "attestation_tpm_name_mismatch"
    ATTESTATION_ANDROID_KEY_MALFORMED = "attestation_android_key_malformed"
    ATTESTATION_ANDROID_KEY_CERTIFICATE_UNREADABLE = "attestation_android_key_certificate_unreadable"
    ATTESTATION_ANDROID_KEY_SIGNATURE_INVALID = "attestation_android_key_signature_invalid"
    ATTESTATION_ANDROID_KEY_PUBLIC_KEY_MISMATCH = "attestation_android_key_public_key_mismatch"
    ATTESTATION_ANDROID_KEY_DESCRIPTION_UNREADABLE = "attestation_android_key_description_unreadable"
    ATTESTATION_ANDROID_KEY_CHALLENGE_MISMATCH = "attestation_android_key_challenge_mismatch"
    ATTESTATION_ANDROID_KEY_ALL_APPLICATIONS = "attestation_android_key_all_applications"
    ATTESTATION_ANDROID_KEY_ORIGIN_UNEXPECTED = "attestation_android_key_origin_unexpected"
    ATTESTATION_ANDROID_KEY_PURPOSE_UNEXPECTED = "attestation_android_key_purpose_unexpected"
    ATTESTATION_APPLE_MALFORMED = "attestation_apple_malformed"
    ATTESTATION_APPLE_CERTIFICATE_UNREADABLE = "attestation_apple_certificate_unreadable"
    ATTESTATION_APPLE_NONCE_MISMATCH = "attestation_apple_nonce_mismatch"
    ATTESTATION_APPLE_PUBLIC_KEY_MISMATCH = "attestation_apple_public_key_mismatch"
    ATTESTATION_FIDO_U2F_MALFORMED = "attestation_fido_u2f_malformed"
    ATTESTATION_FIDO_U2F_CERTIFICATE_COUNT = "attestation_fido_u2f_certificate_count"
    ATTESTATION_FIDO_U2F_CERTIFICATE_UNREADABLE = "attestation_fido_u2f_certificate_unreadable"
    ATTESTATION_FIDO_U2F_CERTIFICATE_KEY = "attestation_fido_u2f_certificate_key"
    ATTESTATION_FIDO_U2F_PUBLIC_KEY_UNSUITABLE = "attestation_fido_u2f_public_key_unsuitable"
    ATTESTATION_FIDO_U2F_SIGNATURE_INVALID = "attestation_fido_u2f_signature_invalid"
    ATTESTATION_FIDO_U2F_AAGUID_NOT_ZERO = "attestation_fido_u2f_aaguid_not_zero"
    ATTESTATION_COMPOUND_MALFORMED = "attestation_compound_malformed"
    ATTESTATION_COMPOUND_NESTED = "attestation_compound_nested"
    ATTESTATION_UNTRUSTED = "attestation_untrusted"
    AAGUID_DENIED = "aaguid_denied"
    AAGUID_NOT_ALLOWED = "aaguid_not_allowed"
    AAGUID_UNPROVEN = "aaguid_unproven"
    EXTENSION_OUTPUT_INVALID = "extension_output_invalid"
    CREDENTIAL_PROTECTION_TOO_LOW = "credential_protection_too_low"
    SIGNATURE_INVALID = "signature_invalid"
    SIGN_COUNT_NOT_INCREASED = "sign_count_not_increased"
    MODEL_PROHIBITED = "model_prohibited"
    MODEL_UNKNOWN = "model_unknown"
    MODEL_NOT_CERTIFIED = "model_not_certified"


class Rejection(PasskeysError):
    """The response failed one obligation; `code` says which. The person sees none of it."""

    code: RejectionCode

    def __init__(self, code: RejectionCode, detail: str = "") -> None:
        super().__init__(f"{code.value}: {detail}" if detail else code.value)
        self.code = code


def rejected_as(code: RejectionCode) -> AbstractContextManager[None]:
    """Turn whatever goes wrong inside into a rejection with `code`; one that is a rejection already stays."""
    return raised_as(lambda error: Rejection(code, type(error).__name__), but=Rejection)


def raised_as(
    refusal: Callable[[BaseException], PasskeysError], *, but: type[PasskeysError]
) -> AbstractContextManager[None]:
    """Turn whatever goes wrong inside into a `refusal`, but an error of that class, which stays.

    Parsers of hostile bytes raise what they like: KeyError, TypeError, RecursionError, and those written in
    Rust a PanicException, which is no Exception and has no importable name. What stops a program still does.
    """
    return _RaisedAs(refusal, but)


class _RaisedAs(AbstractContextManager[None]):
    """Written out: `contextlib.contextmanager` costs twice as much, and every answer passes several."""

    __slots__ = ("but", "refusal")

    def __init__(self, refusal: Callable[[BaseException], PasskeysError], but: type[PasskeysError]) -> None:
        self.refusal, self.but = refusal, but

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, self.but):
            return
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise self.refusal(error) from error


class SignatureInvalid(PasskeysError):
    """No signature of this key over this data under this algorithm. Whoever asked knows which obligation failed."""

    code = "signature_invalid"


class MetadataFault(StrEnum):
    """What can be wrong with a metadata BLOB. Stable: audit and alerts use them."""

    TOO_LARGE = "metadata_too_large"
    MALFORMED = "metadata_malformed"
    ALGORITHM_REFUSED = "metadata_algorithm_refused"
    CHAIN_REMOTE = "metadata_chain_remote"
    CHAIN_MISSING = "metadata_chain_missing"
    CHAIN_UNTRUSTED = "metadata_chain_untrusted"
    SIGNER_UNEXPECTED = "metadata_signer_unexpected"
    UNSIGNED = "metadata_unsigned"
    SIGNATURE_INVALID = "metadata_signature_invalid"
    PAYLOAD_MALFORMED = "metadata_payload_malformed"
    ENTRY_MALFORMED = "metadata_entry_malformed"
    ENTRY_REPEATED = "metadata_entry_repeated"
    ROLLED_BACK = "metadata_rolled_back"
    SERIAL_REUSED = "metadata_serial_reused"


class MetadataInvalid(PasskeysError):
    """A BLOB that must not be relied on. What was known before stays in use."""

    code: MetadataFault

    def __init__(self, code: MetadataFault, detail: str) -> None:
        super().__init__(f"{code.value}: {detail}")
        self.code = code
        self.detail = detail


class MetadataUnreachable(PasskeysError):
    """The file or the address of the BLOB could not be read, or not in time. What was known before stays in use."""

    code = "metadata_unreachable"


class TokenRefusal(StrEnum):
    """Why an issuer's token was refused: one code an obligation of `passkeys.access_tokens`. Stable: logs and alerts use them."""

    TOO_LARGE = "token_too_large"
    MALFORMED = "token_malformed"
    HEADER_MALFORMED = "token_header_malformed"
    ALGORITHM_REFUSED = "token_algorithm_refused"
    CRITICAL_HEADER = "token_critical_header"
    TYPE_REFUSED = "token_type_refused"
    KEY_ID_MISSING = "token_key_id_missing"
    KEY_UNKNOWN = "token_key_unknown"
    KEY_UNSUITABLE = "token_key_unsuitable"
    SIGNATURE_INVALID = "token_signature_invalid"
    CLAIMS_MALFORMED = "token_claims_malformed"
    ISSUER_MISMATCH = "token_issuer_mismatch"
    TENANT_REFUSED = "token_tenant_refused"
    KEY_ISSUER_MISMATCH = "token_key_issuer_mismatch"
    AUDIENCE_MISMATCH = "token_audience_mismatch"
    KIND_REFUSED = "token_kind_refused"
    VERSION_REFUSED = "token_version_refused"
    SENDER_CONSTRAINED = "token_sender_constrained"
    TIME_MALFORMED = "token_time_malformed"
    EXPIRED = "token_expired"
    NOT_YET_VALID = "token_not_yet_valid"
    ISSUED_IN_FUTURE = "token_issued_in_future"
    SUBJECT_MALFORMED = "token_subject_malformed"
    CLIENT_REFUSED = "token_client_refused"
    APPLICATION = "token_application"
    CLAIM_REFUSED = "token_claim_refused"
    SCOPE_MISSING = "token_scope_missing"
    TOO_OLD = "token_too_old"
    AUTHENTICATION_TOO_OLD = "token_authentication_too_old"
    CONTEXT_MISSING = "token_context_missing"


class TokenRefused(PasskeysError):
    """A token that proves nothing here; `code` says which obligation it failed. Its holder learns less."""

    code: TokenRefusal

    def __init__(self, code: TokenRefusal, detail: str = "") -> None:
        super().__init__(f"{code.value}: {detail}" if detail else code.value)
        self.code = code


class DpopRefusal(StrEnum):
    """Why a DPoP proof was refused: one code an obligation of `passkeys.dpop`. Stable: logs and alerts use them."""

    TOO_LARGE = "dpop_too_large"
    MALFORMED = "dpop_malformed"
    HEADER_MALFORMED = "dpop_header_malformed"
    TYPE_REFUSED = "dpop_type_refused"
    ALGORITHM_REFUSED = "dpop_algorithm_refused"
    CRITICAL_HEADER = "dpop_critical_header"
    KEY_PRIVATE = "dpop_key_private"
    KEY_MALFORMED = "dpop_key_malformed"
    KEY_UNSUITABLE = "dpop_key_unsuitable"
    SIGNATURE_INVALID = "dpop_signature_invalid"
    CLAIMS_MALFORMED = "dpop_claims_malformed"
    ID_MALFORMED = "dpop_id_malformed"
    METHOD_MISMATCH = "dpop_method_mismatch"
    URL_MISMATCH = "dpop_url_mismatch"
    TOKEN_MISMATCH = "dpop_token_mismatch"  # noqa: S105 -- a code, and no secret
    TIME_MALFORMED = "dpop_time_malformed"
    TOO_OLD = "dpop_too_old"
    IN_FUTURE = "dpop_in_future"
    NONCE_MISSING = "dpop_nonce_missing"
    NONCE_REFUSED = "dpop_nonce_refused"


class DpopRefused(PasskeysError):
    """A DPoP proof that proves nothing here; `code` says which obligation it failed. Its sender learns less."""

    code: DpopRefusal

    def __init__(self, code: DpopRefusal, detail: str = "") -> None:
        super().__init__(f"{code.value}: {detail}" if detail else code.value)
        self.code = code


class IssuerUnreachable(PasskeysError):
    """No key set of the issuer's could be had, fresh or not too old. Transient: ask again later."""

    code = "issuer_unreachable"


class SettingsError(PasskeysError):
    """The settings are wrong. `mistakes` lists every mistake, each with what to do about it."""

    code = "settings_invalid"

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        listed = "\n".join(f"  - {mistake}" for mistake in mistakes)
        super().__init__(f"The settings are wrong; nothing was started. Mend each of these:\n{listed}")
        self.mistakes = mistakes


class AuditFault(StrEnum):
    """What can be wrong with an audit chain."""

    ALTERED = "altered"
    REMOVED = "removed"
    REORDERED = "reordered"
    INSERTED = "inserted"
    TRUNCATED = "truncated"
    DUPLICATED = "duplicated"
    FORKED = "forked"


class AuditBroken(PasskeysError):
    """The first thing wrong with a shard's chain: which `fault`, at which sequence number."""

    def __init__(self, fault: AuditFault, *, shard: str, seq: int, detail: str) -> None:
        super().__init__(f"Audit shard {shard}, entry {seq}: {fault.value}. {detail}")
        self.code = f"audit_{fault.value}"
        self.fault = fault
        self.shard = shard
        self.seq = seq


class CheckpointFault(StrEnum):
    """What can be wrong with a checkpoint of the audit trail, or with a proof. Stable: auditors' programs use them."""

    TOO_LARGE = "checkpoint_too_large"
    MALFORMED = "checkpoint_malformed"
    KEY_UNKNOWN = "checkpoint_key_unknown"
    SIGNATURE_INVALID = "checkpoint_signature_invalid"
    ORIGIN_UNEXPECTED = "checkpoint_origin_unexpected"
    MISSING = "checkpoint_missing"
    UNCHAINED = "checkpoint_unchained"
    SHRUNK = "checkpoint_shrunk"
    FORKED = "checkpoint_forked"
    ROOT_MISMATCH = "checkpoint_root_mismatch"
    PROOF_MALFORMED = "proof_malformed"
    PROOF_INVALID = "proof_invalid"


class CheckpointRefused(PasskeysError):
    """A checkpoint or a proof that proves nothing. `detail` says which one, and what to look at."""

    code: CheckpointFault

    def __init__(self, code: CheckpointFault, detail: str) -> None:
        super().__init__(f"{code.value}: {detail}")
        self.code = code
        self.detail = detail


class DirectoryUnavailable(PasskeysError):
    """The directory could not be asked. Transient: ask again, and then fail closed."""

    code = "directory_unreachable"


class AuditUnavailable(PasskeysError):
    """The audit could not be told. Transient: what was done is done, and asked for again it is told again."""

    code = "audit_unavailable"


class DirectoryExhausted(DirectoryUnavailable):
    """It was asked for as long as a person can wait, or is known to be away. Asking again at once helps nobody."""


class DirectoryMisconfigured(DirectoryUnavailable):
    """It answered, and not to us: a permission, a client or an address is wrong. Until that is mended nobody signs in."""

    code = "directory_misconfigured"


class KeysUnavailable(PasskeysError):
    """A private key could not be used, made or read. `problem` says what to look at; nothing of the key is in it."""

    code = "keys_unavailable"


class StoreError(PasskeysError):
    """Root of what a store raises. `name` is the document's."""

    code = "store_error"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


class AlreadyExists(StoreError):
    """`create` found the name taken."""

    code = "already_exists"

    def __init__(self, name: str) -> None:
        super().__init__(name, "exists already. Read it, and decide.")


class Changed(StoreError):
    """`replace` found another version than the caller read, or none."""

    code = "changed"

    def __init__(self, name: str) -> None:
        super().__init__(name, "is not the version that was read. Read it again, and decide again.")


class WrongPosition(StoreError):
    """`append` was told an end that is not the end; `actual` is."""

    code = "wrong_position"

    def __init__(self, name: str, *, position: int, actual: int) -> None:
        super().__init__(name, f"ends at byte {actual}, not at {position}. Read the tail, and decide.")
        self.actual = actual


class Sealed(StoreError):
    """`append` found that the document is to grow no more."""

    code = "sealed"

    def __init__(self, name: str) -> None:
        super().__init__(name, "is sealed. Append to the one that comes after it.")


class StoreDamaged(StoreError):
    """What is stored is not what was written. `data` is what could still be read."""

    code = "store_damaged"

    def __init__(
        self, name: str, problem: str, *, next_step: str = "Restore the store from a copy.", data: bytes = b""
    ) -> None:
        super().__init__(name, f"{problem} {next_step}")
        self.data = data


class StoreUnavailable(StoreError):
    """The store could not be asked, or could not say what became of a write. Transient.

    After a write, the write may or may not have been kept: read, or repeat the step.
    """

    code = "store_unavailable"
