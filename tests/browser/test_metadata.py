"""What metadata knows of a model, on the pages: its name and picture in the list, its serial number for operators."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import ROOMY
from tests.browser.views import unlock
from tests.browser.visitor import Visitor, visiting
from tests.hosts import RunningHost, running_host
from tests.metadata_kit import OTHER, blob, entry, write_root

# Of Chromium's virtual authenticators.
VIRTUAL = "01020304-0506-0708-0102-030405060708"


@pytest.fixture(scope="module")
def informed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """A host that loads metadata, every second."""
    folder = tmp_path_factory.mktemp("informed")
    (folder / "blob.jwt").write_bytes(
        blob(entry(VIRTUAL, name="A virtual key, as FIDO lists it"), entry(OTHER), next_update="2999-01-01")
    )
    env = {
        "PASSKEYS_METADATA": str(folder / "blob.jwt"),
        "PASSKEYS_METADATA_ROOT": str(write_root(folder / "root.pem")),
        "PASSKEYS_METADATA_SCHEDULE": "* * * * * *",
    }
    with running_host(state=folder / "state", env={**ROOMY, **env}) as running:
        yield running


def is_informed(visitor: Visitor) -> None:
    """Wait until the host has its metadata: until then it is not ready, and says so."""
    visitor.expects_failed_loads = True
    visitor.go()
    visitor.page.wait_for_function("async () => (await fetch('/healthz')).ok", polling=250, timeout=30_000)


def test_a_passkey_has_the_name_and_the_picture_of_its_model(browser: Browser, informed: RunningHost) -> None:
    """Out of the metadata; a name that the person gives comes first, and the model second."""
    with visiting(browser, informed) as visitor:
        is_informed(visitor)
        visitor.enrol()
        visitor.signs_in_after_enrolment()
        expect(visitor.page.get_by_role("heading", level=3)).to_have_text("A virtual key, as FIDO lists it")
        picture = visitor.page.locator("img.emblem")
        assert picture.get_attribute("src") == f"/authenticators/{VIRTUAL}/icon"
        visitor.page.wait_for_function("() => document.querySelector('img.emblem').naturalWidth > 0")
        visitor.page.get_by_role("button", name="Rename").click()
        visitor.page.get_by_label("Name of this passkey").fill("Blue key")
        visitor.press("Save")
        expect(visitor.page.get_by_role("heading", level=3)).to_have_text("Blue key")
        expect(visitor.holdings()).to_contain_text("A virtual key, as FIDO lists it, on one device only")


def test_a_picture_that_does_not_load_gives_way_to_the_key(browser: Browser, informed: RunningHost) -> None:
    """No broken image is left standing."""
    with visiting(browser, informed) as visitor:
        visitor.expects_failed_loads = True
        visitor.page.route("**/icon", lambda route: route.abort("connectionrefused"))
        is_informed(visitor)
        visitor.enrol()
        visitor.signs_in_after_enrolment()
        expect(visitor.page.locator("span.emblem").last).to_be_visible()
        expect(visitor.page.locator("img.emblem")).to_have_count(0)


def test_operators_see_which_metadata_counts(browser: Browser, informed: RunningHost) -> None:
    """Serial number, models, when the next is due, and what the last refresh made of it."""
    with visiting(browser, informed) as operator:
        is_informed(operator)
        unlock(operator, "")
        line = operator.page.locator("#metadata")
        expect(line).to_contain_text("number 42, 2 models; its successor is due on Jan 1, 2999.")
        expect(line).to_have_class("line")


def test_what_is_wrong_with_the_metadata_is_said(browser: Browser, host: RunningHost) -> None:
    """The words for each state that the service can tell, and whether they are a warning."""
    with visiting(browser, host) as operator:
        operator.go("/operations")
        told = operator.page.evaluate(
            """async () => {
              const { metadataLine } = await import("/assets/metadata.js");
              const metadata = { no: 7, nextUpdate: "2026-01-05", stale: false, models: 1, keptAt: "" };
              const refresh = { outcome: "unchanged", reason: null, endedAt: "2026-01-01T03:00:09Z", judged: 9, changed: 0, damaged: 0, complete: true };
              return [
                { configured: false, metadata: null, refresh: null },
                { configured: true, metadata: null, refresh: null },
                { configured: true, metadata, refresh: null },
                { configured: true, metadata, refresh },
                { configured: true, metadata: { ...metadata, stale: true }, refresh },
                { configured: true, metadata, refresh: { ...refresh, outcome: "refused", reason: "metadata_rolled_back" } },
                { configured: true, metadata, refresh: { ...refresh, complete: false, damaged: 2 } },
              ].map(metadataLine);
            }"""
        )
    assert [(one["wrong"], bool(one["words"])) for one in told] == [
        (False, False), (True, True), (False, True), (False, True), (True, True), (True, True), (True, True),
    ]  # fmt: skip
    assert "1 model; its successor is due on Jan 5, 2026." in told[2]["words"]
    assert "unchanged; 9 passkeys judged, 0 changed." in told[3]["words"]
    assert "was due" in told[4]["words"]
    assert "refused, metadata rolled back" in told[5]["words"]
    assert "not all, 0 changed, 2 damaged" in told[6]["words"]
