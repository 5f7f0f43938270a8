"""Telling a rename from a deletion and a new image, before anything is decoded.

A move keeps the size, so only new files of a vanished file's size are hashed, and where the content
is the same the old row moves to the new uri: metadata, thumbnail, embedding and id come along. One
process decides, in the order of uris, so an id is never claimed twice.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pdray.catalog.catalog import Catalog
from pdray.catalog.plan import Planner, Vanished
from pdray.catalog.units import Item, unit_id
from pdray.catalog.view import KnownContents
from pdray.records import ImageRecord, content_id

_READERS = 8
_ROWS_A_PART = 4096


def find(
    planner: Planner, vanished: Iterable[Vanished], read: Callable[[Item], bytes]
) -> list[tuple[Vanished, Item]]:
    """Pairs of what vanished and what appeared with the same content, each used once."""
    gone = [v for v in vanished if v.status == "ok" and v.content_id and v.image_id]
    kept = planner.holders(gone) if gone else set()
    by_content: dict[str, list[Vanished]] = defaultdict(list)
    for row in gone:
        if row.image_id not in kept:  # an id that lives on elsewhere was moved there before
            by_content[str(row.content_id)].append(row)
    candidates = planner.new_of_sizes(v.size for rows in by_content.values() for v in rows)
    if not candidates:
        return []

    def hashed(item: Item) -> str | None:
        try:
            return content_id(read(item))
        except OSError:
            return None  # the run itself will say what is wrong with it

    with ThreadPoolExecutor(_READERS) as pool:
        contents = list(pool.map(hashed, candidates))
    return _pair(by_content, [(i, c) for i, c in zip(candidates, contents, strict=True) if c])


def _pair(
    by_content: dict[str, list[Vanished]], candidates: list[tuple[Item, str]]
) -> list[tuple[Vanished, Item]]:
    """Same name first (a moved folder), then in order of uri."""
    pairs, left = [], []
    for item, content in candidates:
        rows = by_content.get(content, [])
        same = next((row for row in rows if _name(row.uri) == _name(item.uri)), None)
        if same:
            rows.remove(same)
            pairs.append((same, item))
        else:
            left.append((item, content))
    for item, content in left:
        if by_content.get(content):
            pairs.append((by_content[content].pop(0), item))
    return pairs


def commit(
    catalog: Catalog,
    collection: str,
    run_id: str,
    known: KnownContents,
    pairs: list[tuple[Vanished, Item]],
) -> None:
    """Commits each moved row and the tombstone of its old uri together."""
    old: dict[str, ImageRecord] = {}
    for part in sorted({v.part for v, _ in pairs}):
        wanted = {v.uri for v, _ in pairs if v.part == part}
        old.update({r.uri: r for r in catalog.read_part(part).records if r.uri in wanted})
    for start in range(0, len(pairs), _ROWS_A_PART):
        some = pairs[start : start + _ROWS_A_PART]
        rows = []
        embeddings: dict[str, set[str]] = defaultdict(set)
        for gone, item in some:
            before = old[gone.uri]
            rows.append(
                replace(
                    before, uri=item.uri, size=item.size, version=item.version, seq=item.seq,
                    run_id=run_id,
                )
            )  # fmt: skip
            rows.append(tombstone(run_id, gone))
            place = known.find(str(gone.content_id))
            if place and before.space:
                embeddings[before.space].add(place)
        items = [item for _, item in some]
        catalog.commit(
            collection,
            unit_id(collection, "moved", items),
            rows,
            {space: sorted(parts) for space, parts in embeddings.items()},
        )


def tombstone(run_id: str, gone: Vanished) -> ImageRecord:
    """The row that ends a live one."""
    return ImageRecord(
        gone.uri, gone.size, gone.version, gone.seq + 1, "deleted", run_id, gone.image_id,
        gone.content_id,
    )  # fmt: skip


def commit_tombstones(
    catalog: Catalog, collection: str, run_id: str, vanished: list[Vanished]
) -> None:
    """Ends the rows of images that are gone."""
    for start in range(0, len(vanished), _ROWS_A_PART):
        some = vanished[start : start + _ROWS_A_PART]
        items = [Item(v.uri, v.size, v.version, v.seq + 1, 0) for v in some]
        rows = [tombstone(run_id, v) for v in some]
        catalog.commit(collection, unit_id(collection, "deleted", items), rows, {})


def _name(uri: str) -> str:
    return uri.rsplit("/", 1)[-1]
