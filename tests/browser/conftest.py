"""The browser, and the hosts that it visits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.browsers import arguments, find_browser
from tests.browser.visitor import Visitor, visiting
from tests.hosts import RunningHost, running_host

# Every test comes from one address, and many enrol the same person: the limits are for others to test.
ROOMY = {
    "PASSKEYS_LIMIT_NETWORK": "10000/60",
    "PASSKEYS_LIMIT_PERSON": "10000/60",
    "PASSKEYS_LIMIT_GLOBAL": "10000/60",
}


# The module is the scope: the browser's loop must not be running while tests of other folders run theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window. Fails, and says how to get one, where there is none."""
    program = find_browser()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=program, args=arguments(), ignore_default_args=["--headless"]
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """The app on a fresh state, without narrow limits."""
    state: Path = tmp_path_factory.mktemp("browser") / "state"
    with running_host(state=state, env=ROOMY) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, host: RunningHost) -> Iterator[Visitor]:
    """A person with a fresh browser profile and an authenticator without passkeys."""
    with visiting(browser, host) as person:
        yield person
