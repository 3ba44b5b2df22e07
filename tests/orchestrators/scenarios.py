"""Every way in which a ceremony can go, as scripts over `Execution`: the tests judge them, the fixtures record them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.orchestrators.episodes import Execution

PERSON = "ada"
NETWORK = "203.0.113.0-24"
OPTIONS = {"challenge": "x" * 43, "rpId": "localhost"}
YES = {"admitted": True, "retry_after_seconds": 0}
NO = {"admitted": False, "retry_after_seconds": 7}
CLAIMS = {"person": PERSON, "status": "active", "display_name": "Ada Lovelace", "claims": {}}
FACTS = {"aaguid": "00000000-0000-0000-0000-000000000000", "algorithm": -7}
ANSWER = {"id": "Y3JlZA", "rawId": "Y3JlZA", "type": "public-key", "response": {}}
CREDENTIAL = {"credential_id": "Y3JlZA", "public_key": "cHVi", "sign_count": 0}
REGISTERED = {"verified": True, "person": PERSON, "credential": CREDENTIAL, "facts": FACTS}
SIGNED_IN = {
    "verified": True,
    "person": PERSON,
    "credential_id": "Y3JlZA",
    "sign_count": 1,
    "user_verified": True,
}
REJECTED = {"verified": False, "reason": "signature_invalid"}
STEPPED_UP = {**SIGNED_IN, "step_up": True}
NOT_KNOWN = {"verified": False, "reason": "credential_unknown"}

LIMITS = [
    {"policy": "network", "key": NETWORK, "capacity": 30, "refill_seconds": 60},
    {"policy": "global", "key": "3", "capacity": 150, "refill_seconds": 60},
]
PERSON_LIMIT = {"policy": "person", "key": "0" * 32, "capacity": 10, "refill_seconds": 600}
RECOVERY_LIMITS = [
    {"policy": "recovery-by", "key": "1" * 32, "capacity": 10, "refill_seconds": 3600},
    {"policy": "recovery-of", "key": "0" * 32, "capacity": 10, "refill_seconds": 3600},
]
OPERATOR = "katherine"
CONFIRMED = {**SIGNED_IN, "person": OPERATOR}
OPERATORS_CLAIMS = {
    "person": OPERATOR,
    "status": "active",
    "display_name": "Katherine Johnson",
    "claims": {"roles": ["operator"]},
}
DETAILS = {
    "person": PERSON,
    "display_name": "Ada Lovelace",
    "reason": "lost her phone; I have seen her badge",
    "started_by": "grace",
}


CODE_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
RECOVERY = f"recovery-{'0' * 31}8"
SESSION = f"authentication-{'0' * 31}9"


IDENTITY = {"issuer": "https://op.example.com", "tenant": None, "subject": "0001", "client": "portal"}


def request(kind: str, **said: Any) -> dict[str, Any]:
    registration, recovery = kind == "registration", kind == "recovery"
    limits = {"registration": [PERSON_LIMIT, *LIMITS], "recovery": [*RECOVERY_LIMITS, *LIMITS]}
    return {
        "v": 1,
        "kind": kind,
        "ceremony_id": f"{kind}-{'0' * 31}1",
        "person": PERSON if registration else None,
        "ticket": "a" * 64 if registration else None,
        "network": NETWORK,
        "deadline_seconds": 900 if recovery else 300,
        "limits": limits.get(kind, LIMITS),
        "audit_shard": "02",
        "audit": {"policy_version": "0123456789abcdef", "correlation_id": "call-7", "trace_id": "4b" * 16},
        "mediation": None if recovery else "modal",
        "code_challenge": CODE_CHALLENGE,
        "username": None,
        "session": None,
        "session_credential": None,
        "session_at": None,
        "recovery": None,
        "token": None,
        "identity": None,
        "details": DETAILS if recovery else None,
        "wishes": None,
        "client_id": None,
        "authorization": None,
        **said,
    }


ORCHESTRATOR_OF = {
    "registration": "register_passkey",
    "authentication": "authenticate_passkey",
    "recovery": "recover_account",
}
VERIFY_OF = {
    "registration": "verify_registration",
    "authentication": "verify_authentication",
    "recovery": "verify_authentication",
}


def start(kind: str, function: Any = None, **said: Any) -> Execution:
    return Execution(ORCHESTRATOR_OF[kind], request(kind, **said), function)


def admit(run: Execution, refuse: str | None = None) -> Execution:
    """All limits answer, one of them with no if asked, and the challenge is there."""
    kind = run.request["kind"]
    answers = [
        run.answered(
            f"@rate_limiter@{limit['policy']}|{limit['key']}", NO if limit["policy"] == refuse else YES
        )
        for limit in run.request["limits"]
    ]
    run.later(milliseconds=20)
    issued = {"publicKey": OPTIONS, "expires_at": "2026-01-01T12:05:00Z"}
    run.deliver(*answers, run.done(f"issue_{kind}_challenge", issued))
    return run


def answer(run: Execution) -> Execution:
    run.later(seconds=5)
    run.deliver(run.raised("authenticator_response", ANSWER))
    return run


def judge(run: Execution, verdict: dict[str, Any], claims: dict[str, Any]) -> Execution:
    kind = run.request["kind"]
    run.later(milliseconds=30)
    run.deliver(run.done(VERIFY_OF[kind], verdict), run.done("resolve_claims", claims))
    return run


def registration_completed() -> Execution:
    run = judge(answer(admit(start("registration"))), REGISTERED, CLAIMS)
    run.deliver(run.done("record_credential", {"recorded": True}))
    return run


def registration_by_session() -> Execution:
    """No ticket: a session allows it, and conditionally."""
    said = {
        "ticket": None,
        "session": SESSION,
        "session_credential": "b2xk",
        "session_at": "2026-01-01T11:59:00+00:00",
        "mediation": "conditional",
    }
    run = judge(answer(admit(start("registration", **said))), REGISTERED, CLAIMS)
    run.deliver(run.done("record_credential", {"recorded": True}))
    return run


def registration_by_token() -> Execution:
    """An issuer's token allows it: the audit says whose, and not which."""
    said = {"ticket": None, "token": "d" * 64, "identity": IDENTITY}
    run = judge(answer(admit(start("registration", **said))), REGISTERED, CLAIMS)
    run.deliver(run.done("record_credential", {"recorded": True}))
    return run


def registration_ticket_used() -> Execution:
    run = judge(answer(admit(start("registration"))), REGISTERED, CLAIMS)
    run.deliver(run.done("record_credential", {"recorded": False, "reason": "ticket_used"}))
    return run


def registration_not_recorded() -> Execution:
    run = judge(answer(admit(start("registration"))), REGISTERED, CLAIMS)
    run.deliver(run.failed("record_credential"))
    return run


def registration_by_recovery() -> Execution:
    """With the ticket of a recovery: the audit says which."""
    run = judge(answer(admit(start("registration", recovery=RECOVERY))), REGISTERED, CLAIMS)
    run.deliver(run.done("record_credential", {"recorded": True}))
    return run


def _recovery(recording: dict[str, Any]) -> Callable[[], Execution]:
    def script() -> Execution:
        run = judge(answer(admit(start("recovery"))), CONFIRMED, OPERATORS_CLAIMS)
        run.deliver(run.done("record_recovery", recording))
        return run

    return script


def recovery_not_recorded() -> Execution:
    run = judge(answer(admit(start("recovery"))), CONFIRMED, OPERATORS_CLAIMS)
    run.deliver(run.failed("record_recovery"))
    return run


def recovery_expired() -> Execution:
    run = admit(start("recovery"))
    run.later(seconds=900)
    run.deliver(run.fired())
    return run


def expired() -> Execution:
    run = admit(start("authentication"))
    run.later(seconds=300)
    run.deliver(run.fired())
    return run


def expired_answer_late() -> Execution:
    run = admit(start("authentication"))
    run.later(seconds=301)
    run.deliver(run.raised("authenticator_response", ANSWER), run.fired())
    return run


def canceled() -> Execution:
    run = admit(start("authentication"))
    run.later(seconds=2)
    run.deliver(run.raised("cancel", {"by": "holder"}))
    return run


def canceled_early() -> Execution:
    """The cancellation comes before the options are out: it waits for the wait."""
    run = start("authentication")
    run.deliver(run.raised("cancel", {"by": "holder"}))
    return admit(run)


def challenge_failed() -> Execution:
    run = start("authentication")
    run.deliver(
        *(run.answered(f"@rate_limiter@{limit['policy']}|{limit['key']}", YES) for limit in LIMITS),
        run.failed("issue_authentication_challenge"),
    )
    return run


def options_too_large() -> Execution:
    """Options that the custom status cannot hold: the engine would fail the instance, unrecorded."""
    run = start("authentication")
    run.deliver(
        *(run.answered(f"@rate_limiter@{limit['policy']}|{limit['key']}", YES) for limit in LIMITS),
        run.done("issue_authentication_challenge", {"publicKey": {**OPTIONS, "hints": ["x" * 8000]}}),
    )
    return run


def limiter_failed() -> Execution:
    """One limiter raises while the challenge is still being issued: the ceremony fails once that is there too."""
    run = start("authentication")
    run.deliver(run.answered(f"@rate_limiter@network|{NETWORK}", "broken", error=True))
    run.deliver(
        run.answered("@rate_limiter@global|3", YES),
        run.done("issue_authentication_challenge", {"publicKey": OPTIONS}),
    )
    return run


def verification_failed() -> Execution:
    """The verification raises while the claims are still being asked for."""
    run = answer(admit(start("authentication")))
    run.deliver(run.failed("verify_authentication"))
    run.deliver(run.done("resolve_claims", CLAIMS))
    return run


def answered_twice() -> Execution:
    """A second answer and a late cancellation, while the first answer is verified: both come to nothing."""
    run = answer(admit(start("authentication")))
    run.deliver(run.raised("authenticator_response", {**ANSWER, "id": "b3RoZXI"}), run.raised("cancel", {}))
    return judge(run, SIGNED_IN, CLAIMS)


def one_by_one() -> Execution:
    """Nothing arrives together, and claims before verification: the outcome is the same."""
    run = start("authentication")
    run.deliver(run.done("issue_authentication_challenge", {"publicKey": OPTIONS}))
    run.deliver(run.answered("@rate_limiter@global|3", YES))
    run.deliver(run.answered(f"@rate_limiter@network|{NETWORK}", YES))
    answer(run)
    run.deliver(run.done("resolve_claims", CLAIMS))
    run.deliver(run.done("verify_authentication", SIGNED_IN))
    return run


def _authentication(verdict: dict[str, Any], claims: dict[str, Any]) -> Callable[[], Execution]:
    return lambda: judge(answer(admit(start("authentication"))), verdict, claims)


DISABLED = {**CLAIMS, "status": "disabled"}
UNREACHABLE = {"person": None, "status": "unreachable", "display_name": None, "claims": {}}
UNKNOWN = {"person": None, "status": "unknown", "display_name": None, "claims": {}}
GONE = {**UNKNOWN, "person": PERSON}
SOMEBODY_ELSE = {**CLAIMS, "person": "grace", "display_name": "Grace Hopper"}

# name: (script, outcome, reason, last stage before the outcome)
SCENARIOS: dict[str, tuple[Callable[[], Execution], str, str | None, str]] = {
    "registration_completed": (registration_completed, "completed", None, "recording"),
    "authentication_completed": (_authentication(SIGNED_IN, CLAIMS), "completed", None, "recording"),
    "registration_by_session": (registration_by_session, "completed", None, "recording"),
    "registration_by_token": (registration_by_token, "completed", None, "recording"),
    "registration_by_recovery": (registration_by_recovery, "completed", None, "recording"),
    "recovery_completed": (_recovery({"recorded": True}), "completed", None, "recording"),
    "recovery_by_starter": (
        _recovery({"recorded": False, "reason": "confirmed_by_starter"}),
        "refused",
        "confirmed_by_starter",
        "recording",
    ),
    "recovery_by_disabled": (
        lambda: judge(
            answer(admit(start("recovery"))), CONFIRMED, {**OPERATORS_CLAIMS, "status": "disabled"}
        ),
        "refused",
        "person_disabled",
        "resolving_claims",
    ),
    "recovery_rejected": (
        lambda: judge(answer(admit(start("recovery"))), REJECTED, OPERATORS_CLAIMS),
        "rejected",
        "signature_invalid",
        "verifying",
    ),
    "recovery_expired": (recovery_expired, "expired", None, "awaiting_authenticator"),
    "recovery_limited_by": (
        lambda: admit(start("recovery"), refuse="recovery-by"),
        "rate_limited",
        None,
        "admitting",
    ),
    "recovery_limited_of": (
        lambda: admit(start("recovery"), refuse="recovery-of"),
        "rate_limited",
        None,
        "admitting",
    ),
    "recovery_failed_recording": (recovery_not_recorded, "failed", "dependency_failed", "recording"),
    "authentication_stepped_up": (_authentication(STEPPED_UP, CLAIMS), "completed", None, "recording"),
    "one_by_one": (one_by_one, "completed", None, "recording"),
    "answered_twice": (answered_twice, "completed", None, "recording"),
    "rejected": (_authentication(REJECTED, CLAIMS), "rejected", "signature_invalid", "verifying"),
    "rejected_unknown": (_authentication(NOT_KNOWN, UNKNOWN), "rejected", "credential_unknown", "verifying"),
    "rejected_and_disabled": (
        _authentication(REJECTED, DISABLED),
        "rejected",
        "signature_invalid",
        "verifying",
    ),
    "registration_rejected": (
        lambda: judge(answer(admit(start("registration"))), REJECTED, CLAIMS),
        "rejected",
        "signature_invalid",
        "verifying",
    ),
    "refused_disabled": (
        _authentication(SIGNED_IN, DISABLED),
        "refused",
        "person_disabled",
        "resolving_claims",
    ),
    "refused_unreachable": (
        _authentication(SIGNED_IN, UNREACHABLE),
        "refused",
        "person_unreachable",
        "resolving_claims",
    ),
    "refused_unknown": (_authentication(SIGNED_IN, GONE), "refused", "person_unknown", "resolving_claims"),
    "refused_mismatch": (
        _authentication(SIGNED_IN, SOMEBODY_ELSE),
        "refused",
        "person_mismatch",
        "resolving_claims",
    ),
    "refused_ticket_used": (registration_ticket_used, "refused", "ticket_used", "recording"),
    "rate_limited_network": (
        lambda: admit(start("authentication"), refuse="network"),
        "rate_limited",
        None,
        "admitting",
    ),
    "rate_limited_person": (
        lambda: admit(start("registration"), refuse="person"),
        "rate_limited",
        None,
        "admitting",
    ),
    "expired": (expired, "expired", None, "awaiting_authenticator"),
    "expired_answer_late": (expired_answer_late, "expired", None, "awaiting_authenticator"),
    "canceled": (canceled, "canceled", None, "awaiting_authenticator"),
    "canceled_early": (canceled_early, "canceled", None, "awaiting_authenticator"),
    "failed_challenge": (challenge_failed, "failed", "dependency_failed", "admitting"),
    "failed_options": (options_too_large, "failed", "dependency_failed", "challenging"),
    "failed_limiter": (limiter_failed, "failed", "dependency_failed", "admitting"),
    "failed_verification": (verification_failed, "failed", "dependency_failed", "verifying"),
    "failed_recording": (registration_not_recorded, "failed", "dependency_failed", "recording"),
}
