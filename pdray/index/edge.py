"""The embedded index: Qdrant Edge in this process.

Edge holds the GIL through every call, and its objects don't pickle: one process owns a shard, and
plain lists and dicts go in and out.
"""

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from pdray.errors import IndexUnavailable
from pdray.index.edge_filter import translate
from pdray.index.edge_shard import config, create, load, one_line
from pdray.index.filters import NEWEST, Filter, Order, Spot, by_count
from pdray.index.generations import (
    Current,
    broken,
    new_generation,
    read_current,
    sweep,
    write_current,
)
from pdray.index.ledger import Ledger
from pdray.index.ordered import browse
from pdray.index.overlay import PEOPLE, machine_of, overlay, said_of
from pdray.index.owner import own
from pdray.index.points import Point
from pdray.index.protocol import Found, Payload, Stored, Wanted, found, listed
from pdray.index.schema import ACORN_UP_TO, EXACT_UP_TO, HNSW_EF
from pdray.index.target import IndexTarget
from pdray.index.vectors import checked, checked_query, distinct
from pdray.records import Said

# A scan of 100,000 vectors of 512 dimensions takes 17 ms and is exact; building HNSW for as many
# takes about a minute with the GIL held.
OPTIMISE_FROM = 250_000

_BATCH = 512  # points a call: the GIL is held for about 40 ms
_PAGE = 1_000


class EdgeIndex:
    """pdray.index.protocol.Index over one shard that this process owns.

    Calls from several threads are safe: writes take turns.
    """

    def __init__(
        self,
        shard: edge.EdgeShard,
        folder: Path,
        dim: int,
        on_close: Callable[[], None],
        exact_up_to: int = EXACT_UP_TO,
    ) -> None:
        self._shard, self._folder, self._dim = shard, folder, dim
        self._on_close = on_close
        self._exact_up_to = exact_up_to  # matches of a filter
        self._writing = threading.RLock()
        self._closed = False
        self._ledger = Ledger(str(folder / "ledger"), before_mark=self.flush)
        self._graph = self._sees_graph()

    @property
    def ledger(self) -> Ledger:
        """The parts that this generation has applied."""
        return self._ledger

    @property
    def has_graph(self) -> bool:
        """Whether searches walk a graph; without one they scan, which is exact."""
        return self._graph

    def upsert(self, points: Sequence[Point]) -> None:
        """See Index. One write-ahead entry replaces vector and payload of a batch together."""
        batch = distinct(points)
        vectors = checked(batch, self._dim)
        for start in range(0, len(batch), _BATCH):
            part = slice(start, start + _BATCH)
            self._upsert(batch[part], vectors[part])

    def _upsert(self, points: Sequence[Point], vectors: NDArray[np.float32]) -> None:
        with self._writing, self._saying("write to"):
            people = edge.PayloadSelector.Include([PEOPLE])
            stored = self._shard.retrieve([point.id for point in points], people, False)
            said = {str(record.id): said_of(record.payload or {}) for record in stored}
            rows = [
                edge.Point(point.id, vector, overlay(point.payload, said.get(point.id, point.said)))
                for point, vector in zip(points, vectors.tolist(), strict=True)
            ]
            self._shard.update(edge.UpdateOperation.upsert_points(rows))

    def delete(self, ids: Sequence[str]) -> None:
        """See Index."""
        if ids:
            with self._writing, self._saying("write to"):
                self._shard.update(edge.UpdateOperation.delete_points(list(ids)))

    def annotate(self, said: Mapping[str, Said]) -> None:
        """See Index."""
        if not said:
            return
        with self._writing, self._saying("write to"):
            for record in self._shard.retrieve(list(said), True, False):
                whole = overlay(machine_of(record.payload or {}), said[str(record.id)])
                self._shard.update(edge.UpdateOperation.overwrite_payload([record.id], whole))

    def search(
        self,
        vector: NDArray[np.float32],
        *,
        limit: int,
        where: Filter | None = None,
        exact: bool = False,
    ) -> list[Found]:
        """See Index. A shard without a graph is scanned, which is exact."""
        return self._ask([self._request(vector, limit, where, exact)])[0]

    def search_many(self, wanted: Sequence[Wanted]) -> list[list[Found]]:
        """See Index. Edge scans its vectors once for requests in a row that differ in the vector
        alone: eight take the time of five.
        """
        alike: dict[tuple[int, Filter], list[int]] = {}
        for number, (_, limit, where) in enumerate(wanted):
            alike.setdefault((limit, where), []).append(number)
        order = [number for numbers in alike.values() for number in numbers]
        lists = self._ask([self._request(*wanted[number]) for number in order])
        given = dict(zip(order, lists, strict=True))
        return [given[number] for number in range(len(wanted))]

    def _request(
        self,
        vector: NDArray[np.float32],
        limit: int,
        where: Filter | None,
        exact: bool = False,
    ) -> Any:
        query, condition = checked_query(vector, self._dim), translate(where)
        with self._saying("search"):
            return edge.QueryRequest(
                limit=limit,
                query=edge.Query.Nearest(query),
                filter=condition,
                params=self._params(condition, limit, exact),
                with_payload=True,
            )

    def _ask(self, requests: list[Any]) -> list[list[Found]]:
        with self._saying("search"):
            lists = self._shard.query_batch(edge.QueryBatchRequest(requests)) if requests else []
        return [found(hits) for hits in lists]

    def _params(self, condition: Any, limit: int, exact: bool) -> Any:
        if exact or not self._graph:
            return edge.SearchParams(exact=True)
        if condition is not None:
            matches = self._shard.count(edge.CountRequest(exact=False, filter=condition))
            if matches <= self._exact_up_to:
                return edge.SearchParams(exact=True)
        acorn = edge.AcornSearchParams(enable=condition is not None, max_selectivity=ACORN_UP_TO)
        return edge.SearchParams(hnsw_ef=max(HNSW_EF, 2 * limit), acorn=acorn)

    def browse(
        self,
        where: Filter | None = None,
        *,
        limit: int,
        order: Order = NEWEST,
        after: Spot | None = None,
    ) -> list[Found]:
        """See Index."""
        return browse(self._page, where or Filter(), limit, order, after)

    def _page(
        self, where: Filter, limit: int, order: Order | None, first: str | None
    ) -> list[Found]:
        by = None
        if order is not None:
            way = edge.Direction.Desc if order.descending else edge.Direction.Asc
            by = edge.OrderBy(order.field, way)
        with self._saying("read"):
            records, _ = self._shard.scroll(
                edge.ScrollRequest(
                    offset=first,
                    limit=limit,
                    filter=translate(where),
                    with_payload=True,
                    order_by=by,
                )
            )
        return listed(records)

    def facet(
        self, field: str, where: Filter | None = None, *, limit: int = 1000
    ) -> dict[str, int]:
        """See Index."""
        request = edge.FacetRequest(field, limit=limit, exact=True, filter=translate(where))
        with self._saying("read"):
            hits = self._shard.facet(request).hits
        return by_count({str(hit.value): int(hit.count) for hit in hits})

    def retrieve(self, ids: Sequence[str], with_vectors: bool = False) -> list[Stored]:
        """See Index."""
        with self._saying("read"):
            records = self._shard.retrieve(list(ids), True, with_vectors)
        stored = {
            str(record.id): Stored(
                str(record.id),
                record.payload or {},
                np.asarray(record.vector, np.float32) if with_vectors else None,
            )
            for record in records
        }
        return [stored[point] for point in ids if point in stored]

    def scroll(
        self, collection: str | None = None, fields: Sequence[str] | None = None
    ) -> Iterator[tuple[str, Payload]]:
        """See Index."""
        condition, offset = translate(Filter(collection)), None
        wanted: Any = True if fields is None else list(fields) or False
        while True:
            with self._saying("read"):
                page, offset = self._shard.scroll(
                    edge.ScrollRequest(
                        offset=offset, limit=_PAGE, filter=condition, with_payload=wanted
                    )
                )
            for record in page:
                yield str(record.id), record.payload or {}
            if offset is None:
                return

    def count(self, collection: str | None = None) -> int:
        """See Index."""
        return self.matches(Filter(collection))

    def matches(self, where: Filter) -> int:
        """See Index."""
        request = edge.CountRequest(exact=True, filter=translate(where))
        with self._saying("read"):
            return int(self._shard.count(request))

    def optimise(self) -> None:
        """See Index. Holds the GIL. A graph is built from OPTIMISE_FROM points on; below that only
        what deleted points left behind is swept away, in milliseconds.
        """
        with self._writing, self._saying("optimise"):
            self._shard.optimize()
            self._graph = self._sees_graph()

    def flush(self) -> None:
        """See Index."""
        with self._writing, self._saying("write to"):
            self._shard.flush()

    def close(self) -> None:
        """See Index."""
        if self._closed:
            return
        self._closed = True
        try:
            with self._writing, self._saying("close"):
                self._shard.flush()
                self._shard.close()
        finally:
            self._on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _sees_graph(self) -> bool:
        return bool(self._shard.info().indexed_vectors_count)

    @contextmanager
    def _saying(self, verb: str) -> Iterator[None]:
        try:
            yield
        except IndexUnavailable:
            raise
        except Exception as error:  # Edge raises bare Exception for whatever goes wrong
            raise IndexUnavailable(
                f"Can't {verb} the index in {self._folder} ({one_line(error)}): try again, or run "
                "`pdray rebuild`."
            ) from error


def open_edge(
    target: IndexTarget,
    space: str,
    dim: int,
    *,
    wait_seconds: float,
    optimise_from: int = OPTIMISE_FROM,
    exact_up_to: int = EXACT_UP_TO,
    scan_kilobytes: int | None = None,
) -> EdgeIndex:
    """Owns and opens the shard of a space; creates it where there is none."""
    settings = config(dim, optimise_from, scan_kilobytes)
    folder = target.state_dir / "index" / space
    owner = own(folder, label=target.label, wait_seconds=wait_seconds)
    try:
        current = read_current(folder)
        if current is None:
            current = Current(new_generation(), dim)
            create(folder / current.generation, settings).close()
            write_current(folder, current)
        if current.dim != dim:
            raise broken(folder, f"its vectors have {current.dim} dimensions, not {dim}")
        sweep(folder, keep=current.generation)
        shard = load(folder, current.generation, settings)
        return EdgeIndex(shard, folder / current.generation, dim, owner.release, exact_up_to)
    except BaseException:
        owner.release()
        raise


@contextmanager
def rebuild_edge(
    target: IndexTarget,
    space: str,
    dim: int,
    *,
    wait_seconds: float,
    optimise_from: int = OPTIMISE_FROM,
) -> Iterator[EdgeIndex]:
    """An empty index that replaces the old one when the block ends without error.

    The space is owned all the while. A block that raises, or dies, leaves the old index serving.
    """
    folder = target.state_dir / "index" / space
    owner = own(folder, label=target.label, wait_seconds=wait_seconds)
    try:
        current = Current(new_generation(), dim)
        place = folder / current.generation
        try:
            shard = create(place, config(dim, optimise_from))
            with EdgeIndex(shard, place, dim, _nothing) as index:
                yield index
                index.optimise()
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        write_current(folder, current)
        sweep(folder, keep=current.generation)
    finally:
        owner.release()


def _nothing() -> None:
    return None
