"""Forgetting an image, what lies under a source, or a collection, for good.

First everything is ended as if its files had gone, so that the index drops the points; then the
parts, packs and vectors concerned are written anew without it. What stays of an image is the id of
its point, without name or content, so that an index that was away still drops it. Sequence numbers
start above the forgotten ones from then on (Catalog.floor): what comes back is new work everywhere.
Killed anywhere, the same call again goes on.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from pdray.catalog import lease, pointer, runs, schema
from pdray.catalog.catalog import Catalog
from pdray.catalog.merging import SETTLE_SECONDS, Merger
from pdray.catalog.packing import repack, wasteful
from pdray.catalog.sweeping import Sweeper
from pdray.catalog.units import Item, unit_id
from pdray.catalog.view import connect, live_versions, scan
from pdray.config import Settings
from pdray.errors import CatalogError, IndexUnavailable, LeaseHeld
from pdray.index.opening import open_index
from pdray.index.target import IndexTarget
from pdray.ingest import following
from pdray.ingest.upkeep import catch_up
from pdray.library.library import Library
from pdray.records import ImageRecord, ModelSpec

_ROWS_A_PART = 4096
_POINTS = 1000
_COLUMNS = ["uri", "seq", "status", "image_id", "content_id", "thumb_pack", "thumb_length"]


@dataclass(slots=True)
class Forgotten:
    """What is to be forgotten, or was. `what` is a uri, or None for the whole collection."""

    collection: str
    what: str | None
    images: int = 0
    failed: int = 0
    thumbnail_bytes: int = 0
    vectors: int = 0  # those that no image elsewhere shares
    uris: list[str] = field(default_factory=list)  # ever seen, deleted ones too
    contents: set[bytes] = field(default_factory=set)
    packs: set[str] = field(default_factory=set)
    last: list[tuple[str, int, str | None]] = field(default_factory=list)  # uri, seq, image id
    note: str | None = None


def find(catalog: Catalog, collection: str, what: str | None) -> Forgotten:
    """What forgetting would take. Raises CatalogError where there is no such thing."""
    names = catalog.collections()
    if collection not in names:
        raise CatalogError(
            f"There is no collection {collection!r} in {catalog.store.url}: "
            f"it has {', '.join(names) or 'none'}."
        )
    found = Forgotten(collection, what)
    with connect() as con:
        con.execute(_ROWS)
        for name in names:
            parts = catalog.parts(name)
            if parts:
                con.register("rows_", scan(catalog, parts, schema.ROWS, _COLUMNS))
                columns = ", ".join(_COLUMNS)
                con.execute(
                    f"INSERT INTO rows SELECT {columns}, ? FROM rows_", [name == collection]
                )
                con.unregister("rows_")
        con.execute(_GONE, {"what": what, "below": f"{(what or '').rstrip('/')}/"})
        con.execute(_NEWEST)
        counts = con.execute(_COUNTS).fetchall()[0]
        found.images, found.failed, found.thumbnail_bytes, found.vectors = counts
        rows = con.execute("SELECT uri, seq, lower(hex(image_id)) FROM newest ORDER BY uri")
        found.last = [(uri, seq, _uuid(text)) for uri, seq, text in rows.fetchall()]
        found.uris = [uri for uri, _, _ in found.last]
        found.contents = _column(con.execute("SELECT DISTINCT content_id FROM gone").fetchall())
        found.packs = _column(con.execute("SELECT DISTINCT thumb_pack FROM gone").fetchall())
    if what is not None and not found.uris:
        raise CatalogError(
            f"Collection {collection!r} holds nothing of {what}. `pdray search` shows how it calls "
            "its images."
        )
    return found


_ROWS = """
CREATE TABLE rows (
  uri VARCHAR, seq INTEGER, status VARCHAR, image_id BLOB, content_id BLOB, thumb_pack VARCHAR,
  thumb_length INTEGER, own BOOLEAN
)
"""
# A member of an archive has the archive's uri, then "!/".
_GONE = """
CREATE TABLE gone AS SELECT * FROM rows WHERE own AND NOT starts_with(uri, 'forgotten:') AND
  ($what IS NULL OR uri = $what OR starts_with(uri, $below) OR starts_with(uri, $what || '!/'))
"""
_NEWEST = """
CREATE TABLE newest AS
  SELECT * FROM gone QUALIFY row_number() OVER (PARTITION BY uri ORDER BY seq DESC) = 1;
CREATE TABLE elsewhere AS
  SELECT DISTINCT content_id FROM rows WHERE status = 'ok' AND content_id IS NOT NULL
  AND NOT (own AND uri IN (SELECT uri FROM newest));
"""
_COUNTS = """
SELECT count(*) FILTER (status = 'ok'), count(*) FILTER (status = 'failed'),
  coalesce(sum(thumb_length) FILTER (status = 'ok'), 0),
  (SELECT count(DISTINCT content_id) FROM gone WHERE content_id IS NOT NULL
   AND content_id NOT IN (SELECT content_id FROM elsewhere))
FROM newest
"""


def forget(
    settings: Settings,
    target: IndexTarget,
    collection: str,
    what: str | None,
    *,
    settle_seconds: float = SETTLE_SECONDS,
    watch: Callable[[str], None] = lambda words: None,
) -> Forgotten:
    """Forgets a uri and all below it, or a collection. Raises LeaseHeld while any run is at work,
    and IndexUnavailable where a whole collection's points can't be removed.
    """
    catalog = Catalog.open(settings.workspace)
    with ExitStack() as stack:
        stack.enter_context(lease.hold(catalog, collection, "forget"))
        busy = stack.enter_context(lease.alone(catalog, "forget", [collection]))
        if busy is not None:
            raise LeaseHeld(
                f"A run works on collection {busy!r} now, which may share what is to be forgotten. "
                "Wait for it to end."
            )
        watch("reading the catalog")
        found = find(catalog, collection, what)
        Catalog.open(settings.workspace, create=True)  # what is written has today's format
        _forget_people(catalog, target, found)  # first: where that can't be, all stays to be found
        watch("removing it from the index")
        highest = max((seq for _, seq, _ in found.last), default=0)
        catalog.raise_floor(collection, highest + 1)
        ends = _end(catalog, found)
        if what is None:
            for spec in _specs(catalog, collection):
                if following.left_to(catalog, target, collection, spec):
                    following.wait(catalog, target, collection, spec, ends)
                else:
                    _drop_points(target, spec, collection)
        else:
            found.note = catch_up(catalog, target, collection)
        watch("writing anew what shared files with it")
        _write_anew(stack, catalog, settings, target, found, ends, settle_seconds)
        catalog.store.prune("thumbs")
        catalog.store.prune("embeddings")
        catalog.store.prune("captions")
    return found


def _forget_people(catalog: Catalog, target: IndexTarget, found: Forgotten) -> None:
    """What people said goes too, but of images that moved to where they are not forgotten."""
    if target.library is None:
        return
    ids = {image for _, _, image in found.last if image}
    if found.what is not None:
        gone = set(found.uris)
        live = live_versions(catalog, found.collection)
        ids -= {image for image, uri, *_ in live if uri not in gone}
    with Library(target.library) as library:
        library.forget(ids)


def _end(catalog: Catalog, found: Forgotten) -> list[str]:
    """Ends every row, again if it is ended already: these parts are the last to go."""
    paths = []
    for start in range(0, len(found.last), _ROWS_A_PART):
        some = found.last[start : start + _ROWS_A_PART]
        items = [Item(uri, 0, "", seq + 1, 0) for uri, seq, _ in some]
        name = unit_id(found.collection, "forgotten", items)
        rows = [
            ImageRecord(uri, 0, "", seq + 1, "deleted", "forget", image) for uri, seq, image in some
        ]
        catalog.commit(found.collection, name, rows, {})
        paths.append(catalog.part_path(found.collection, name))
    return paths


def _write_anew(
    stack: ExitStack,
    catalog: Catalog,
    settings: Settings,
    target: IndexTarget,
    found: Forgotten,
    ends: list[str],
    settle_seconds: float,
) -> None:
    spill, own = settings.state_dir / "tmp", found.collection
    if found.what is not None:
        sizes = {e.path: e.size for e in catalog.store.walk("thumbs") if not e.temporary}
        if repack(catalog, own, wasteful(catalog, own, sizes, found.packs)):
            catch_up(catalog, target, own)
    mergers = {
        name: stack.enter_context(
            Merger(catalog, name, spill, forgotten=found.uris, last=ends)
            if name == own
            else Merger(catalog, name, spill)
        )
        for name in catalog.collections()
    }
    used = (merger.used() for merger in mergers.values())
    sweeper = stack.enter_context(
        Sweeper(catalog, used, spill, grace_seconds=0, forgotten=found.contents)
    )
    moved = sweeper.write()
    if found.what is not None:
        mergers[own].write(moved)
        mergers[own].delete(settle_seconds)
    sweeper.delete()
    if found.what is not None:
        mergers[own].delete_last()
        catch_up(catalog, target, own)
    else:
        _forget_collection(catalog, own, ends)


def _forget_collection(catalog: Catalog, name: str, ends: list[str]) -> None:
    """Rows, those that end the others last; then what names the collection."""
    parts = catalog.parts(name)
    for path in sorted(parts, key=lambda path: path in ends):
        catalog.store.delete(path)
    runs.forget(catalog, name)
    for folder in (f"uploads/{name}", f"collections/{name}"):
        for entry in list(catalog.store.walk(folder)):
            catalog.store.delete(entry.path)
        catalog.store.prune(folder)


def _specs(catalog: Catalog, collection: str) -> Iterator[ModelSpec]:
    """Every model that ever served the collection, one of each space."""
    found = {one.spec.space: one.spec for one in pointer.history(catalog, collection)}
    yield from found.values()


def _drop_points(target: IndexTarget, spec: ModelSpec, collection: str) -> None:
    try:
        with open_index(target, spec.space, spec.dim) as index:
            ids = [point for point, _ in index.scroll(collection, [])]
            for start in range(0, len(ids), _POINTS):
                index.delete(ids[start : start + _POINTS])
            index.flush()
    except IndexUnavailable as error:
        raise IndexUnavailable(
            f"{error} The rows of {collection!r} stay until its points can be removed: call "
            "`pdray forget` again then."
        ) from error


def _column(rows: list[tuple[Any, ...]]) -> set[Any]:
    return {value for (value,) in rows if value is not None}


def _uuid(text: str | None) -> str | None:
    return str(uuid.UUID(text)) if text else None
