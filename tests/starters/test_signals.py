"""What a ceremony's starter should signal: an unknown credential, to them alone, and only where there is none."""

from __future__ import annotations

import pytest

from passkeys.credentials import StandingState
from passkeys.world import World
from starters.signals import ceremony_signals
from tests.starters.fakes import AUTHENTICATION, REGISTRATION, FakeClient, body_of, instance, request
from tests.starters.people import ADAS, VERIFIER, has_ended, has_passkey, stands
from tests.starters.test_openapi import fits

UNKNOWN = "dW5rbm93bg"
NOTHING = {"rpId": "localhost", "unknownCredential": None}


async def signals(
    world: World, client: FakeClient, header: str | None, found: str = AUTHENTICATION
) -> tuple[int, object]:
    headers = {} if header is None else {"authorization": header}
    response = await ceremony_signals(
        world, request("GET", "/", headers=headers, route={"id": found}), client
    )
    fits(response, "/ceremonies/{id}/signals", "get")
    return response.status_code, body_of(response)


async def test_an_unknown_credential_is_told_to_who_used_it(world: World, client: FakeClient) -> None:
    """Of a rejected sign-in whose lookup found nothing: the options of signalUnknownCredential()."""
    header = has_ended(client, AUTHENTICATION, "rejected", person=None, unknown_credential_id=UNKNOWN)
    told = {"rpId": "localhost", "unknownCredential": {"rpId": "localhost", "credentialId": UNKNOWN}}
    assert await signals(world, client, header) == (200, told)


@pytest.mark.parametrize(
    "outcome", ["completed", "rejected", "refused", "expired", "canceled", "failed", "rate_limited"]
)
async def test_otherwise_there_is_nothing_to_signal(world: World, client: FakeClient, outcome: str) -> None:
    """However the ceremony ended: disabled, wrong signature, decoy, nobody's answer; and an output from before."""
    header = has_ended(client, AUTHENTICATION, outcome, unknown_credential_id=None)
    assert await signals(world, client, header) == (200, NOTHING)
    client.instances[AUTHENTICATION]["output"].pop("unknown_credential_id")
    assert await signals(world, client, header) == (200, NOTHING)


async def test_what_has_been_registered_since_is_not_unknown(world: World, client: FakeClient) -> None:
    """A sign-in that overtook its registration must not cost the passkey; one that was removed may."""
    header = has_ended(client, AUTHENTICATION, "rejected", person=None, unknown_credential_id=ADAS)
    await has_passkey(world, "ada", ADAS)
    assert await signals(world, client, header) == (200, NOTHING)
    await stands(world.store, ADAS, StandingState.DISABLED)
    assert await signals(world, client, header) == (200, NOTHING)
    await stands(world.store, ADAS, StandingState.REMOVED)
    status, told = await signals(world, client, header)
    assert told["unknownCredential"]["credentialId"] == ADAS  # type: ignore[index]


async def test_only_the_proof_of_this_ceremony_counts(world: World, client: FakeClient) -> None:
    """Not an id alone, not another ceremony's proof, not one that still runs, not an old one: 401, all alike."""
    header = has_ended(client, AUTHENTICATION, "rejected", person=None, unknown_credential_id=UNKNOWN)
    other = has_ended(client, REGISTRATION)
    wrong = [None, "", header[:-1] + "l", f"Ceremony {AUTHENTICATION}", other]
    answers = [await signals(world, client, one) for one in wrong]
    answers.append(await signals(world, client, header, REGISTRATION))
    answers.append(await signals(world, client, header, "registration-" + "9" * 32))
    client.instances[AUTHENTICATION] = instance(AUTHENTICATION)
    answers.append(await signals(world, client, header))
    has_ended(client, AUTHENTICATION, "rejected", age=901)
    answers.append(await signals(world, client, header))
    assert answers == [answers[0]] * len(answers)
    assert answers[0][0] == 401


@pytest.mark.parametrize("found", ["", "x", "act-" + "1" * 32, "@audit_log@00"])
async def test_what_is_no_ceremony_is_unknown(world: World, client: FakeClient, found: str) -> None:
    """404, as for every route of a ceremony."""
    status, problem = await signals(world, client, f"Ceremony {AUTHENTICATION}:{VERIFIER}", found)
    assert (status, problem["code"]) == (404, "ceremony_unknown")  # type: ignore[index]
