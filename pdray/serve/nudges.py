"""Replicas tell each other through Redis that there is something to see: all see it at once.

Nothing but that: what happened is in the workspace, where each looks for itself every second or
three anyway. So a message that is lost, or a Redis that is away, costs those seconds and no event.
"""

import hashlib
import secrets
import threading
from collections.abc import Callable

import redis
from redis.exceptions import RedisError

from pdray import log
from pdray.config import Settings

_PATIENCE = 1.0  # seconds for Redis, and between tries
_PREFIX = "pdray:look:"


class Nudges:
    """Of one replica, to all others over the same workspace. Nothing here raises."""

    def __init__(self, url: str, workspace: str) -> None:
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            health_check_interval=30,  # a line that nothing comes over may have been cut
        )
        self._channel = _PREFIX + hashlib.sha256(workspace.encode()).hexdigest()[:32]
        self._me = secrets.token_bytes(8)
        self._told = False

    def tell(self) -> None:
        """There is something to see."""
        try:
            self._redis.publish(self._channel, self._me)
        except (TimeoutError, RedisError, OSError) as error:
            self._warn(error)

    def hear(self, told: Callable[[bool], None], ended: threading.Event) -> None:
        """Calls `told` with True for what others tell, until `ended` is set; and with False each
        time that it has begun to hear, because of what was told before.
        """
        while not ended.is_set():
            try:
                self._hear(told, ended)
            except (TimeoutError, RedisError, OSError) as error:
                self._warn(error)
                ended.wait(_PATIENCE)

    def _hear(self, told: Callable[[bool], None], ended: threading.Event) -> None:
        with self._redis.pubsub() as line:  # type: ignore[no-untyped-call]
            line.subscribe(self._channel)
            while not ended.is_set():
                message = line.get_message(timeout=_PATIENCE)
                if message is None:
                    continue
                self._told = False
                if message["type"] == "subscribe":
                    told(False)
                elif message["data"] != self._me:
                    told(True)

    def _warn(self, error: Exception) -> None:
        if not self._told:  # once for each time that it goes
            self._told = True
            # Its text may hold the URL with its password.
            log.get("serve").warning(
                "Redis can't be reached (%s): events of other replicas come some seconds later.",
                type(error).__name__,
            )


def open_nudges(settings: Settings) -> Nudges | None:
    """Through the Redis that the settings name; None without one."""
    url = settings.serve.cache_url
    return None if url is None else Nudges(url.reveal(), settings.workspace)
