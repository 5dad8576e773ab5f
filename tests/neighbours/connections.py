"""Clients for ASGI applications of Channels, which has some of its own that need a server."""

import json
from typing import Any

from asgiref.testing import ApplicationCommunicator

ADDRESS = "9.9.9.9"


def scope_of(kind: str, key: str) -> dict[str, Any]:
    return {
        "type": kind,
        "path": "/graphql/",
        "query_string": b"",
        "subprotocols": [],
        "client": [ADDRESS, 1234],
        "headers": [
            (b"content-type", b"application/json"),
            (b"user-agent", b"Tester/1"),
            (b"cookie", f"sessionid={key}".encode()),
        ],
    }


async def query(
    app: Any, text: str, *, key: str = "", **variables: str
) -> tuple[Any, list[str], str]:
    """Return the data and the errors of a GraphQL query over HTTP, and the session cookie."""
    http = ApplicationCommunicator(app, {**scope_of("http", key), "method": "POST"})
    body = json.dumps({"query": text, "variables": variables})
    await http.send_input({"type": "http.request", "body": body.encode()})
    start = await http.receive_output(timeout=10)
    answer = json.loads((await http.receive_output(timeout=10))["body"])
    await http.wait()
    cookies = [value.decode() for name, value in start["headers"] if name == b"Set-Cookie"]
    named = [cookie.partition(";")[0].removeprefix("sessionid=") for cookie in cookies]
    errors = [error["message"] for error in answer.get("errors", [])]
    return answer["data"], errors, "".join(named)
