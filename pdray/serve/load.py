"""Asks a server as fast as it answers, for so little CPU that the server is what gets measured.

HTTP/1.1 over kept connections, a request at a time on each; answers must say their length.
"""

import asyncio
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import numpy as np

Check = Callable[[int, int, bytes], None]  # number of the request, status, body
_PATIENCE = 60.0  # seconds for one answer


@dataclass(slots=True)
class Load:
    """What came of it. `statuses` counts answers; "none" is a connection that broke."""

    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)  # of each answer
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.milliseconds) / self.seconds if self.seconds else 0.0

    def percentile(self, percent: float) -> float:
        """Milliseconds within which so many of the answers came."""
        return float(np.percentile(self.milliseconds, percent)) if self.milliseconds else 0.0


def request(url: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
    """The bytes of a GET, or with a body of a POST."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{'GET' if body is None else 'POST'} {target} HTTP/1.1", f"Host: {parts.netloc}"]
    if body is not None:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def measure(
    url: str, requests: Sequence[bytes], *, concurrency: int, seconds: float, again: bool = False
) -> Load:
    """`drive` in a process of its own, so that no thread of this one takes its turns."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_drive, url, requests, concurrency, seconds, again).result()


def _drive(
    url: str, requests: Sequence[bytes], concurrency: int, seconds: float, again: bool
) -> Load:
    return asyncio.run(drive(url, requests, concurrency=concurrency, seconds=seconds, again=again))


async def drive(
    url: str,
    requests: Sequence[bytes],
    *,
    concurrency: int,
    seconds: float,
    again: bool = False,
    check: Check | None = None,
    ended: asyncio.Event | None = None,
) -> Load:
    """Sends the requests in order (`again`: over and over) until they or the seconds are over, or
    `ended` is set.
    """
    parts = urlsplit(url)
    found, numbers = Load(), iter(range(10**12 if again else len(requests)))
    began = time.perf_counter()
    end = began + seconds

    async def worker() -> None:
        line = None
        for number in numbers:
            sent = time.perf_counter()
            if sent >= end or (ended and ended.is_set()):
                break
            try:
                if line is None or line.closed:  # between two requests a server may end it
                    line = await _connect(parts.hostname or "127.0.0.1", parts.port or 80)
                asked = line.ask(requests[number % len(requests)])
                status, body = await asyncio.wait_for(asked, _PATIENCE)
            except (OSError, EOFError, TimeoutError):
                found.statuses["none"] += 1
                line = None
                await asyncio.sleep(0.05)  # what refuses at once would be asked ten thousand times
                continue
            found.milliseconds.append(1000 * (time.perf_counter() - sent))
            found.statuses[str(status)] += 1
            if check:
                check(number, status, body)
        if line:
            line.close()

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    found.seconds = time.perf_counter() - began
    return found


class _Line(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    @property
    def closed(self) -> bool:
        """Whether nothing can be asked over it any more."""
        return self._transport is None

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(EOFError("the connection broke"))

    def ask(self, data: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        """(status, body) of the answer."""
        if self._transport is None:
            raise EOFError("the connection broke")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, rest = self._buffer.partition(b"\r\n\r\n")
        if not mark or self._waiting is None:
            return
        lines = head.lower().split(b"\r\n")
        status = int(lines[0].split(b" ", 2)[1])
        length = next((int(one[15:]) for one in lines if one.startswith(b"content-length:")), None)
        if length is None and status not in (204, 304):
            self._waiting.set_exception(EOFError("the answer doesn't say its length"))
            self.close()
        elif len(rest) >= (length or 0):
            self._buffer = b""
            if not self._waiting.done():
                self._waiting.set_result((status, rest))
            if b"connection: close" in lines:  # as a proxy says that takes up new settings
                self.close()

    def close(self) -> None:
        """Ends the connection."""
        if self._transport:
            self._transport.close()
            self._transport = None


async def _connect(host: str, port: int) -> _Line:
    _, line = await asyncio.get_running_loop().create_connection(_Line, host, port)
    return line
