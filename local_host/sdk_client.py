"""The seam to the SDK's durable client: the same calls and answers, without a round trip over the loopback.

App and host live in one process here, so an HTTP request of the client to the host costs four times what it asks for.
`use_direct_calls` puts functions in the place of the SDK's three transport functions that hand the request to the very
same handler table and give back the very same answer. Everything else goes over the wire as before, `--sdk-calls http`
sends all of it there, and the RPC listener is up in either case.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from dateutil.parser import parse as dateutil_parse

from local_host.durable_api import Api, handle
from local_host.durable_requests import Call
from local_host.routing import decode_text, lower_names

_CLIENT = "azure.durable_functions.models.DurableOrchestrationClient"
_STATUS = "azure.durable_functions.models.DurableOrchestrationStatus"
_WHOLE_SECONDS_LENGTH = 20  # 2026-01-02T03:04:05Z
Request = Callable[..., Awaitable[list[Any]]]


def use_direct_calls(api: Api, rpc_url: str) -> Callable[[], None]:
    """Replace the transport functions of this process's SDK; returns what puts the old ones back."""
    module: Any = importlib.import_module(_CLIENT)
    names = ("get_async_request", "post_async_request", "delete_async_request")
    originals = {name: getattr(module, name) for name in names}
    get, post, delete = (originals[name] for name in names)

    async def get_async_request(url: str, function_invocation_id: str | None = None) -> list[Any]:
        call = read_call("GET", url, rpc_url)
        if call is None:
            return list(await get(url, function_invocation_id))
        status, data = await _answer(api, call)
        return [status, "" if data is None else data]

    async def post_async_request(url: str, data: Any = None, *tracing: Any, **more: Any) -> list[Any]:
        # As aiohttp does with `json=`: None is no body and no content type.
        body = b"" if data is None else json.dumps(data).encode()
        call = read_call("POST", url, rpc_url, body, "" if data is None else "application/json")
        return list(await post(url, data, *tracing, **more)) if call is None else await _answer(api, call)

    async def delete_async_request(url: str, function_invocation_id: str | None = None) -> list[Any]:
        call = read_call("DELETE", url, rpc_url)
        return list(await delete(url, function_invocation_id)) if call is None else await _answer(api, call)

    replacements = (get_async_request, post_async_request, delete_async_request)
    for name, replacement in zip(names, replacements, strict=True):
        setattr(module, name, replacement)

    def restore() -> None:
        for name, original in originals.items():
            setattr(module, name, original)

    return restore


def read_call(method: str, url: str, rpc_url: str, body: bytes = b"", content_type: str = "") -> Call | None:
    """The call that this request would arrive as; None when it is better sent: to elsewhere, or with dots to resolve."""
    if not url.startswith(rpc_url) or "/." in url:
        return None
    path, _, query = url[len(rpc_url) :].partition("#")[0].partition("?")
    parts = tuple(map(decode_text, path.removesuffix("/").split("/")))
    return Call(method, parts, lower_names(query) if query else {}, content_type, body, None, None)


async def _answer(api: Api, call: Call) -> list[Any]:
    answer = await handle(api, call)
    return [answer.status, json.loads(answer.body) if answer.body else None]


def use_fast_status_times() -> None:
    """Replace the parser of the SDK's status object by one that knows this host's whole seconds; equal values."""
    module: Any = importlib.import_module(_STATUS)
    module.dt_parse = whole_seconds_parser()


def whole_seconds_parser(fallback: Callable[[str], datetime] = dateutil_parse) -> Callable[[str], datetime]:
    """A function equal to `fallback` for every text, and much faster for `YYYY-MM-DDTHH:MM:SSZ`."""
    # dateutil gives UTC or, where the local zone is called UTC, the local zone; ask it rather than know it.
    zone = fallback("2026-01-02T03:04:05Z").tzinfo
    parse = datetime.fromisoformat

    def parse_timestamp(text: str) -> datetime:
        if len(text) == _WHOLE_SECONDS_LENGTH and text[19] == "Z" and text[10] == "T":
            try:
                return parse(text[:19]).replace(tzinfo=zone)
            except ValueError:
                pass
        return fallback(text)

    return parse_timestamp
