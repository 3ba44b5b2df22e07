"""`call_http`: the one activity that the Durable extension brings along.

One request, its answer as {"statusCode","headers","content"}. What Azure does beyond that is refused loudly: polling a
202 (the walk fails the instance, see there) and managed-identity tokens, which only exist in Azure.
"""

from __future__ import annotations

import json

import aiohttp

from local_host.history import to_json

_TIMEOUT_S = 100.0  # what the extension's HttpClient waits for an answer


async def call_http(input_text: str | None) -> str | None:
    """Send the request that a CallHttp action describes. Raises for what has no HTTP answer."""
    request = json.loads(input_text or "null")
    if request.get("tokenSource"):
        raise PermissionError(
            "call_http with a token source needs a managed identity, which exists only in Azure. "
            "Call the service from an activity instead."
        )
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as session,
        session.request(
            request["method"],
            request["uri"],
            data=request.get("content"),
            headers=request.get("headers") or {},
            allow_redirects=True,
        ) as response,
    ):
        headers: dict[str, str] = {}
        for name, value in response.headers.items():
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        content = await response.text(errors="replace")
        return to_json({"statusCode": response.status, "headers": headers, "content": content})
