"""Searches over HTTP: from the cache where that is right, else found anew, in threads."""

import json
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from time import perf_counter

from starlette.responses import Response

import pdray
from pdray.config import Settings
from pdray.errors import IndexUnavailable
from pdray.serve import metrics
from pdray.serve.cache import open_cache
from pdray.serve.engine import Engine
from pdray.serve.shapes import Answer, SearchRequest

_LEAST = 0.001  # milliseconds


class Answers:
    """Keeps answers to what is asked in words, conditions and known images; never to images that
    came along or lie elsewhere, which may be others the next time.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._cache = engine, open_cache(engine.settings)
        self._flavour = _flavour(engine.settings)

    async def answer(
        self, asked: SearchRequest, alone: bool, find: Callable[[], Awaitable[Answer]]
    ) -> Response:
        """The answer as it goes out. `alone`: nothing came with the question."""
        began = perf_counter()
        version = self._engine.version if alone and self._cache else None
        if self._cache is None or version is None or not _lasting(asked):
            return _response(*_written(await find()), "none")
        key = self._key(asked)
        kept = await self._cache.get(key, version)
        metrics.CACHE.add(result="hit" if kept is not None else "miss")
        if kept is not None:
            took = max(_LEAST, round(1000 * (perf_counter() - began), 3))
            return _response(f'{{"encode":0.0,"index":0.0,"total":{took}}}'.encode(), kept, "hit")
        took_ms, rest = _written(await find())
        await self._cache.put(key, version, rest)
        return _response(took_ms, rest, "miss")

    def _key(self, asked: SearchRequest) -> bytes:
        """Names a question to a model; two processes with the same settings agree on it."""
        collection = self._engine.named(asked.collection)
        spec = self._engine.collections().get(collection)
        if spec is None:  # it went this very moment
            raise IndexUnavailable("The collection has just changed: ask again.")
        said = f"{self._flavour}\n{spec.space}\n{collection}\n{asked.model_dump_json()}"
        return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _flavour(settings: Settings) -> str:
    """What else an answer depends on: servers that differ in it may share one Redis."""
    return f"{pdray.__version__} {settings.workspace} {settings.precision} {settings.device}"


def _lasting(asked: SearchRequest) -> bool:
    return not (asked.image_url or any(part.image_url for part in asked.mix))


def _written(answer: Answer) -> tuple[bytes, bytes]:
    """The timings, and all the rest, as JSON."""
    for stage, took in answer.took_ms.items():
        metrics.STAGES.observe(took / 1000, stage=stage)
    took_ms = json.dumps(answer.took_ms, separators=(",", ":")).encode()
    # The model was just built of what is right: nothing is validated again.
    return took_ms, answer.__pydantic_serializer__.to_json(answer, exclude={"took_ms"})


def _response(took_ms: bytes, rest: bytes, cache: str) -> Response:
    body = b'{"took_ms":' + took_ms + b"," + rest[1:]
    return Response(body, media_type="application/json", headers={"X-Cache": cache})
