"""How hypothesis runs here: on a busy machine, a slow draw is no fault of the code."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("passkeys", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("passkeys")
