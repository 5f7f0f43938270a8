"""The indexes of a workspace, held open by this process and kept up with its catalog.

An embedded index has one owner, so whoever holds it also brings in what runs commit.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from hashlib import blake2b
from time import time
from typing import Any, Protocol, cast

from pdray.catalog import lease, pointer
from pdray.catalog.catalog import Catalog
from pdray.errors import IndexUnavailable, LibraryUnavailable, PdrayError
from pdray.index.following import follow
from pdray.index.opening import open_index
from pdray.index.owner import Owner
from pdray.index.protocol import Index
from pdray.index.target import IndexTarget
from pdray.ingest.project import Projector
from pdray.library.library import opened
from pdray.records import ModelSpec
from pdray.serve.version import Version

Serving = Mapping[str, ModelSpec]  # by collection
_WRITES = frozenset({"upsert", "delete", "annotate"})


class Indexes(Protocol):
    """How a server reaches its indexes. `changes` counts how often each collection's changed."""

    changes: Counter[str]

    def refresh(
        self, catalog: Catalog, serving: Serving, besides: Collection[ModelSpec] = ()
    ) -> str | None:
        """Sees what is new; a sentence while something can't be reached. Indexes of the models
        `besides` those that serve stay open.
        """
        ...

    def opened(self, spec: ModelSpec) -> bool:
        """Whether the index of a space can be asked now."""
        ...

    def index(self, spec: ModelSpec) -> Index:
        """The index of a space. Raises IndexUnavailable while it isn't open."""
        ...

    @property
    def version(self) -> int | None:
        """Moves with every change, see version.py; None while nobody knows."""
        ...

    def close(self) -> None:
        """Lets go. Closing twice is fine."""
        ...


def models(catalog: Catalog) -> dict[str, ModelSpec]:
    """The models that serve, by collection."""
    found = {name: pointer.current(catalog, name) for name in catalog.collections()}
    return {name: one.spec for name, one in found.items() if one}


class Held:
    """Indexes in this process. `refresh` comes from one thread, everything else from any."""

    def __init__(self, target: IndexTarget, version: Version | None = None) -> None:
        self._target = target
        self._embedded = target.url is None
        self._version = version or Version()
        self._library = opened(target.library)
        self._said = 0  # changes of the library
        self._following: Owner | None = None
        self._open: dict[str, tuple[Index, Projector]] = {}
        self._lacking: dict[tuple[str, str], tuple[str, ...]] = {}
        self._edits = 0  # made by this process
        self._why = "The server is starting."
        self._turn = threading.Lock()
        self.changes: Counter[str] = Counter()

    @property
    def version(self) -> int:
        """Moves with every change."""
        return self._version.now

    def index(self, spec: ModelSpec) -> Index:
        """See Indexes."""
        found = self._open.get(spec.space)
        if found is None:
            raise IndexUnavailable(self._why or "The index is being opened.")
        return found[0]

    def opened(self, spec: ModelSpec) -> bool:
        """See Indexes."""
        return spec.space in self._open

    def refresh(
        self, catalog: Catalog, serving: Serving, besides: Collection[ModelSpec] = ()
    ) -> str | None:
        """See Indexes. Opens indexes of new spaces and brings in what runs committed."""
        if self._embedded and self._following is None:
            with suppress(IndexUnavailable):  # another server does: it holds the spaces too
                self._following = follow(self._target)
        failed = None
        for name, spec in serving.items():
            try:
                self._look(catalog, name, spec)
            except PdrayError as error:
                failed = str(error)
        for spec in besides:
            with suppress(PdrayError):  # nobody need be answered by what served before
                self._open_one(catalog, spec)
        kept = {spec.space for spec in (*serving.values(), *besides)}
        for gone in set(self._open) - kept:
            self._open.pop(gone)[0].close()
        if not self._embedded:
            self._version.become(self._elsewhere(catalog, serving))
        self._why = failed or ""
        return failed

    def _look(self, catalog: Catalog, name: str, spec: ModelSpec) -> None:
        self._open_one(catalog, spec)
        if self._embedded:
            self.changes[name] += self._bring_in(name, self._open[spec.space][1])

    def _open_one(self, catalog: Catalog, spec: ModelSpec) -> None:
        if spec.space not in self._open:
            opened = open_index(self._target, spec.space, spec.dim, wait_seconds=0.0)
            index = cast(Index, _Counted(opened, self._edited))
            self._open[spec.space] = (index, Projector(catalog, index, spec, self._library))
            self._version.move()

    def _edited(self) -> None:
        self._edits += 1
        self._version.move()

    def _bring_in(self, collection: str, projector: Projector) -> bool:
        """Whether there was any. Parts whose vectors aren't there yet wait: they are tried again
        when others come.
        """
        pending = tuple(projector.pending(collection))
        key = (projector.spec.space, collection)
        if not pending or pending == self._lacking.get(key):
            return False
        changed = projector.catch_up(collection)
        if projector.lacking:
            self._lacking[key] = tuple(projector.pending(collection))
        return changed > 0

    def _elsewhere(self, catalog: Catalog, serving: Serving) -> int:
        """Names the state of a server's indexes, which runs write themselves: all who look at the
        same state, in whatever process, name it alike. While a run is at work it is another state
        every second.
        """
        if self._library:
            with suppress(LibraryUnavailable):  # searches go on without it
                self._said = self._library.changes
        state: list[object] = [self._edits, self._said]
        for name, spec in sorted(serving.items()):
            if spec.space in self._open:
                ledger = self._open[spec.space][0].ledger
                busy = lease.holder(catalog, name) is not None
                state.append((name, ledger.folder, len(ledger.applied()), busy and int(time())))
        return int.from_bytes(blake2b(repr(state).encode(), digest_size=7).digest(), "big")

    @property
    def owns(self) -> bool:
        """Whether this process is the one that brings in what runs commit."""
        return self._following is not None

    def close(self) -> None:
        """See Indexes."""
        with self._turn:
            while self._open:
                self._open.popitem()[1][0].close()
            if self._following:
                self._following.release()
                self._following = None
            if self._library:
                self._library.close()


class _Counted:
    """An index whose writes move the version."""

    def __init__(self, index: Index, edited: Callable[[], None]) -> None:
        self._index, self._edited = index, edited

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._index, name)
        if name not in _WRITES:
            return method

        def write(*arguments: Any, **named: Any) -> Any:
            try:
                return method(*arguments, **named)
            finally:  # a write that failed may have done half of its work
                self._edited()

        return write
