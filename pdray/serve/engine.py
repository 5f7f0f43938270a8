"""What answers: the indexes and encoders of one workspace, held open, and kept up with its catalog.

An embedded index has one owner, so while a server holds it the server itself brings in what runs
commit. All that a request does here is plain and may block: call it from threads.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdray import log
from pdray.catalog import pointer
from pdray.catalog.catalog import Catalog
from pdray.config import Settings
from pdray.errors import IndexUnavailable, PdrayError
from pdray.index.filters import Filter
from pdray.index.following import follow
from pdray.index.owner import Owner
from pdray.index.protocol import Index, Stored, Wanted
from pdray.index.target import IndexTarget
from pdray.records import ModelSpec, Thumbnail
from pdray.search.query import Towers
from pdray.serve.problems import Problem
from pdray.serve.space import Space

FOLLOW_SECONDS = 1.0
_MOST_VALUES = 10_000  # of a field, such as folders, that a name is looked for among


class Engine:
    """`start` it, ask it from threads, `close` it. Opening and following go on in one thread of its
    own; until an index is open, questions of it raise IndexUnavailable at once.
    """

    def __init__(self, settings: Settings, target: IndexTarget) -> None:
        self.settings, self.target = settings, target
        self.embedded = target.url is None
        self._spaces: dict[str, Space] = {}
        self._serving: dict[str, ModelSpec] = {}
        self._values: dict[tuple[str, str], Mapping[str, int]] = {}
        self._why = "The server is starting."
        self._ready = False
        self._catalog: Catalog | None = None
        self._following: Owner | None = None
        self.changes: Counter[str] = Counter()  # how often each collection's index has changed
        self._turn = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)

    def start(self) -> None:
        """Begins to open what there is and to follow the catalog."""
        self._thread.start()

    def close(self) -> None:
        """Lets the indexes go. Closing twice is fine."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._turn:
            for space in self._spaces.values():
                space.close()
            self._spaces.clear()
            if self._following:
                self._following.release()

    def __enter__(self) -> "Engine":
        self.refresh()
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    # --- following

    def _follow(self) -> None:
        while not self._ending.is_set():
            self.refresh()
            self._ending.wait(FOLLOW_SECONDS)

    def refresh(self) -> None:
        """Sees new collections, models and commits now."""
        with self._turn:
            try:
                self._refresh()
            except (PdrayError, OSError) as error:
                self._why = str(error)
                log.get("serve").warning("%s", error)

    def _refresh(self) -> None:
        if self._catalog is None:
            self._catalog = Catalog.open(self.settings.workspace, absent=True)
        catalog = self._catalog
        if self.embedded and self._following is None:
            with suppress(IndexUnavailable):  # another server does: it holds the spaces too
                self._following = follow(self.target)
        serving = {}
        for name in catalog.collections():
            found = pointer.current(catalog, name)
            if found:
                serving[name] = found.spec
        failed = None
        for name, spec in serving.items():
            try:
                space = self._spaces.get(spec.space)
                if space is None:
                    space = Space(catalog, self.target, spec, self.settings)
                    self._spaces[spec.space] = space
                changed = space.follow(name, project=self.embedded)
                self.changes[name] += changed
                if changed or not self.embedded:
                    self._values = {}
            except PdrayError as error:
                failed = str(error)
        self._serving = serving
        self._ready, self._why = failed is None, failed or ""
        kept = {spec.space for spec in serving.values()}
        for gone in set(self._spaces) - kept:
            self._spaces.pop(gone).close()

    # --- asking

    @property
    def why_not_ready(self) -> str | None:
        """A sentence while not everything can be answered, None when it can."""
        return None if self._ready else self._why or "The server is starting."

    @property
    def catalog(self) -> Catalog:
        """The workspace. Raises IndexUnavailable before it was opened."""
        if self._catalog is None:
            raise IndexUnavailable(self._why)
        return self._catalog

    def collections(self) -> dict[str, ModelSpec]:
        """The models that serve, by collection."""
        self.catalog  # noqa: B018 (before that nothing is known)
        return dict(self._serving)

    def named(self, collection: str | None) -> str:
        """The collection that is meant. Raises Problem for one that there isn't."""
        name = collection if collection is not None else self.settings.collection
        if name not in self.collections():
            if not self._ready and not self._serving:
                raise IndexUnavailable(self._why)
            there = ", ".join(self._serving) or "none yet"
            raise Problem(
                404, "no-collection", f"There is no collection {name!r}: {there}.", "collection"
            )
        return name

    def index(self, collection: str) -> Index:
        """The index of a collection's space. Raises IndexUnavailable while it isn't open."""
        return self._space(collection).index

    def _space(self, collection: str) -> Space:
        space = self._spaces.get(self._serving[collection].space)
        if space is None:
            raise IndexUnavailable(self._why or "The index is being opened.")
        return space

    def towers(self, collection: str, seen: dict[str, Mapping[str, Any]]) -> Towers:
        """What answers queries in a collection; payloads of all that is found go into `seen`."""
        space = self._space(collection)
        index = space.index

        def find(vector: NDArray[np.float32], limit: int, where: Filter) -> Sequence[Any]:
            found = index.search(vector, limit=limit, where=where)
            seen.update((one.id, one.payload) for one in found)
            return found

        def find_many(wanted: Sequence[Wanted]) -> Sequence[Sequence[Any]]:
            lists = index.search_many(wanted)
            seen.update((one.id, one.payload) for found in lists for one in found)
            return lists

        def browse(limit: int, where: Filter) -> Sequence[Any]:
            found = index.browse(where, limit=limit)
            seen.update((one.id, one.payload) for one in found)
            return found

        return Towers(
            encode_texts=space.encode_texts,
            encode_image=space.encode_image,
            find=find,
            browse=browse,
            values=lambda field: self.values(collection, field),
            scope=collection,
            find_many=None if self.embedded else find_many,
        )

    def values(self, collection: str, field: str) -> Mapping[str, int]:
        """The values of a field in a collection, counted once for each state of the index."""
        known = self._values
        found = known.get((collection, field))
        if found is None:
            where = Filter(collection)
            found = self.index(collection).facet(field, where, limit=_MOST_VALUES)
            known[collection, field] = found
        return found

    def thumbnail(self, payload: Mapping[str, Any]) -> bytes:
        """The JPEG of a point's thumbnail. Raises OSError where it can't be read."""
        place = payload["thumb"]
        return self.catalog.thumbnail(Thumbnail(place["pack"], place["offset"], place["length"]))

    def image(self, id: str, with_vector: bool = False) -> Stored:
        """One image of any collection. Raises Problem where there is none."""
        serving = self.collections()
        for collection in {spec.space: name for name, spec in serving.items()}.values():
            for stored in self.index(collection).retrieve([id], with_vector):
                if stored.payload.get("collection") in serving:
                    return stored
        raise Problem(404, "no-image", f"There is no image {id}.", "image_id")
