"""`pdray eval index`: what the index that serves finds, beside the catalog's vectors themselves."""

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from pdray.cli.output import console, print_json, stderr, table
from pdray.config import load
from pdray.errors import UsageError
from pdray.index.filters import Filter, Range
from pdray.ingest.target import index_target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pdray.catalog.live_vectors import LiveVectors
    from pdray.index.protocol import Index

    Numbers = NDArray[np.int64]
    Vectors = NDArray[np.float32]

_TOP = 10
_KEPT = (1.0, 0.5, 0.15, 0.02, 0.001)
# Of cosine: indexes hold fp16, whose rounding moves a score by some 0.00005.
_SLACK = 1e-4


@dataclass(frozen=True, slots=True)
class Line:
    """One filter: the images that it leaves, what the index finds of their neighbours (None: there
    are none), and the middle time of one query, with the index's own exact search beside it.
    """

    images: int
    share: float
    recall: float | None
    p50_ms: float
    exact_p50_ms: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What the index said under one filter, which leaves files smaller than `bound` bytes (None:
    all): the ids of each query's hits, and milliseconds by whether the search was an exact one.
    """

    bound: int | None
    hits: list[list[str]]
    took: dict[bool, list[float]]


def run_index(flags: dict[str, Any], queries: int, seed: int, as_json: bool) -> None:
    """The command."""
    import numpy as np

    from pdray.catalog.catalog import Catalog
    from pdray.catalog.live_vectors import LiveVectors
    from pdray.ingest.maintain import serving
    from pdray.serve.reaching import reach

    settings = load(flags)
    target = index_target(settings)
    catalog = Catalog.open(settings.workspace)
    name, spec = settings.collection, serving(catalog, settings.collection).spec
    live = LiveVectors(catalog, name, spec.space)
    if len(live.ids) <= _TOP:
        raise UsageError(f"Collection {name!r} has {len(live.ids)} images: 11 are needed.")
    drawn = random.Random(seed).sample(range(len(live.ids)), min(queries, len(live.ids)))
    held = _held(live, drawn)
    own = np.array(sorted(held), np.int64)
    if not held:
        raise UsageError(
            f"Collection {name!r} has no vectors of {spec.name}: run `pdray index` again."
        )
    vectors = np.stack([held[number] for number in own.tolist()])
    with reach(target, spec.space, spec.dim) as index:
        points = index.count(name)
        asked = [_ask(index, name, vectors, own, live, kept) for kept in _KEPT]
    lines = _lines(live, vectors, own, asked)
    if as_json:
        found = {"images": len(live.ids), "points": points, "queries": len(own)}
        print_json({**found, "lines": [asdict(line) for line in lines]})
        return
    _tell(lines, name, len(own), len(live.ids), points)


def _ask(
    index: "Index",
    collection: str,
    vectors: "Vectors",
    own: "Numbers",
    live: "LiveVectors",
    kept: float,
) -> Asked:
    import numpy as np

    bound, must = None, ()
    if kept < 1:
        bound = int(np.quantile(live.sizes, kept, method="higher")) + 1
    where = Filter(collection, must if bound is None else (Range("size", lt=bound),))
    hits: list[list[str]] = []
    took: dict[bool, list[float]] = {False: [], True: []}
    for vector, number in zip(vectors, own.tolist(), strict=True):
        for exact, spent in took.items():
            began = time.perf_counter()
            # One more: an image is its own nearest, and finding it is no merit.
            got = index.search(vector, limit=_TOP + 1, where=where, exact=exact)
            spent.append(1000 * (time.perf_counter() - began))
            if not exact:
                others = [one.id for one in got if one.id != live.ids[number]]
                hits.append(others[:_TOP])
    return Asked(bound, hits, took)


def _lines(
    live: "LiveVectors", vectors: "Vectors", own: "Numbers", asked: Sequence[Asked]
) -> list[Line]:
    import numpy as np

    from pdray.evaluation.neighbours import Nearest, recall

    number = {id: at for at, id in enumerate(live.ids)}
    left = [live.sizes < (one.bound or np.inf) for one in asked]
    exact = [Nearest(vectors, _TOP, own) for _ in asked]
    for numbers, items in live.parts():
        for nearest, admitted in zip(exact, left, strict=True):
            mine = admitted[numbers]
            nearest.add(numbers[mine], items[mine])
    named = {id for one in asked for ids in one.hits for id in ids}
    held = _held(live, [number[id] for id in named if id in number])
    found = []
    for one, nearest, admitted in zip(asked, exact, left, strict=True):
        # A hit that the catalog doesn't have, or that the filter should have kept out, is no hit.
        right = [
            [number[id] for id in ids if number.get(id) in held and admitted[number[id]]]
            for ids in one.hits
        ]
        scores = [
            np.array([held[at] @ vector for at in some], np.float32)
            for some, vector in zip(right, vectors, strict=True)
        ]
        approximate, wholly = (float(np.median(one.took[exactly])) for exactly in (False, True))
        count = int(admitted.sum())
        share = count / len(live.ids)
        found.append(Line(count, share, recall(scores, nearest, _SLACK), approximate, wholly))
    return found


def _held(live: "LiveVectors", wanted: Iterable[int]) -> "dict[int, Vectors]":
    """The vectors of these images by number; those without one are left out."""
    chosen = set(wanted)
    found: dict[int, Vectors] = {}
    for numbers, vectors in live.parts():
        pairs = zip(numbers.tolist(), vectors, strict=True)
        found.update({number: vector for number, vector in pairs if number in chosen})
    return found


def _tell(lines: Sequence[Line], name: str, queries: int, images: int, points: int) -> None:
    rows = table(">images left", ">share", ">recall@10", ">approximate, ms", ">exact, ms")
    for line in lines:
        rows.add_row(
            str(line.images), f"{100 * line.share:.1f}%",
            "" if line.recall is None else f"{line.recall:.4f}",
            f"{line.p50_ms:.2f}", f"{line.exact_p50_ms:.2f}",
        )  # fmt: skip
    console.print(rows)
    console.print(
        f"[dim]{queries} of its images as queries over {images} of {escape(name)}, beside the "
        "catalog's vectors; filters keep the smallest files; p50 of one query.[/]"
    )
    if points != images:
        stderr.print(
            f"[yellow]Note:[/] The index holds {points} of {images} images: `pdray verify` says "
            "more."
        )
