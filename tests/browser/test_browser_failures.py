"""Each error that a browser can raise, raised: the code and the words that a person gets."""

from __future__ import annotations

import pytest

from tests.browser.visitor import Visitor, issue_ticket

# WebAuthn L3 §5.1.3.1 and §5.1.4.3 list what create() and get() raise; the rest is what browsers add.
ON_CREATE = {
    "NotAllowedError": "prompt_closed",
    "InvalidStateError": "passkey_exists",
    "ConstraintError": "verification_unavailable",
    "NotSupportedError": "algorithm_unsupported",
    "SecurityError": "origin_not_allowed",
    "UnknownError": "authenticator_failed",
    "NotReadableError": "authenticator_failed",
    "EncodingError": "options_unreadable",
    "OperationError": "prompt_busy",
    "SomethingNewError": "browser_failed",
}
ON_GET = {
    "NotAllowedError": "prompt_closed",
    "SecurityError": "origin_not_allowed",
    "UnknownError": "authenticator_failed",
    "InvalidStateError": "prompt_busy",
    "SomethingNewError": "browser_failed",
}


def raise_on(visitor: Visitor, method: str, name: str) -> None:
    """Let navigator.credentials fail like this in every document to come."""
    visitor.page.add_init_script(
        f"if (navigator.credentials) navigator.credentials.{method} = "
        f"async () => {{ throw new DOMException('as the test wants it', '{name}') }}"
    )


def told(visitor: Visitor, code: str) -> str:
    """The words of the page once it shows this code; they are a title and a next step, and no jargon."""
    visitor.page.locator("#outcome-code", has_text=code).wait_for()
    title = visitor.page.locator("#outcome-title").inner_text()
    lead = visitor.page.locator("#outcome-lead").inner_text()
    assert title
    assert lead.endswith(".")
    assert "Error" not in title + lead
    return lead


@pytest.mark.parametrize(("name", "code"), ON_CREATE.items())
def test_each_failure_of_create(visitor: Visitor, name: str, code: str) -> None:
    """Enrolment: every error has a code of its own and says what to do."""
    raise_on(visitor, "create", name)
    visitor.go(f"/#ticket={issue_ticket(visitor.host, 'ada')}")
    visitor.press("Create a passkey")
    told(visitor, code)


@pytest.mark.parametrize(("name", "code"), ON_GET.items())
def test_each_failure_of_get(visitor: Visitor, name: str, code: str) -> None:
    """Sign-in: the same; the autofill, which fails too, stays silent."""
    raise_on(visitor, "get", name)
    visitor.go()
    visitor.heading("Sign in")
    visitor.press("Sign in with a passkey")
    told(visitor, code)


def test_a_page_at_the_wrong_address_names_the_right_one(visitor: Visitor) -> None:
    """A passkey of localhost is not for 127.0.0.1: the page says where to open it."""
    visitor.page.goto(visitor.host.url.replace("localhost", "127.0.0.1"))
    visitor.press("Sign in with a passkey")
    assert "localhost" in told(visitor, "origin_not_allowed")


@pytest.mark.parametrize(
    ("missing", "code"),
    [
        ("PublicKeyCredential?.parseCreationOptionsFromJSON", "browser_outdated"),
        ("PublicKeyCredential?.prototype.toJSON", "browser_outdated"),
        ("PublicKeyCredential", "browser_unsupported"),
    ],
)
def test_a_browser_that_lacks_something(visitor: Visitor, missing: str, code: str) -> None:
    """Told at once, before anybody presses a button that could not work."""
    visitor.page.add_init_script(f"delete globalThis.{missing}")
    visitor.go()
    told(visitor, code)
    assert not visitor.page.get_by_role("button").all()


def test_every_failure_cites_its_step(visitor: Visitor) -> None:
    """The table is complete: title, next step, and the step of the specification."""
    visitor.go("/operations")
    rows = visitor.page.evaluate(
        "import('/assets/browser_failures.js').then(({ FAILURES }) => Object.entries(FAILURES))"
    )
    assert {*ON_CREATE.values(), *ON_GET.values()} < {code for code, _ in rows}
    for code, row in rows:
        assert row["title"], code
        assert row["next"].endswith("."), code
        assert row["spec"].startswith(("WebAuthn L3 §", "Credential Management L1 §", "No step:")), code
