"""Indexes that another process of this machine holds: what it offers, and how it is reached."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pdray.catalog.catalog import Catalog
from pdray.errors import IndexUnavailable
from pdray.index.filters import NEWEST, Filter, Order, Spot
from pdray.index.ledger import Ledger
from pdray.index.points import Point
from pdray.index.protocol import Found, Index, Payload, Stored, Wanted
from pdray.records import ModelSpec, Said
from pdray.serve.held import Serving
from pdray.serve.version import SeenVersion
from pdray.serve.wire import Caller, Listener, Methods

SOCKET, VERSION = "index.sock", "version"
_PAGE = 500  # points of a scroll that travel together
_CALLS = (
    "upsert", "delete", "annotate", "search", "search_many", "browse", "matches", "facet",
    "retrieve", "count", "optimise", "flush",
)  # fmt: skip


def offer(folder: Path, index_of: Any, state: Any) -> Listener:
    """Lets others ask: `index_of` gives the index of a space, `state` the sentence that says why
    not all can be reached (or None) and how often each collection's index changed.
    """

    def ask(method: str) -> Any:
        return lambda space, *given, **named: getattr(index_of(space), method)(*given, **named)

    def scroll(space: str, *given: Any) -> Iterator[list[tuple[str, Payload]]]:
        page = []
        for one in index_of(space).scroll(*given):
            page.append(one)
            if len(page) == _PAGE:
                yield page
                page = []
        yield page

    def ledger(space: str) -> str:
        return str(index_of(space).ledger.folder)

    methods: Methods = {
        **{name: ask(name) for name in _CALLS},
        "scroll": scroll,
        "ledger": ledger,
        "state": state,
    }
    return Listener(folder / SOCKET, methods)


class SharedIndex:
    """pdray.index.protocol.Index over the process that holds it."""

    def __init__(self, caller: Caller, space: str) -> None:
        self._caller, self._space = caller, space

    def _call(self, name: str, *given: Any, **named: Any) -> Any:
        return self._caller.call(name, self._space, *given, **named)

    @property
    def ledger(self) -> Ledger:
        """The parts that are applied."""
        return Ledger(self._call("ledger"), before_mark=self.flush)

    def upsert(self, points: Sequence[Point]) -> None:
        """See Index."""
        self._call("upsert", list(points))

    def delete(self, ids: Sequence[str]) -> None:
        """See Index."""
        self._call("delete", list(ids))

    def annotate(self, said: Mapping[str, Said]) -> None:
        """See Index."""
        self._call("annotate", dict(said))

    def search(
        self,
        vector: NDArray[np.float32],
        *,
        limit: int,
        where: Filter | None = None,
        exact: bool = False,
    ) -> list[Found]:
        """See Index."""
        return self._call("search", vector, limit=limit, where=where, exact=exact)  # type: ignore[no-any-return]

    def search_many(self, wanted: Sequence[Wanted]) -> list[list[Found]]:
        """See Index."""
        return self._call("search_many", list(wanted))  # type: ignore[no-any-return]

    def browse(
        self,
        where: Filter | None = None,
        *,
        limit: int,
        order: Order = NEWEST,
        after: Spot | None = None,
    ) -> list[Found]:
        """See Index."""
        return self._call("browse", where, limit=limit, order=order, after=after)  # type: ignore[no-any-return]

    def matches(self, where: Filter) -> int:
        """See Index."""
        return self._call("matches", where)  # type: ignore[no-any-return]

    def facet(
        self, field: str, where: Filter | None = None, *, limit: int = 1000
    ) -> dict[str, int]:
        """See Index."""
        return self._call("facet", field, where, limit=limit)  # type: ignore[no-any-return]

    def retrieve(self, ids: Sequence[str], with_vectors: bool = False) -> list[Stored]:
        """See Index."""
        return self._call("retrieve", list(ids), with_vectors)  # type: ignore[no-any-return]

    def scroll(
        self, collection: str | None = None, fields: Sequence[str] | None = None
    ) -> Iterator[tuple[str, Payload]]:
        """See Index."""
        for page in self._caller.stream("scroll", self._space, collection, fields):
            yield from page or ()

    def count(self, collection: str | None = None) -> int:
        """See Index."""
        return self._call("count", collection)  # type: ignore[no-any-return]

    def optimise(self) -> None:
        """See Index."""
        self._call("optimise")

    def flush(self) -> None:
        """See Index."""
        self._call("flush")

    def close(self) -> None:
        """Nothing to let go: the connections are shared."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


class Shared:
    """pdray.serve.held.Indexes over the process that holds them."""

    def __init__(self, folder: Path) -> None:
        self._caller = Caller(folder / SOCKET)
        self._seen = SeenVersion(folder / VERSION)
        self._reached = False
        self.changes: Counter[str] = Counter()

    def refresh(
        self, catalog: Catalog, serving: Serving, besides: Collection[ModelSpec] = ()
    ) -> str | None:
        """See Indexes. What stays open is for the holder to decide."""
        try:
            why, self.changes = self._caller.call("state", sorted(serving))
        except IndexUnavailable as error:
            self._reached, why = False, str(error)
        else:
            self._reached = True
        return why  # type: ignore[no-any-return]

    def opened(self, spec: ModelSpec) -> bool:
        """See Indexes."""
        try:
            self.index(spec).count()
        except IndexUnavailable:
            return False
        return True

    def index(self, spec: ModelSpec) -> Index:
        """See Indexes."""
        return SharedIndex(self._caller, spec.space)

    @property
    def version(self) -> int | None:
        """Moves with every change. While the holder is away others could write."""
        return self._seen.now if self._reached else None

    def close(self) -> None:
        """See Indexes."""
        self._caller.close()
