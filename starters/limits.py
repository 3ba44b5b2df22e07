"""Which limits a start must pass: the settings' policies, as the orchestrator hands them to the rate limiters."""

import hashlib
from typing import Any

from passkeys.rate_limit import Limit, shard_limit, shard_of
from passkeys.settings import Settings


def limits_for(
    settings: Settings, *, ceremony_id: str, network: str, person: str | None, username: str | None = None
) -> list[dict[str, Any]]:
    """The limits of one ceremony, the most specific first.

    The global one is cut into shards, so that no single entity sees every start of the whole service. A person's key is a
    digest: ids of entities are listed in more places than people's names should be. `username` is a token, and is counted
    whoever's it is, or nobody's.
    """
    shards = settings.limit_global_shards
    shard = shard_of(ceremony_id, shards)
    limits = [
        _limit("network", network, settings.limit_network),
        _limit("global", str(shard), shard_limit(settings.limit_global, shard=shard, shards=shards)),
    ]
    if person is not None:
        limits.insert(0, _limit("person", _key_of(person), settings.limit_person))
    if username is not None:
        limits.insert(0, _limit("username", username, settings.limit_username))
    return limits


def acts_limit(settings: Settings, by: str) -> dict[str, Any]:
    """The limit of changes that one person asks for. Their key is a digest here too."""
    return _limit("acts", _key_of(by), settings.limit_acts)


def recovery_limits(settings: Settings, *, by: str, person: str) -> list[dict[str, Any]]:
    """The limits of a recovery beside those of every start: of who starts it, and of who is to be recovered.

    Apart from the person's own limit: nobody is kept from enrolling because others have asked much for them.
    """
    return [
        _limit("recovery-by", _key_of(by), settings.limit_recoveries),
        _limit("recovery-of", _key_of(person), settings.limit_recoveries),
    ]


def _key_of(person: str) -> str:
    return hashlib.sha256(person.encode()).hexdigest()[:32]


def _limit(policy: str, key: str, limit: Limit) -> dict[str, Any]:
    return {
        "policy": policy,
        "key": key,
        "capacity": limit.capacity,
        "refill_seconds": limit.refill_seconds,
    }
