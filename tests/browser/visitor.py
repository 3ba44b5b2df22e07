"""A person at a browser: one page, one virtual authenticator, and everything that the console said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
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
# In every document to come: which prompts the page has opened, each noted once the browser has it.
NOTE_PROMPTS = """
globalThis.prompts = [];
for (const method of navigator.credentials ? ["get", "create"] : []) {
  const open = navigator.credentials[method].bind(navigator.credentials);
  navigator.credentials[method] = (options) => {
    const opened = open(options);
    prompts.push(`${method} ${options.mediation}`);
    return opened;
  };
}
"""
FAILED_LOAD = "Failed to load resource"  # the browser's own line for each 4xx and each lost connection


@dataclass
class Visitor:
    """One person with one page. `complaints` must be empty when the person leaves."""

    page: Page
    host: RunningHost
    devtools: CDPSession
    authenticator: str
    person: str = "ada"
    name: str = "Ada Lovelace"
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

    def consents(self, yes: bool, authenticator: str | None = None) -> None:
        """Whether the authenticator answers prompts to come by itself (touched at once), or leaves them open (nobody there)."""
        self.devtools.send(
            "WebAuthn.setAutomaticPresenceSimulation",
            {"authenticatorId": authenticator or self.authenticator, "enabled": yes},
        )

    def note_prompts(self) -> None:
        """From the next document on, note each prompt that the page opens."""
        self.page.add_init_script(NOTE_PROMPTS)

    def prompts(self, count: int) -> list[str]:
        """Wait until the page has opened this many prompts; all of them, as "get conditional"."""
        self.page.wait_for_function("count => prompts.length >= count", arg=count)
        noted: list[str] = self.page.evaluate("prompts")
        return noted

    def is_recognised(self, yes: bool) -> None:
        """Whether fingerprint, face or PIN will be right."""
        self.devtools.send(
            "WebAuthn.setUserVerified", {"authenticatorId": self.authenticator, "isUserVerified": yes}
        )

    def passkeys(self, authenticator: str | None = None) -> list[dict[str, Any]]:
        """The credentials that the authenticator holds, the person's own unless another is named."""
        holder = {"authenticatorId": authenticator or self.authenticator}
        held: list[dict[str, Any]] = self.devtools.send("WebAuthn.getCredentials", holder)["credentials"]
        return held

    def credential_ids(self, authenticator: str | None = None) -> list[str]:
        """Their ids, as the service writes them."""
        return [base64url(passkey["credentialId"]) for passkey in self.passkeys(authenticator)]

    def take_over(self, passkey: Mapping[str, Any], authenticator: str | None = None) -> None:
        """Let the authenticator hold this passkey, too."""
        self.devtools.send(
            "WebAuthn.addCredential",
            {"authenticatorId": authenticator or self.authenticator, "credential": passkey},
        )

    def plug_in(self, **options: Any) -> str:
        """Another authenticator beside the first: a security key, unless the options say otherwise. Its id."""
        made = {**AUTHENTICATOR, "transport": "usb", **options}
        plugged: str = self.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": made})[
            "authenticatorId"
        ]
        return plugged

    def enrol(self, person: str | None = None) -> None:
        """Enrol by link, up to the new passkey; the page shows that it is ready."""
        self.go(f"/#ticket={issue_ticket(self.host, person or self.person)}")
        self.press("Create a passkey")
        self.heading("Your passkey is ready")

    def signs_in_after_enrolment(self) -> None:
        """From the view that says that the passkey is ready to the list of passkeys."""
        self.press("Sign in with it")
        self.is_signed_in()

    def is_signed_in(self) -> None:
        """Wait until the page says who is signed in, and lists their passkeys."""
        self.heading(self.name)
        self.holdings().first.wait_for()

    def holdings(self) -> Locator:
        """The passkeys that the page lists."""
        return self.page.locator(".holding")

    def hear(self, message: ConsoleMessage) -> None:
        """Note what the console says: errors and violations of the policy are complaints."""
        if message.type == "error" and not (self.expects_failed_loads and FAILED_LOAD in message.text):
            self.complaints.append(message.text)


@contextmanager
def visiting(
    browser: Browser,
    host: RunningHost,
    *,
    person: str = "ada",
    name: str = "Ada Lovelace",
    authenticator: Mapping[str, Any] = AUTHENTICATOR,
    **settings: Any,
) -> Iterator[Visitor]:
    """A visitor in a fresh profile. Fails at the end if the console complained."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, **settings)
    try:
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        added = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": dict(authenticator)})
        visitor = Visitor(page, host, devtools, added["authenticatorId"], person, name)
        page.on("console", visitor.hear)
        page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        yield visitor
        assert not visitor.complaints, visitor.complaints
    finally:
        context.close()


def base64url(text: str) -> str:
    """Base64 as DevTools has it, the way that WebAuthn's JSON has it."""
    return text.rstrip("=").replace("+", "-").replace("/", "_")


def directory_of(host: RunningHost) -> Path:
    """Where the people of a host are, if it has others than the demo people: beside its state."""
    return host.state.with_name("people.json")


def issue_ticket(host: RunningHost, person: str) -> str:
    """A fresh enrolment ticket, made by the command that operators use."""
    people = directory_of(host)
    link = subprocess.run(
        [sys.executable, "-m", "passkeys", "ticket", "issue", "--person", person, "--quiet"],
        cwd=ROOT,
        env={
            **os.environ,
            "LOCAL_HOST_STATE": str(host.state),
            **({"PASSKEYS_DIRECTORY": str(people)} if people.exists() else {}),
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return link.partition("#ticket=")[2]
