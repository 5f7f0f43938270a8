"""Answers that were given before, for as long as the index is the one that they came from.

A question's answer is kept with the version of the index that was read before it was looked for
(version.py). Whoever asks again reads the version first, so no answer from before a write that is
done is ever given. One place holds one answer a question: an outdated one is written over.
"""

import struct
from collections import OrderedDict
from typing import Protocol

import redis.asyncio as redis
from redis.exceptions import RedisError

from pdray import log
from pdray.config import Settings

_VERSION = struct.Struct("<Q")
_OVERHEAD = 200  # bytes of an entry beside its key and answer
_LASTS_SECONDS = 3600
_PATIENCE = 0.25  # seconds for Redis; without it the query is answered anew
_PREFIX = b"pdray:answer:"


class Cache(Protocol):
    """Keeps answers by a question's digest. Never raises: what can't be kept is found again."""

    async def get(self, key: bytes, version: int) -> bytes | None:
        """The answer that belongs to this version, if it is there."""
        ...

    async def put(self, key: bytes, version: int, answer: bytes) -> None:
        """Keeps it."""
        ...


class MemoryCache:
    """In this process, the least recently used goes first. `most` is bytes."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._kept: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()

    async def get(self, key: bytes, version: int) -> bytes | None:
        """See Cache."""
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] != version:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return found[1]

    async def put(self, key: bytes, version: int, answer: bytes) -> None:
        """See Cache."""
        self._drop(key)
        self._kept[key] = (version, answer)
        self._size += len(key) + len(answer) + _OVERHEAD
        while self._size > self._most:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        found = self._kept.pop(key, None)
        if found:
            self._size -= len(key) + len(found[1]) + _OVERHEAD


class RedisCache:
    """In a Redis that all replicas share. While it can't be reached, nothing is kept."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
        )
        self._told = False

    async def get(self, key: bytes, version: int) -> bytes | None:
        """See Cache."""
        try:
            found = await self._redis.get(_PREFIX + key)
        except (TimeoutError, RedisError, OSError) as error:
            self._tell(error)
            return None
        self._told = False
        if not isinstance(found, bytes) or found[: _VERSION.size] != _VERSION.pack(version):
            return None
        return found[_VERSION.size :]

    async def put(self, key: bytes, version: int, answer: bytes) -> None:
        """See Cache."""
        try:
            await self._redis.set(_PREFIX + key, _VERSION.pack(version) + answer, ex=_LASTS_SECONDS)
        except (TimeoutError, RedisError, OSError) as error:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if not self._told:  # once for each time that it goes
            self._told = True
            # Its text may hold the URL with its password.
            log.get("serve").warning("The cache can't be reached (%s).", type(error).__name__)


def open_cache(settings: Settings) -> Cache | None:
    """The cache that the settings name; None for no cache."""
    if settings.serve.cache_url is not None:
        return RedisCache(settings.serve.cache_url.reveal())
    return MemoryCache(settings.serve.cache_mb * 1_000_000) if settings.serve.cache_mb else None
