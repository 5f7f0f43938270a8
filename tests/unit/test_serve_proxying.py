"""What stands in Serve's proxy: bodies travel along, and a lost replica is nobody's 500."""

import asyncio
import json
from typing import Any

import pytest

from pdray.serve.proxying import BODY, Front, replayed

Sent = list[dict[str, Any]]


def scope(method: str, path: str, body: bytes | None) -> dict[str, Any]:
    headers = [] if body is None else [(b"content-length", str(len(body)).encode())]
    return {"type": "http", "method": method, "path": path, "headers": headers}


def call(app: Any, given: dict[str, Any], body: bytes = b"", clock: Any = None) -> Sent:
    sent: Sent = []
    pieces = [body[:3], body[3:]]

    async def receive() -> dict[str, Any]:
        if not pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run((Front(app, clock) if clock else Front(app))(given, receive, send))
    return sent


class Replica:
    """Dies under the first requests without a word, then answers with what it was asked."""

    def __init__(self, deaths: int) -> None:
        self.deaths, self.asked = deaths, 0

    async def __call__(self, given: dict[str, Any], receive: Any, send: Any) -> None:
        self.asked += 1
        if self.asked <= self.deaths:
            return
        body = given[BODY] if BODY in given else (await receive())["body"]
        again = (await replayed(body, receive)())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": again})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/images", None),
        ("POST", "/api/v1/search", b'{"text": "x"}'),
        ("POST", "/api/v1/search/batch", b'{"searches": []}'),
    ],
)
def test_what_changes_nothing_is_asked_again(method: str, path: str, body: bytes | None):
    replica = Replica(deaths=2)
    sent = call(replica, scope(method, path, body), body or b"")
    assert [sent[0]["status"], sent[1]["body"]] == [200, body or b""]
    assert replica.asked == 3


def test_what_may_have_changed_something_is_503_and_not_asked_again():
    replica = Replica(deaths=1)
    sent = call(replica, scope("POST", "/api/v1/runs", b"{}"), b"{}")
    assert sent[0]["status"] == 503
    assert dict(sent[0]["headers"])[b"retry-after"].isdigit()
    assert json.loads(sent[1]["body"])["code"] == "replica-lost"
    assert replica.asked == 1


def test_asking_again_has_an_end():
    times = iter([0.0, 1.0, 100.0])
    replica = Replica(deaths=100)
    sent = call(replica, scope("GET", "/", None), clock=lambda: next(times))
    assert sent[0]["status"] == 503
    assert replica.asked == 2


def test_large_and_endless_bodies_stream_and_are_not_kept():
    large = b"x" * 100_000
    replica = Replica(deaths=0)
    assert call(replica, scope("POST", "/api/v1/search", large), large)[1]["body"] == b"xxx"
    assert call(replica, scope("POST", "/api/v1/search", None), b"xxxyy")[1]["body"] == b"xxx"
