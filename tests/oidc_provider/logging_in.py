"""Log in at the provider as a browser does, and redeem the code as a public client: authorization code with PKCE."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import ssl
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from passkeys.proof import challenge_of
from tests.oidc_provider.provider import CLIENT, SCOPE, Provider


def access_token(
    at: Provider,
    shape: str,
    login: str,
    *,
    resource: str | None = None,
    redirect_uri: str = "http://localhost/",
) -> dict[str, Any]:
    """The token response: access_token, and the id_token beside it."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    asked = {
        "client_id": CLIENT,
        "response_type": "code",
        "redirect_uri": redirect_uri,
        "scope": f"openid {SCOPE}",
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        **({"resource": resource} if resource else {}),
    }
    browser = _Browser(at)
    answer = browser.follow("GET", f"{at.issuer(shape)}/auth?{urlencode(asked)}")
    form = re.search(r'action="([^"]+)"', answer.body)
    assert form is not None, answer.body
    fields = {"prompt": "login", "login": login, "password": "of no concern"}
    landed = browser.follow("POST", urljoin(answer.url, form[1]), fields)
    told = {name: values[0] for name, values in parse_qs(urlsplit(landed.url).query).items()}
    assert told.get("state") == state, (landed.url, landed.status, landed.body[-3000:])
    assert told["iss"] == at.issuer(shape)
    given = {
        "grant_type": "authorization_code",
        "code": told["code"],
        "code_verifier": verifier,
        "client_id": CLIENT,
        "redirect_uri": redirect_uri,
        **({"resource": resource} if resource else {}),
    }
    response: dict[str, Any] = json.loads(browser.send("POST", f"{at.issuer(shape)}/token", given).body)
    return response


class _Answer:
    def __init__(self, url: str, status: int, location: str | None, body: str) -> None:
        self.url, self.status, self.location, self.body = url, status, location, body


class _Browser:
    """Keeps cookies, and follows redirects as long as they stay at the provider."""

    def __init__(self, at: Provider) -> None:
        self._origin = at.origin
        self._tls = ssl.create_default_context(cafile=str(at.root))
        self._cookies: dict[str, str] = {}

    def follow(self, method: str, url: str, fields: dict[str, str] | None = None) -> _Answer:
        for _ in range(10):
            answer = self.send(method, url, fields)
            if answer.location is None:
                return answer
            method, fields, url = "GET", None, urljoin(url, answer.location)
            if not url.startswith(self._origin + "/"):
                return _Answer(url, 302, None, "")
        raise AssertionError(f"too many redirects: {url}")

    def send(self, method: str, url: str, fields: dict[str, str] | None = None) -> _Answer:
        parts = urlsplit(url)
        connection = http.client.HTTPSConnection(parts.netloc, context=self._tls, timeout=10)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if fields is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, urlencode(fields) if fields else None, headers)
        response = connection.getresponse()
        body = response.read().decode()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                for cookie, morsel in SimpleCookie(value).items():
                    self._cookies[cookie] = morsel.value
        connection.close()
        return _Answer(url, response.status, response.getheader("Location"), body)
