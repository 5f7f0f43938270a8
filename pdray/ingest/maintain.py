"""Looking at a workspace and mending it: status, failures, verify, rebuild. No model, no Ray."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from pdray.catalog import lease, pointer, runs
from pdray.catalog.catalog import Catalog
from pdray.catalog.view import connect, live_records, live_versions, load_live
from pdray.config import Settings
from pdray.errors import CatalogError, IndexUnavailable
from pdray.index.opening import open_index, rebuild_index
from pdray.index.overlay import PEOPLE, said_of
from pdray.index.protocol import Index
from pdray.index.target import IndexTarget
from pdray.ingest.project import Projector, waiting
from pdray.library.library import Library, opened
from pdray.records import ImageRecord, Said

_SHOWN = 20
Reach = Callable[..., Index]  # as open_index


def serving(catalog: Catalog, collection: str) -> pointer.Pointer:
    """The pointer of a collection. Raises CatalogError where it was never indexed."""
    found = pointer.current(catalog, collection)
    if found is None:
        raise CatalogError(
            f"Collection {collection!r} of {catalog.store.url} is empty. "
            "Fill it with `pdray index FOLDER`."
        )
    return found


def status(settings: Settings, target: IndexTarget, reach: Reach = open_index) -> dict[str, Any]:
    """What is in the workspace, collection by collection."""
    catalog = Catalog.open(settings.workspace)
    names = catalog.collections()
    return {
        "workspace": catalog.store.url,
        "index": target.place,
        "collections": [_collection_status(catalog, name, target, reach) for name in names],
    }


def _collection_status(
    catalog: Catalog, name: str, target: IndexTarget, reach: Reach
) -> dict[str, Any]:
    serving_now = pointer.current(catalog, name)
    with connect() as con:
        load_live(con, catalog, name, ["uri", "seq", "status"])
        found = dict(con.execute("SELECT status, count(*) FROM live GROUP BY ALL").fetchall())
        by_part = dict(con.execute("SELECT part, count(*) FROM live GROUP BY ALL").fetchall())
    points, pending, note = None, None, None
    if serving_now:
        try:
            spec = serving_now.spec
            with reach(target, spec.space, spec.dim, wait_seconds=2.0) as index:
                points = index.count(name)
                parts, _ = waiting(catalog, name, index.ledger.applied())
                pending = sum(by_part.get(part, 0) for part in parts)
        except IndexUnavailable as error:
            note = str(error)
    return {
        "name": name,
        "model": serving_now.spec.name if serving_now else None,
        "space": serving_now.spec.space if serving_now else None,
        "committed": found.get("ok", 0),
        "points": points,
        "pending": pending,
        "failed": found.get("failed", 0),
        "deleted": found.get("deleted", 0),
        "last_run": runs.last(catalog, name),
        "note": note,
    }


def failures(settings: Settings) -> list[ImageRecord]:
    """The live rows that failed, by uri."""
    catalog = Catalog.open(settings.workspace)
    serving(catalog, settings.collection)
    return live_records(catalog, settings.collection, "failed")


@dataclass(slots=True)
class Agreement:
    """How index and catalog compare. The lists hold the first few; the counts all."""

    collection: str
    images: int = 0
    points: int = 0
    missing: int = 0  # in the catalog alone
    surplus: int = 0  # in the index alone
    outdated: int = 0  # in both, of different versions or with other edits
    shared_ids: int = 0  # live rows beyond the first that carry an id
    examples: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether there is no difference at all."""
        return not (self.missing or self.surplus or self.outdated or self.shared_ids)


def verify(settings: Settings, target: IndexTarget, reach: Reach = open_index) -> Agreement:
    """Compares ids and versions of live rows and points, and what people say of them."""
    catalog = Catalog.open(settings.workspace)
    name = settings.collection
    spec = serving(catalog, name).spec
    result = Agreement(name)
    wanted: dict[str, tuple[object, ...]] = {}
    for image_id, uri, *rest in live_versions(catalog, name):
        result.images += 1
        if image_id in wanted:
            result.shared_ids += 1
            _example(result, f"{uri} shares its id {image_id} with another image")
        wanted[image_id] = (uri, *rest)
    fields = ["uri", "version", "seq", "content_id"]
    said = _edits(target, name)
    with reach(target, spec.space, spec.dim) as index:
        for point, payload in index.scroll(name, [*fields, PEOPLE]):
            result.points += 1
            expected = wanted.pop(point, None)
            stored = tuple(payload.get(key) for key in fields)
            if expected is None:
                result.surplus += 1
                _example(result, f"{stored[0]} ({point}) is in the index alone")
            elif stored != expected:
                result.outdated += 1
                _example(result, f"{expected[0]} ({point}) is {expected}, in the index {stored}")
            elif said_of(payload) != said.get(point, {}):
                result.outdated += 1
                _example(result, f"{expected[0]} ({point}) was edited, in the index otherwise")
    result.missing = len(wanted)
    for point, expected in list(wanted.items())[:_SHOWN]:
        _example(result, f"{expected[0]} ({point}) is in the catalog alone")
    return result


def _edits(target: IndexTarget, collection: str) -> dict[str, Said]:
    if target.library is None:
        return {}
    with Library(target.library) as library:
        return {row.image_id: row.said for row in library.all(collection)}


def _example(result: Agreement, sentence: str) -> None:
    if len(result.examples) < _SHOWN:
        result.examples.append(sentence)


def rebuild(
    settings: Settings, target: IndexTarget, watch: Callable[[str, int], None] = lambda *_: None
) -> int:
    """Makes the index of the collection's space anew from the catalog; returns its points.

    All collections that share the space are in it. A rebuild that dies leaves the old index as it
    was. No run may write meanwhile: each collection's lease is held.
    """
    catalog = Catalog.open(settings.workspace)
    spec = serving(catalog, settings.collection).spec
    names = [
        name
        for name in catalog.collections()
        if (found := pointer.current(catalog, name)) and found.spec.space == spec.space
    ]
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(lease.hold(catalog, name, "rebuild"))
        library = opened(target.library)
        if library:
            stack.enter_context(library)
            # What is said while the old index still answers reaches the new one after it.
            stack.callback(library.wait_again, time.time())
        index = stack.enter_context(rebuild_index(target, spec.space, spec.dim))
        projector = Projector(catalog, index, spec, library)
        for name in names:
            watch(name, projector.catch_up(name))
        return index.count()
