"""`pdray eval index`: approximate against exact search, in the index that serves."""

import random
import time
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from pdray.cli.output import console, print_json, table
from pdray.config import load
from pdray.errors import UsageError
from pdray.index.filters import Filter, Range
from pdray.ingest.target import index_target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pdray.index.protocol import Index

_TOP = 10
_KEPT = (1.0, 0.5, 0.15, 0.02, 0.001)


def run_index(flags: dict[str, Any], queries: int, as_json: bool) -> None:
    """The command."""
    import numpy as np

    from pdray.catalog.catalog import Catalog
    from pdray.ingest.maintain import serving
    from pdray.serve.reaching import reach

    settings = load(flags)
    target = index_target(settings)
    catalog = Catalog.open(settings.workspace)
    name, spec = settings.collection, serving(catalog, settings.collection).spec
    with reach(target, spec.space, spec.dim) as index:
        points = list(index.scroll(name, ["size"]))
        if len(points) < _TOP:
            raise UsageError(f"Collection {name!r} has {len(points)} images: {_TOP} are needed.")
        sizes = np.array([payload["size"] for _, payload in points])
        ids = random.Random(0).sample([id for id, _ in points], min(queries, len(points)))
        stored = index.retrieve(ids, with_vectors=True)
        vectors = np.stack([one.vector for one in stored if one.vector is not None])
        lines = [_line(index, name, vectors, sizes, kept) for kept in _KEPT]
    if as_json:
        print_json({"images": len(points), "queries": len(ids), "lines": lines})
        return
    rows = table(">images left", ">share", ">recall@10", ">approximate, ms", ">exact, ms")
    for line in lines:
        rows.add_row(
            str(line["images"]), f"{100 * line['share']:.1f}%", f"{line['recall']:.4f}",
            f"{line['p50_ms']:.2f}", f"{line['exact_p50_ms']:.2f}",
        )  # fmt: skip
    console.print(rows)
    console.print(
        f"[dim]{len(ids)} of its images as queries over {len(points)} of {escape(name)}; filters "
        "keep the smallest files; p50 of one query.[/]"
    )


def _line(
    index: "Index",
    collection: str,
    vectors: "NDArray[np.float32]",
    sizes: "NDArray[np.int64]",
    kept: float,
) -> dict[str, Any]:
    import numpy as np

    bound = int(np.quantile(sizes, kept, method="higher")) + 1
    left = int((sizes < bound).sum())
    must = () if kept == 1.0 else (Range("size", lt=bound),)
    where = Filter(collection, must)
    found = wanted = 0
    took: dict[bool, list[float]] = {False: [], True: []}
    for vector in vectors:
        hits = {}
        for exact, spent in took.items():
            began = time.perf_counter()
            got = index.search(vector, limit=_TOP, where=where, exact=exact)
            spent.append(1000 * (time.perf_counter() - began))
            hits[exact] = {one.id for one in got}
        found += len(hits[True] & hits[False])
        wanted += len(hits[True])
    return {
        "images": left,
        "share": left / len(sizes),
        "recall": found / wanted if wanted else 1.0,
        "p50_ms": float(np.median(took[False])),
        "exact_p50_ms": float(np.median(took[True])),
    }
