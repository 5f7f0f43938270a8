"""What lies in a workspace that nothing leads to: nothing, once `pdray compact` has run.

The search for it shares no line with the compaction: it starts from the live rows and looks at
every file there is.
"""

from collections import Counter

import fsspec

from pdray.catalog.catalog import Catalog
from pdray.catalog.view import live_records
from pdray.config import load
from pdray.ingest.target import index_target
from pdray.ingest.upkeep import compact

# Records that are kept for good: what runs did, who held the leases, what a server has applied.
_KEPT = ("format.json", "runs/", "leases/", "floors/", "projections/")


def compacted(flags: dict[str, str]) -> set[str]:
    """Compacts the workspace without any grace; gives the orphans that it leaves."""
    settings = load(flags)
    found = compact(settings, index_target(settings), grace_seconds=0.0, settle_seconds=0.0)
    assert found.notes == []
    return orphans(settings.workspace, "default")


def orphans(workspace: str, collection: str) -> set[str]:
    """Files of a workspace with one collection that no live row leads to."""
    catalog = Catalog.open(workspace)
    live = live_records(catalog, collection)
    rows = {(row.uri, row.seq) for row in live}
    contents = {row.content_id for row in live if row.content_id}
    packs = {row.thumbnail.pack for row in live if row.thumbnail}
    held: Counter[str] = Counter()  # parts that hold the vector of a content
    lost = set()
    for path in _files(workspace):
        if path.startswith(_KEPT) or "/pointer/" in path:
            continue
        if "/rows/" in path and path.endswith(".parquet") and "/." not in path:
            part = catalog.read_part(path)
            used = any((row.uri, row.seq) in rows for row in part.records)
        elif path.startswith("embeddings/") and path.endswith(".parquet") and "/." not in path:
            inside, _ = catalog.vectors([path])
            held.update(inside)
            used = not contents.isdisjoint(inside)
        else:
            used = path in packs
        if not used:
            lost.add(path)
    assert max(held.values()) == 1, "a vector is kept twice"
    return lost


def _files(workspace: str) -> list[str]:
    """Every file by its path in the workspace, but for those of the embedded index."""
    system, root = fsspec.core.url_to_fs(workspace)
    system.invalidate_cache()
    files = (path[len(root.rstrip("/")) + 1 :] for path in system.find(root))
    return [path for path in files if not path.startswith("state/")]
