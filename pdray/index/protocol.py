"""What every index can do. Edge and server behave alike: one test body runs over both."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pdray.index.filters import NEWEST, Filter, Order, Spot
from pdray.index.ledger import Ledger
from pdray.index.points import Point
from pdray.records import Said

Payload = dict[str, Any]


Wanted = tuple[NDArray[np.float32], int, Filter]


@dataclass(frozen=True, slots=True)
class Found:
    """One neighbour. `score` is cosine similarity."""

    id: str
    score: float
    payload: Payload


@dataclass(frozen=True, slots=True)
class Stored:
    """One point as it is stored. `vector` is unit-length float32, or None where not asked for."""

    id: str
    payload: Payload
    vector: NDArray[np.float32] | None = None


def found(hits: Iterable[Any]) -> list[Found]:
    """What a query of Qdrant's found, from the objects of either implementation."""
    return [Found(str(hit.id), hit.score, hit.payload or {}) for hit in hits]


def listed(records: Iterable[Any]) -> list[Found]:
    """The same of a scroll, whose records have no score."""
    return [Found(str(record.id), 0.0, record.payload or {}) for record in records]


class Index(Protocol):
    """The index of one embedding space. Every method raises IndexUnavailable where Qdrant fails
    and ValueError where the call is wrong. A context manager that closes at its end.
    """

    @property
    def ledger(self) -> Ledger:
        """Which parts of the catalog are in this index. Marking flushes the index first."""
        ...

    def upsert(self, points: Sequence[Point]) -> None:
        """Inserts or replaces. Idempotent. An existing point gets the new vector and exactly the
        new machine keys (those that are gone are removed); what people say of it stays. Of two
        points with one id the last counts.
        """
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Removes points. Idempotent: an unknown id is fine."""
        ...

    def annotate(self, said: Mapping[str, Said]) -> None:
        """Sets what people say of existing points, by id; nothing ({}) takes it back. Idempotent;
        unknown ids are passed over.
        """
        ...

    def search(
        self,
        vector: NDArray[np.float32],
        *,
        limit: int,
        where: Filter | None = None,
        exact: bool = False,
    ) -> list[Found]:
        """The `limit` nearest by cosine, best first. Few matches are scanned exactly unasked."""
        ...

    def search_many(self, wanted: Sequence[Wanted]) -> list[list[Found]]:
        """As `search` for each (vector, limit, filter), in order; on a server in one request."""
        ...

    def browse(
        self,
        where: Filter | None = None,
        *,
        limit: int,
        order: Order = NEWEST,
        after: Spot | None = None,
    ) -> list[Found]:
        """Matches in an order, by default newest first, then by id; those without a value come
        last. With `after` only those behind it. `score` is 0.
        """
        ...

    def matches(self, where: Filter) -> int:
        """The exact number of points that fulfil a filter."""
        ...

    def facet(
        self, field: str, where: Filter | None = None, *, limit: int = 1000
    ) -> dict[str, int]:
        """The most frequent values of a keyword field among the matches, with how many points hold
        each, most first and then by value.
        """
        ...

    def retrieve(self, ids: Sequence[str], with_vectors: bool = False) -> list[Stored]:
        """The points of these ids, in their order; unknown ids are left out."""
        ...

    def scroll(
        self, collection: str | None = None, fields: Sequence[str] | None = None
    ) -> Iterator[tuple[str, Payload]]:
        """Every point of a collection (None: of all) in order of id, with the payload cut down to
        `fields` (None: all of it). Points that are written meanwhile may or may not appear.
        """
        ...

    def count(self, collection: str | None = None) -> int:
        """The exact number of points of a collection (None: of all)."""
        ...

    def optimise(self) -> None:
        """Builds what makes a large index fast; call it at the end of a run. May take minutes."""
        ...

    def flush(self) -> None:
        """Returns when everything written is on disk."""
        ...

    def close(self) -> None:
        """Flushes and lets go. Closing twice is fine."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...
