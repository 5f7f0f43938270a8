"""What answers: the indexes and encoders of one workspace, held open, and kept up with its catalog.

The indexes are held by this process (held.py) or by another that many share (shared.py). All that a
request does here is plain and may block: call it from threads.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pdray import log
from pdray.catalog.catalog import Catalog
from pdray.config import Settings
from pdray.errors import IndexUnavailable, PdrayError
from pdray.index.filters import Filter
from pdray.index.protocol import Index, Stored, Wanted
from pdray.index.target import IndexTarget
from pdray.library.library import opened
from pdray.records import ModelSpec, Thumbnail
from pdray.search.query import Towers
from pdray.search.vocabulary import Vocabulary
from pdray.serve import metrics
from pdray.serve.held import Held, Indexes, models
from pdray.serve.people import People
from pdray.serve.pixels import ImageTower
from pdray.serve.problems import Problem
from pdray.serve.shown import Shown
from pdray.serve.space import PixelEncoder, Space
from pdray.serve.succession import Succession

T = TypeVar("T")
FOLLOW_SECONDS = 1.0
_MOST_VALUES = 1_000_000  # of a field, such as folders: all of them, short of a fault


class Engine:
    """`start` it, ask it from threads, `close` it. Opening and following go on in one thread of its
    own; until an index is open, questions of it raise IndexUnavailable at once.

    `indexes` and `encode_pixels` are those of this process where they are None. `meeting` is the
    folder in which the processes of one server meet, None for a process that is alone.
    """

    def __init__(
        self,
        settings: Settings,
        target: IndexTarget,
        indexes: Indexes | None = None,
        encode_pixels: PixelEncoder | None = None,
        meeting: Path | None = None,
    ) -> None:
        self.settings, self.target = settings, target
        self.embedded = target.url is None
        self.meeting = meeting
        self._indexes = indexes or Held(target)
        self._own_tower = None if encode_pixels else ImageTower(settings)
        self._encode_pixels = encode_pixels or self._own_tower
        self._spaces: dict[str, Space] = {}
        self._succession = Succession()
        self._shown = Shown()
        self.people = People(opened(target.library), self._holding)
        self.serving = b""  # the spaces by collection, as a part of keys
        self._values: tuple[int | None, dict[tuple[str, str], Vocabulary]] = (None, {})
        self._why = "The server is starting."
        self._ready = False
        self._uncarried = ""  # why edits wait
        self._level = time.monotonic()
        self._catalog: Catalog | None = None
        self._turn = threading.Lock()
        self._ending = threading.Event()
        self._closings: list[Callable[[], None]] = []
        self._level_once = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)

    def start(self) -> None:
        """Begins to open what there is and to follow the catalog."""
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Until everything can be answered, so long at most."""
        self._level_once.wait(seconds)

    def at_close(self, work: Callable[[], None]) -> None:
        """Has something done before the indexes are let go."""
        self._closings.append(work)

    def close(self) -> None:
        """Lets the indexes go. Closing twice is fine."""
        while self._closings:
            self._closings.pop()()
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._turn:
            for space in self._spaces.values():
                space.close()
            self._spaces.clear()
            self._indexes.close()
            self.people.close()

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
            if self.meeting:
                with suppress(OSError):
                    metrics.leave(self.meeting)
            self._ending.wait(FOLLOW_SECONDS)

    def refresh(self) -> None:
        """Sees new collections, models and commits now."""
        with self._turn:
            try:
                self._refresh()
                if self._ready:
                    self._carry_edits()
                    self._level = time.monotonic()
                    self._level_once.set()
            except (PdrayError, OSError) as error:
                self._ready, self._why = False, str(error)
                log.get("serve").warning("%s", error)
            metrics.LAG.value = time.monotonic() - self._level

    def _carry_edits(self) -> None:
        """What waits is carried at another time where that fails: searches go on without it."""
        try:
            self.people.catch_up()
            self._uncarried = ""
        except PdrayError as error:
            if self._uncarried != str(error):
                self._uncarried = str(error)
                log.get("serve").warning("Edits wait: %s", error)

    def _refresh(self) -> None:
        if self._catalog is None:
            self._catalog = Catalog.open(self.settings.workspace, absent=True)
        pointed = models(self._catalog)
        besides = self._succession.held
        failed = self._indexes.refresh(self._catalog, pointed, besides.values())
        for spec in pointed.values():
            if spec.space not in self._spaces:
                try:
                    self._spaces[spec.space] = self._opened(spec)
                except PdrayError as error:
                    failed = str(error)
        serving = self._succession.follow(pointed, self._able)
        spaces = sorted((name, spec.space) for name, spec in serving.items())
        self.serving = repr(spaces).encode()
        self._ready, self._why = failed is None, failed or ""
        kept = {spec.space for spec in pointed.values()} | self._succession.held.keys()
        for gone in set(self._spaces) - kept:
            self._spaces.pop(gone).close()
        for resting in (*self._spaces.values(), self._own_tower):
            if resting:
                resting.rest()

    def _holding(self, collection: str) -> list[Index]:
        """The indexes that hold a collection: of the model that serves, and of one that did until a
        moment ago if it is still open. None where there is no such collection any more.
        """
        if collection not in self._succession.serving:
            if collection in self.catalog.collections():
                raise IndexUnavailable(f"The index of collection {collection!r} is being opened.")
            return []
        serving, *before = self.models(collection)
        found = [self._indexes.index(serving)]
        return found + [self._indexes.index(one) for one in before if self._indexes.opened(one)]

    def _able(self, spec: ModelSpec) -> bool:
        return spec.space in self._spaces and self._indexes.opened(spec)

    def _opened(self, spec: ModelSpec) -> Space:
        assert self._encode_pixels is not None
        return Space(spec, self.settings, self._encode_pixels)

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
        return dict(self._succession.serving)

    def named(self, collection: str | None) -> str:
        """The collection that is meant. Raises Problem for one that there isn't."""
        name = collection if collection is not None else self.settings.collection
        if name not in self.collections():
            if not self._ready and not self._succession.serving:
                raise IndexUnavailable(self._why)
            there = ", ".join(self._succession.serving) or "none yet"
            raise Problem(
                404, "no-collection", f"There is no collection {name!r}: {there}.", "collection"
            )
        return name

    def is_loaded(self, collection: str | None) -> bool:
        """Whether the text tower of the model that serves a collection is in memory."""
        name = collection if collection is not None else self.settings.collection
        spec = self._succession.serving.get(name)
        space = self._spaces.get(spec.space) if spec else None
        return space is not None and space.loaded

    @property
    def changes(self) -> Counter[str]:
        """How often each collection's index has changed."""
        return self._indexes.changes

    @property
    def version(self) -> int | None:
        """Moves with every change of an index (version.py); None while nobody knows."""
        return self._indexes.version

    @property
    def following(self) -> bool:
        """Whether the thread that follows lives, or was never started."""
        return self._thread.is_alive() or not self._thread.ident

    def settled(self, work: Callable[..., T], *given: Any) -> T:
        """What `work` gives of this engine while each collection has one model: it is done again
        where another model came to serve meanwhile. So nothing mixes two, whatever it reads twice.
        """
        while True:
            before = self.serving
            try:
                found = work(self, *given)
            except (PdrayError, Problem):
                if self.serving == before:
                    raise
            else:
                if self.serving == before:
                    return found

    def models(self, collection: str) -> tuple[ModelSpec, ...]:
        """The model that serves a collection, and one that did until a moment ago."""
        serving, before = self._succession.serving[collection], self._succession.before(collection)
        return (serving,) if before is None else (serving, before)

    def index(self, collection: str, spec: ModelSpec | None = None) -> Index:
        """The index of a collection's space, or of that of one of its models. Raises
        IndexUnavailable while it isn't open."""
        return self._indexes.index(spec or self._succession.serving[collection])

    def towers(
        self,
        collection: str,
        seen: dict[str, Mapping[str, Any]],
        spec: ModelSpec | None = None,
    ) -> Towers:
        """What answers queries in a collection, by the model that serves or another of its
        `models`; payloads of all that is found go into `seen`.
        """
        spec = spec or self._succession.serving[collection]
        index, space = self.index(collection, spec), self._spaces.get(spec.space)
        if space is None:
            raise IndexUnavailable(self._why or "The index is being opened.")

        version = self.version

        def find(wanted: Sequence[Wanted]) -> Sequence[Sequence[Any]]:
            lists = index.search_many(wanted)
            for found in lists:
                seen.update((one.id, one.payload) for one in found)
                self._shown.keep(version, found)
            return lists

        def browse(limit: int, where: Filter) -> Sequence[Any]:
            found = index.browse(where, limit=limit)
            seen.update((one.id, one.payload) for one in found)
            self._shown.keep(version, found)
            return found

        return Towers(
            encode_texts=space.encode_texts,
            encode_image=space.encode_image,
            find=find,
            browse=browse,
            values=lambda field: self.values(collection, field),
            scope=collection,
            far=not self.embedded,
        )

    def values(self, collection: str, field: str) -> Vocabulary:
        """The values of a field in a collection, counted once for each state of the index."""
        now = self.version
        if self._values[0] != now or now is None:
            self._values = (now, {})
        known = self._values[1]
        found = known.get((collection, field))
        if found is None:
            where = Filter(collection)
            found = Vocabulary(self.index(collection).facet(field, where, limit=_MOST_VALUES))
            known[collection, field] = found
        return found

    def shown(self, id: str) -> Mapping[str, Any] | None:
        """What is known of an image that was just found, in a collection that still serves."""
        payload = self._shown.get(self.version, id)
        return (
            payload if payload and payload.get("collection") in self._succession.serving else None
        )

    def thumbnail(self, payload: Mapping[str, Any]) -> bytes:
        """The JPEG of a point's thumbnail. Raises OSError where it can't be read."""
        place = payload["thumb"]
        return self.catalog.thumbnail(Thumbnail(place["pack"], place["offset"], place["length"]))

    def image(self, id: str, spec: ModelSpec | None = None) -> Stored:
        """One image of any collection. Where a model is named it comes with a vector: by that
        model, if its index has the image, else by its collection's. Raises Problem where there is
        none.
        """
        serving, version = self.collections(), self.version
        if spec is None and (payload := self.shown(id)) is not None:
            return Stored(id, dict(payload))
        specs = {one.space: one for one in ((spec,) if spec else ())}
        specs |= {one.space: one for one in serving.values()}
        for one in specs.values():
            for stored in self._indexes.index(one).retrieve([id], spec is not None):
                if stored.payload.get("collection") in serving:
                    self._shown.keep(version, [stored])
                    return stored
        raise no_image(id)

    def images(self, ids: Sequence[str]) -> dict[str, Stored]:
        """Those of these images that there are, with their vectors: asked for together."""
        serving = self.collections()
        found: dict[str, Stored] = {}
        for collection in {spec.space: name for name, spec in serving.items()}.values():
            wanted = [id for id in ids if id not in found]
            for stored in self.index(collection).retrieve(wanted, True) if wanted else ():
                if stored.payload.get("collection") in serving:
                    found[stored.id] = stored
        return found


def no_image(id: str) -> Problem:
    """What is said of an image that there isn't."""
    return Problem(404, "no-image", f"There is no image {id}.", "image_id")
