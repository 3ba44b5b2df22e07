"""A person at a browser: one page, one virtual authenticator, and everything that the console said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, CDPSession, ConsoleMessage, Locator, Page, expect

from tests.hosts import ROOT, RunningHost

# What the virtual authenticator is: a phone or laptop with a screen lock that keeps passkeys.
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
FAILED_LOAD = "Failed to load resource"  # the browser's own line for each 4xx and each lost connection


@dataclass
class Visitor:
    """One person with one page. `complaints` must be empty when the person leaves."""

    page: Page
    host: RunningHost
    devtools: CDPSession
    authenticator: str
    complaints: list[str] = field(default_factory=list)
    expects_failed_loads: bool = False

    def go(self, path: str = "/") -> None:
        """Open a path of the host, as a new document."""
        self.page.goto("about:blank")  # a change of fragment alone would load nothing
        self.page.goto(self.host.url + path)

    def heading(self, text: str) -> Locator:
        """Wait until this is the page's heading."""
        found = self.page.get_by_role("heading", level=1, name=text)
        expect(found).to_be_visible(timeout=15_000)
        return found

    def press(self, name: str) -> None:
        """Press the button of this name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def consents(self, yes: bool) -> None:
        """Whether the authenticator answers a prompt by itself (touched at once), or leaves it open (nobody there)."""
        self.devtools.send(
            "WebAuthn.setAutomaticPresenceSimulation",
            {"authenticatorId": self.authenticator, "enabled": yes},
        )

    def is_recognised(self, yes: bool) -> None:
        """Whether fingerprint, face or PIN will be right."""
        self.devtools.send(
            "WebAuthn.setUserVerified", {"authenticatorId": self.authenticator, "isUserVerified": yes}
        )

    def passkeys(self) -> list[dict[str, Any]]:
        """The credentials that the authenticator holds."""
        return self.devtools.send("WebAuthn.getCredentials", {"authenticatorId": self.authenticator})[
            "credentials"
        ]

    def enrol(self, person: str = "ada") -> None:
        """Enrol by link, up to the new passkey; the page shows that it is ready."""
        self.go(f"/#ticket={issue_ticket(self.host, person)}")
        self.press("Create a passkey")
        self.heading("Your passkey is ready")

    def hear(self, message: ConsoleMessage) -> None:
        """Note what the console says: errors and violations of the policy are complaints."""
        if message.type == "error" and not (self.expects_failed_loads and FAILED_LOAD in message.text):
            self.complaints.append(message.text)


@contextmanager
def visiting(browser: Browser, host: RunningHost, **settings: Any) -> Iterator[Visitor]:
    """A visitor in a fresh profile. Fails at the end if the console complained."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, **settings)
    try:
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        added = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        visitor = Visitor(page, host, devtools, added["authenticatorId"])
        page.on("console", visitor.hear)
        page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        yield visitor
        assert not visitor.complaints, visitor.complaints
    finally:
        context.close()


def issue_ticket(host: RunningHost, person: str) -> str:
    """A fresh enrolment ticket, made by the command that operators use."""
    link = subprocess.run(
        [sys.executable, "-m", "passkeys", "ticket", "issue", "--person", person, "--quiet"],
        cwd=ROOT,
        env={**os.environ, "LOCAL_HOST_STATE": str(host.state)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return link.partition("#ticket=")[2]
