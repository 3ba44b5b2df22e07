"""The text that a durable client parameter receives: where the host's Durable API is, and the links it hands out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import quote

WEBHOOKS_PATH = "/runtime/webhooks/durabletask"
# The SDK replaces this text in every link by the instance's id.
INSTANCE_ID = "INSTANCEID"
# name in the payload: (path below the instance, query it begins with)
MANAGEMENT_LINKS: dict[str, tuple[str, str]] = {
    "statusQueryGetUri": ("", ""),
    "sendEventPostUri": ("/raiseEvent/{eventName}", ""),
    "terminatePostUri": ("/terminate", "reason={text}&"),
    "rewindPostUri": ("/rewind", "reason={text}&"),
    "purgeHistoryDeleteUri": ("", ""),
    "restartPostUri": ("/restart", ""),
    "suspendPostUri": ("/suspend", "reason={text}&"),
    "resumePostUri": ("/resume", "reason={text}&"),
}


@dataclass(frozen=True, slots=True)
class Site:
    """Where this host is, as its links say it. `key` is the system key: whoever holds a link holds the whole hub."""

    public_url: str  # http://localhost:7071, without a slash at the end
    rpc_url: str  # http://127.0.0.1:PORT/<random>/durabletask/
    hub_name: str
    key: str = field(repr=False)


def management_links(
    site: Site, instance_id: str, hub: str | None = None, connection: str | None = None
) -> dict[str, str]:
    """The id and the eight management links of one instance, with the key in each."""
    tail = (
        f"taskHub={quote(hub or site.hub_name, safe='')}&connection={quote(connection or 'Storage', safe='')}"
    )
    tail += f"&code={quote(site.key, safe='')}"
    base = f"{site.public_url}{WEBHOOKS_PATH}/instances/{quote(instance_id, safe='@:')}"
    links = {name: f"{base}{path}?{query}{tail}" for name, (path, query) in MANAGEMENT_LINKS.items()}
    return {"id": instance_id, **links}


def client_text(site: Site, task_hub: str | None, connection: str | None) -> str:
    """The JSON text of a durable client binding."""
    base = site.public_url + WEBHOOKS_PATH
    code = f"code={quote(site.key, safe='')}"
    start = f"{base}/orchestrators/{{functionName}}[/{{instanceId}}]"
    waiting = "timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}"
    return json.dumps(
        {
            "taskHubName": task_hub or site.hub_name,
            "connectionName": connection,
            "creationUrls": {
                "createNewInstancePostUri": f"{start}?{code}",
                "createAndWaitOnNewInstancePostUri": f"{start}?{waiting}&{code}",
            },
            "managementUrls": management_links(site, INSTANCE_ID, task_hub, connection),
            "baseUrl": base,
            "requiredQueryStringParameters": code,
            "rpcBaseUrl": site.rpc_url,
            "httpBaseUrl": None,
        }
    )


def client_texts(site: Site) -> Callable[[str | None, str | None], str]:
    """`client_text` of one site, each text built once."""

    @cache
    def text(task_hub: str | None, connection: str | None) -> str:
        return client_text(site, task_hub, connection)

    return text
