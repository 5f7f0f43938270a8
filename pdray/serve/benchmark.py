"""What answering over HTTP costs beside what a query takes anyway, all in one run on one machine.

    alone      text tower and index in a plain process, one query after the other
    noop       the same Serve with an app that answers a few bytes
    edge       distinct texts through the API, the index in its owner's process
    in_replica the same with the index in the replica: what the hop costs is the difference
    stub       the same with an index that answers at once
    cached     one text over and over
    thumbnails of what was just found, one after the other

Queries are ten tokens, as CLIP's tokenizer makes of six or seven words, and want ten hits.
"""

import hashlib
import json
import multiprocessing
import random
import shutil
import string
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Any, cast
from urllib.request import Request, urlopen

import numpy as np
from fastapi import FastAPI
from PIL import Image
from starlette.responses import Response

from pdray.catalog import pointer
from pdray.catalog.catalog import Catalog
from pdray.config import Settings
from pdray.index.filters import Filter
from pdray.index.protocol import Found, Index, Wanted
from pdray.index.target import IndexTarget
from pdray.records import ImageRecord, Metadata, ModelSpec
from pdray.serve.held import Held, Serving
from pdray.serve.load import Load, measure, request
from pdray.serve.shapes import PREFIX
from pdray.serve.space import load

IMAGES = 10_000
_HITS = 10
_UNIT = 500
_MAKING = "1"  # raise it when other rows are made
_SHARES = ("edge", "in_replica", "stub")
Results = dict[str, Any]


def workspace(folder: Path, spec: ModelSpec, images: int) -> Path:
    """A workspace whose catalog holds that many made-up images, made once."""
    found = folder / f"{_MAKING}-{spec.space}-{images}"
    if (found / "whole").exists():
        return found
    shutil.rmtree(found, ignore_errors=True)
    catalog = Catalog.open(str(found), create=True)
    random_ = np.random.default_rng(7)
    for start in range(0, images, _UNIT):
        _commit(catalog, spec, range(start, min(start + _UNIT, images)), random_)
    pointer.advance(catalog, "default", spec)
    (found / "whole").touch()
    return found


def _commit(
    catalog: Catalog, spec: ModelSpec, numbers: range, random_: np.random.Generator
) -> None:
    unit = hashlib.sha256(f"{numbers}".encode()).hexdigest()[:32]
    places = catalog.write_thumbnails(unit, "a", [_picture(random_) for _ in numbers])
    records = [
        ImageRecord(
            uri=f"file:///srv/photos/{number % 40:02}/{number:06}.jpg",
            size=2_000_000 + number,
            version=f"{number}-1",
            seq=1,
            status="ok",
            run_id="made-up",
            image_id=str(uuid.UUID(int=number + (5 << 76) + (2 << 62))),
            content_id=hashlib.sha256(str(number).encode()).hexdigest()[:32],
            width=4000,
            height=3000,
            format="jpeg",
            space=spec.space,
            metadata=Metadata(
                taken_at=f"20{number % 20:02}-0{number % 9 + 1}-11T12:30:00",
                camera_make="Canon",
                camera_model="EOS R6",
                iso=100 + number % 800,
                f_number=2.8,
                keywords=("holiday", "sea"),
            ),
            thumbnail=place,
        )
        for number, place in zip(numbers, places, strict=True)
    ]
    vectors = random_.normal(size=(len(records), spec.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    contents = [str(record.content_id) for record in records]
    part = catalog.write_embeddings(unit, "a", spec, contents, vectors)
    catalog.commit("default", unit, records, {spec.space: [part]})


def _picture(random_: np.random.Generator) -> bytes:
    """About 8 KB, as a thumbnail of a photo."""
    rough = random_.integers(0, 255, (20, 27, 3), dtype=np.uint8)
    sink = BytesIO()
    Image.fromarray(rough).resize((320, 240)).save(sink, "JPEG", quality=80)
    return sink.getvalue()


def texts(count: int, seed: int) -> Iterator[str]:
    """Distinct texts of ten tokens each for the byte-level tokenizer of random weights."""
    dice = random.Random(seed)
    for _ in range(count):
        yield " ".join("".join(dice.choices(string.ascii_lowercase, k=4)) for _ in range(2))


def alone(settings: Settings, target: IndexTarget, count: int = 300) -> Results:
    """Milliseconds of the text tower and of the index, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_alone, (settings, target, count))


def _alone(settings: Settings, target: IndexTarget, count: int) -> Results:
    held = Held(target)
    catalog = Catalog.open(settings.workspace)
    spec = pointer.current(catalog, "default")
    assert spec is not None
    held.refresh(catalog, {"default": spec.spec})
    index, tower = held.index(spec.spec), load(spec.spec, settings, "text")
    encoded: list[float] = []
    found: list[float] = []
    for number, text in enumerate(texts(count + 20, seed=1)):
        began = perf_counter()
        vector = tower.encode_texts([text])[0]
        between = perf_counter()
        index.search(vector, limit=_HITS, where=Filter("default"))
        ended = perf_counter()
        if number >= 20:
            encoded.append(1000 * (between - began))
            found.append(1000 * (ended - between))
    held.close()
    both = [one + other for one, other in zip(encoded, found, strict=True)]
    return {
        "text_p50_ms": float(np.percentile(encoded, 50)),
        "index_p50_ms": float(np.percentile(found, 50)),
        "p50_ms": float(np.percentile(both, 50)),
        "p99_ms": float(np.percentile(both, 99)),
    }


def noop() -> FastAPI:
    """The least that an app can do."""
    app = FastAPI()

    @app.post("/noop")
    @app.get("/readyz")
    async def answer() -> Response:
        return Response(b'{"hits":[]}', media_type="application/json")

    return app


class StubIndexes:
    """pdray.serve.held.Indexes that knows ten images and finds them whatever is asked."""

    version = None

    def __init__(self) -> None:
        self.changes: Counter[str] = Counter()
        payload = {
            "uri": "file:///srv/photos/00/000000.jpg",
            "name": "000000.jpg",
            "collection": "default",
        }
        self._found = [Found(str(uuid.UUID(int=n)), 0.5, payload) for n in range(_HITS + 1)]

    def refresh(
        self, catalog: Catalog, serving: Serving, besides: Collection[ModelSpec] = ()
    ) -> str | None:
        """Always there."""
        return None

    def opened(self, spec: ModelSpec) -> bool:
        """Always."""
        return True

    def index(self, spec: ModelSpec) -> Index:
        """The stub itself."""
        return cast(Index, self)

    def search_many(self, wanted: Sequence[Wanted]) -> list[list[Found]]:
        """The same ten for each; nothing says a word."""
        return [[] if where.must else self._found for _, _, where in wanted]

    def facet(self, field: str, where: Filter | None = None, *, limit: int = 1) -> dict[str, int]:
        """None."""
        return {}

    def close(self) -> None:
        """Nothing to do."""


def queries(url: str, count: int, seed: int, limit: int = _HITS) -> list[bytes]:
    """Searches for distinct texts."""
    return [
        request(f"{url}{PREFIX}/search", json.dumps({"text": text, "limit": limit}).encode())
        for text in texts(count, seed)
    ]


def run(
    base: Results,
    serving: Callable[[str], AbstractContextManager[str]],
    seconds: float = 4.0,
) -> Results:
    """All figures beside those of `alone`, which are measured before any Ray runs. `serving` serves
    what a name above says and gives the URL.
    """
    found: Results = {"alone": base}
    with serving("noop") as url:
        asked = [request(f"{url}/noop", b'{"text":"a"}')]
        found["noop"] = _both(url, asked, seconds, again=True)
    for number, where in enumerate(_SHARES):
        with serving(where) as url:
            _warm(url)
            found[where] = _both(url, queries(url, 40_000, 10 + number), seconds)
            if where == "edge":
                one = queries(url, 1, 99)
                found["cached"] = _both(url, one, seconds, again=True)
                found["thumbnails"] = _both(url, _thumbnails(url), seconds, again=True)
    return {**found, **_compared(found)}


def _warm(url: str) -> None:
    """Until every model is there: the image tower comes after the rest."""
    picture = _picture(np.random.default_rng(1))
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n'
    body = head + picture + b"\r\n--x--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    with urlopen(Request(f"{url}{PREFIX}/search", body, kind), timeout=90) as answered:
        answered.read()
    measure(url, queries(url, 2_000, 2), concurrency=16, seconds=2.0)


def _thumbnails(url: str) -> list[bytes]:
    """Those of what searches have just found, as a page asks for them."""
    found: list[str] = []
    for text in texts(30, 98):
        body = json.dumps({"text": text, "limit": 100}).encode()
        asked = Request(f"{url}{PREFIX}/search", body, {"Content-Type": "application/json"})
        with urlopen(asked, timeout=60) as answered:
            found += [hit["thumbnail"] for hit in json.loads(answered.read())["hits"]]
    return [request(f"{url}{path}") for path in dict.fromkeys(found)]


def _both(url: str, requests: Sequence[bytes], seconds: float, again: bool = False) -> Results:
    """One at a time, then 16 at once. The latter goes on where the former ended."""
    one = measure(url, requests, concurrency=1, seconds=seconds, again=again)
    rest = requests if again else requests[len(one.milliseconds) + 1 :]
    many = measure(url, rest, concurrency=16, seconds=seconds, again=again)
    return {"at_1": _figures(one), "at_16": _figures(many)}


def _figures(load: Load) -> Results:
    if set(load.statuses) != {"200"}:
        raise RuntimeError(f"not every answer was right: {dict(load.statuses)}")
    return {
        "per_second": load.rate,
        "p50_ms": load.percentile(50),
        "p99_ms": load.percentile(99),
    }


def _compared(found: Results) -> Results:
    """What the targets are about."""
    base, alone = found["noop"], found["alone"]

    def share(part: str, at: str) -> float:
        return float(found[part][at]["per_second"] / base[at]["per_second"])

    least = alone["p50_ms"] + base["at_1"]["p50_ms"]
    one = found["edge"]["at_1"]
    return {
        "overhead_p50_ms": one["p50_ms"] - least,
        "overhead_p99_ms": one["p99_ms"] - least,
        "hop_p50_ms": one["p50_ms"] - found["in_replica"]["at_1"]["p50_ms"],
        **{
            f"{part}_of_noop_{at}": share(part, at)
            for part in ("edge", "cached", "thumbnails")
            for at in ("at_1", "at_16")
        },
    }
