"""The browser, and the hosts that it visits."""

from __future__ import annotations

import json
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

# The people of the demonstration, and enough others to let each test that looks at a list have somebody of its own.
NEWCOMERS = {f"newcomer-{number}": f"Newcomer {number}" for number in range(1, 41)}
PEOPLE = {
    "ada": {"display_name": "Ada Lovelace"},
    "grace": {"display_name": "Grace Hopper", "claims": {"roles": ["operator"]}},
    "katherine": {"display_name": "Katherine Johnson", "claims": {"roles": ["operator"]}},
    "mallory": {"display_name": "Mallory", "status": "disabled"},
    **{person: {"display_name": name} for person, name in NEWCOMERS.items()},
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
    folder: Path = tmp_path_factory.mktemp("browser")
    directory = folder / "people.json"
    directory.write_text(json.dumps(PEOPLE), "utf-8")
    with running_host(state=folder / "state", env={**ROOMY, "PASSKEYS_DIRECTORY": str(directory)}) as running:
        yield running


@pytest.fixture(scope="module")
def newcomers() -> Iterator[str]:
    """The people whom nobody has been yet."""
    return iter(NEWCOMERS)


@pytest.fixture
def visitor(browser: Browser, host: RunningHost) -> Iterator[Visitor]:
    """A person with a fresh browser profile and an authenticator without passkeys."""
    with visiting(browser, host) as person:
        yield person


@pytest.fixture
def newcomer(browser: Browser, host: RunningHost, newcomers: Iterator[str]) -> Iterator[Visitor]:
    """A visitor who is somebody that no other test has been: with no passkey but their own."""
    person = next(newcomers)
    with visiting(browser, host, person=person, name=NEWCOMERS[person]) as visitor:
        yield visitor


@pytest.fixture
def operator(browser: Browser, host: RunningHost) -> Iterator[Visitor]:
    """Grace, an operator with a passkey."""
    with visiting(browser, host, person="grace", name="Grace Hopper") as visitor:
        visitor.enrol()
        yield visitor
