"""The text of a durable client parameter (Durable extension: the client binding)."""

from __future__ import annotations

import json

import azure.durable_functions as df

from local_host.client_binding import Site, client_text, client_texts, management_links

SITE = Site("http://localhost:1", "http://127.0.0.1:2/s/durabletask/", "hub", "a key+/")
BASE = "http://localhost:1/runtime/webhooks/durabletask"


def test_the_text_has_every_field() -> None:
    """Hub, links with their placeholders, base, query and the RPC address; the key is escaped."""
    text = json.loads(client_text(SITE, None, None))
    tail = "taskHub=hub&connection=Storage&code=a%20key%2B%2F"
    assert text == {
        "taskHubName": "hub",
        "connectionName": None,
        "creationUrls": {
            "createNewInstancePostUri": f"{BASE}/orchestrators/{{functionName}}[/{{instanceId}}]?code=a%20key%2B%2F",
            "createAndWaitOnNewInstancePostUri": f"{BASE}/orchestrators/{{functionName}}[/{{instanceId}}]"
            "?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&code=a%20key%2B%2F",
        },
        "managementUrls": {
            "id": "INSTANCEID",
            "statusQueryGetUri": f"{BASE}/instances/INSTANCEID?{tail}",
            "sendEventPostUri": f"{BASE}/instances/INSTANCEID/raiseEvent/{{eventName}}?{tail}",
            "terminatePostUri": f"{BASE}/instances/INSTANCEID/terminate?reason={{text}}&{tail}",
            "rewindPostUri": f"{BASE}/instances/INSTANCEID/rewind?reason={{text}}&{tail}",
            "purgeHistoryDeleteUri": f"{BASE}/instances/INSTANCEID?{tail}",
            "restartPostUri": f"{BASE}/instances/INSTANCEID/restart?{tail}",
            "suspendPostUri": f"{BASE}/instances/INSTANCEID/suspend?reason={{text}}&{tail}",
            "resumePostUri": f"{BASE}/instances/INSTANCEID/resume?reason={{text}}&{tail}",
        },
        "baseUrl": BASE,
        "requiredQueryStringParameters": "code=a%20key%2B%2F",
        "rpcBaseUrl": "http://127.0.0.1:2/s/durabletask/",
        "httpBaseUrl": None,
    }


def test_a_binding_may_name_another_hub_and_connection() -> None:
    """They are in the text and in every link."""
    text = json.loads(client_text(SITE, "other", "Second"))
    assert (text["taskHubName"], text["connectionName"]) == ("other", "Second")
    assert "taskHub=other&connection=Second&" in text["managementUrls"]["statusQueryGetUri"]


def test_the_sdk_makes_the_links_of_an_instance_from_it() -> None:
    """The real client, given the text, hands out the links that the host itself would."""
    client = df.DurableOrchestrationClient(client_text(SITE, None, None))
    assert client.create_http_management_payload("i1") == management_links(SITE, "i1")


def test_a_text_is_built_once() -> None:
    """The same object for the same binding: it is asked for with every call."""
    text = client_texts(SITE)
    assert text(None, None) is text(None, None)
    assert text("x", None) is not text(None, None)


def test_the_key_does_not_show_in_a_repr() -> None:
    """A site that ends up in a log gives nothing away."""
    assert "a key" not in repr(SITE)
