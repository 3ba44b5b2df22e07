"""The table of contents: every function of the app, registered under its own name. The only file that knows decorators."""

import os
import secrets
from datetime import UTC, datetime

# Strict typing: a payload can name no class to be built (only JSON crosses a durable boundary here). Before the SDK is used.
os.environ.setdefault("AZURE_FUNCTIONS_DURABLE_STRICT_TYPING", "true")

import azure.durable_functions as df
import azure.functions as func

from activities.append_audit import append_audit
from activities.change_credential import change_credential
from activities.change_session import change_session
from activities.end_sessions import end_sessions
from activities.find_leaver import find_leaver
from activities.issue_authentication_challenge import issue_authentication_challenge
from activities.issue_recovery_challenge import issue_recovery_challenge
from activities.issue_registration_challenge import issue_registration_challenge
from activities.judge_credentials import judge_credentials
from activities.load_metadata import load_metadata
from activities.record_credential import record_credential
from activities.record_recovery import record_recovery
from activities.redeem_recovery import redeem_recovery
from activities.resolve_claims import resolve_claims
from activities.seal_audit import seal_audit
from activities.turn_keys import turn_keys
from activities.verify_authentication import verify_authentication
from activities.verify_registration import verify_registration
from entities.audit_log import audit_log
from entities.rate_limiter import rate_limiter
from orchestrators.administer_credential import administer_credential
from orchestrators.administer_session import administer_session
from orchestrators.authenticate_passkey import authenticate_passkey
from orchestrators.end_access import end_access
from orchestrators.flush_audit import flush_audit
from orchestrators.issue_recovery_ticket import issue_recovery_ticket
from orchestrators.recover_account import recover_account
from orchestrators.refresh_metadata import refresh_metadata
from orchestrators.register_passkey import register_passkey
from orchestrators.rotate_keys import rotate_keys
from orchestrators.seal_audit_trail import seal_audit_trail
from passkeys.settings import load
from passkeys.world import bind, open_world
from starters.application_sessions import session_of_application, sessions
from starters.authenticators import authenticator_icon
from starters.authorize import authorize
from starters.backlog import operations_audit
from starters.ceremonies import authentications, ceremony, ceremony_response, registrations
from starters.conformance import (
    assertion_options,
    assertion_result,
    attestation_options,
    attestation_result,
)
from starters.credentials import credential, credentials
from starters.enrolment import enrol_answer_page, enrol_page, enrolment
from starters.keys import well_known_jwks
from starters.metadata import operations_metadata
from starters.operations import operations_ceremonies, operations_ceremony
from starters.operations_credentials import (
    operations_credential_disable,
    operations_credential_enable,
    operations_credentials,
)
from starters.operations_recoveries import operations_recoveries, operations_recovery_ticket
from starters.operations_sessions import (
    operations_session_end,
    operations_sessions,
    operations_sessions_end,
)
from starters.pages import asset, home, operations_page
from starters.proofs import operations_consistency, operations_proof, proof_of_own
from starters.related import well_known_passkey_endpoints, well_known_webauthn
from starters.server_metadata import well_known_oauth_authorization_server
from starters.service import healthz, openapi
from starters.signals import ceremony_signals
from starters.sweeps import (
    PURGE_SCHEDULE,
    SWEEP_SCHEDULE,
    USED_TOKENS_SCHEDULE,
    operations_housekeeping,
    purge_ceremonies,
    sweep_families,
    sweep_rate_limiters,
    sweep_shown_once,
    sweep_tickets,
    sweep_used_tokens,
)
from starters.timers import (
    AUDIT_WATCH_SCHEDULE,
    FIRST_METADATA_SCHEDULE,
    start_audit_flush,
    start_audit_seal,
    start_first_metadata_refresh,
    start_key_rotation,
    start_metadata_refresh,
    watch_audit,
)
from starters.token import token
from starters.tokens_told import introspect, revoke

# Raises with every mistake in the settings, not just the first; the host shows it, and serves nothing.
settings = load(os.environ)
world = open_world(settings, clock=lambda: datetime.now(UTC), random_bytes=secrets.token_bytes)

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for orchestrator in (
    register_passkey,
    authenticate_passkey,
    recover_account,
    administer_credential,
    administer_session,
    end_access,
    issue_recovery_ticket,
    flush_audit,
    seal_audit_trail,
    refresh_metadata,
    rotate_keys,
):
    app.orchestration_trigger(context_name="context")(orchestrator)

for entity in (rate_limiter, audit_log):
    app.entity_trigger(context_name="context")(entity)

for activity in (
    issue_registration_challenge,
    issue_authentication_challenge,
    issue_recovery_challenge,
    verify_registration,
    verify_authentication,
    resolve_claims,
    record_credential,
    record_recovery,
    redeem_recovery,
    change_credential,
    change_session,
    find_leaver,
    end_sessions,
    append_audit,
    seal_audit,
    load_metadata,
    judge_credentials,
    turn_keys,
):
    app.activity_trigger(input_name="request")(bind(world, activity))

# No methods are named: a function answers each method itself, 405 with Allow where it has none.
for route, starter in (
    ("registrations", bind(world, registrations)),
    ("authentications", bind(world, authentications)),
    ("ceremonies/{id}", bind(world, ceremony)),
    ("ceremonies/{id}/response", bind(world, ceremony_response)),
    ("ceremonies/{id}/signals", bind(world, ceremony_signals)),
    ("proofs/{id}", bind(world, proof_of_own)),
    ("credentials", bind(world, credentials)),
    ("credentials/{id}", bind(world, credential)),
    ("token", bind(world, token)),
    ("sessions", bind(world, sessions)),
    ("sessions/{sid}", bind(world, session_of_application)),
    ("revoke", bind(world, revoke)),
    ("healthz", bind(world, healthz)),
):
    app.route(route=route)(app.durable_client_input(client_name="client")(starter))

# The door for FIDO's conformance tools: without the setting there are no such routes.
for route, starter in (
    ("attestation/options", bind(world, attestation_options)),
    ("attestation/result", bind(world, attestation_result)),
    ("assertion/options", bind(world, assertion_options)),
    ("assertion/result", bind(world, assertion_result)),
):
    if settings.conformance:
        app.route(route=route)(app.durable_client_input(client_name="client")(starter))

for route, starter in (
    ("operations/ceremonies", bind(world, operations_ceremonies)),
    ("operations/ceremonies/{id}", bind(world, operations_ceremony)),
    ("operations/credentials", bind(world, operations_credentials)),
    ("operations/credentials/{id}/disable", bind(world, operations_credential_disable)),
    ("operations/credentials/{id}/enable", bind(world, operations_credential_enable)),
    ("operations/sessions", bind(world, operations_sessions)),
    ("operations/sessions/end", bind(world, operations_sessions_end)),
    ("operations/sessions/{sid}/end", bind(world, operations_session_end)),
    ("operations/recoveries", bind(world, operations_recoveries)),
    ("operations/recoveries/{id}/ticket", bind(world, operations_recovery_ticket)),
    ("operations/audit", bind(world, operations_audit)),
    ("operations/audit/proofs/{id}", bind(world, operations_proof)),
    ("operations/audit/consistency/{number}", bind(world, operations_consistency)),
    ("operations/housekeeping", bind(world, operations_housekeeping)),
    ("operations/metadata", bind(world, operations_metadata)),
):
    app.route(route=route, auth_level=func.AuthLevel.FUNCTION)(
        app.durable_client_input(client_name="client")(starter)
    )

for route, page in (
    ("/", home),
    ("assets/{*path}", asset),
    ("authorize", bind(world, authorize)),
    ("enrol", bind(world, enrol_page)),
    ("enrol/{issuer}", bind(world, enrol_answer_page)),
    ("enrolment", bind(world, enrolment)),
    ("operations", operations_page),
    ("openapi.json", bind(world, openapi)),
    ("authenticators/{aaguid}/icon", bind(world, authenticator_icon)),
    (".well-known/jwks.json", bind(world, well_known_jwks)),
    ("introspect", bind(world, introspect)),
    (".well-known/oauth-authorization-server", bind(world, well_known_oauth_authorization_server)),
    (".well-known/webauthn", bind(world, well_known_webauthn)),
    (".well-known/passkey-endpoints", bind(world, well_known_passkey_endpoints)),
):
    app.route(route=route)(page)

for schedule, timer in (
    (settings.audit_flush_schedule, start_audit_flush),
    (AUDIT_WATCH_SCHEDULE, watch_audit),
    (settings.audit_seal_schedule, start_audit_seal),
    (SWEEP_SCHEDULE, sweep_rate_limiters),
    (SWEEP_SCHEDULE, sweep_shown_once),
    (USED_TOKENS_SCHEDULE, sweep_used_tokens),
    (USED_TOKENS_SCHEDULE, sweep_families),
    (USED_TOKENS_SCHEDULE, sweep_tickets),
    (PURGE_SCHEDULE, purge_ceremonies),
    (settings.key_schedule, start_key_rotation),
    # Without metadata nothing is refreshed; a refresh that is under way still finds its functions, and ends.
    *(
        (
            (settings.metadata_schedule, start_metadata_refresh),
            (FIRST_METADATA_SCHEDULE, start_first_metadata_refresh),
        )
        if settings.metadata
        else ()
    ),
):
    app.timer_trigger(schedule=schedule, arg_name="timer")(
        app.durable_client_input(client_name="client")(bind(world, timer))
    )
