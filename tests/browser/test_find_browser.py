"""Without a browser these tests fail, and say what to do."""

from __future__ import annotations

import pytest

from tests.browser.browsers import COMMANDS, NoBrowserError, find_browser
from tests.hosts import ROOT


def test_a_machine_without_a_browser_says_how_to_get_one() -> None:
    """The message names the command; nothing is skipped."""
    with pytest.raises(NoBrowserError, match="apt-get install chromium"):
        find_browser(which=lambda _: None, applications=())


def test_any_browser_of_the_family_will_do() -> None:
    """The last name of the list is as good as the first."""
    assert find_browser(which={COMMANDS[-1]: "/opt/browser"}.get, applications=()) == "/opt/browser"


def test_the_installer_knows_the_same_browsers() -> None:
    """What find_or_install.sh accepts, the tests can use."""
    script = (ROOT / "tests/browser/find_or_install.sh").read_text("utf-8")
    listed = script.split("for name in ")[1].split(";")[0].split()
    assert set(listed) <= set(COMMANDS)
