"""The index on a Qdrant server: one collection a space, behind an alias.

The alias `<prefix>pdray-<space>` is what everybody reads and writes; it points at
`<prefix>pdray-<space>_<uid>`, whose metadata holds our marker. The uid names the ledger too, so a
collection that was dropped and made again never looks applied.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from pdray.index.connection import Connection
from pdray.index.filters import NEWEST, Filter, Order, Spot, by_count
from pdray.index.ledger import Ledger
from pdray.index.ordered import browse
from pdray.index.overlay import PEOPLE, machine_of, overlay, said_of
from pdray.index.points import Point
from pdray.index.protocol import Found, Payload, Stored, Wanted, found, listed
from pdray.index.schema import ACORN_UP_TO, EXACT_UP_TO, HNSW_EF
from pdray.index.server_collection import (
    checked_uid,
    compare,
    create,
    drop_others,
    index_payload,
    ledger_of,
    named,
    point_at,
    serving,
)
from pdray.index.server_filter import translate
from pdray.index.server_operations import changes, insertions, turned
from pdray.index.target import IndexTarget
from pdray.index.vectors import checked, checked_query, distinct
from pdray.records import Said

_BATCH = 256  # points a request: 3 MB of JSON at 1,024 dimensions; servers take 32
_PAGE = 1_000


class ServerIndex:
    """pdray.index.protocol.Index over one collection of a server. Safe for threads."""

    def __init__(self, line: Connection, name: str, dim: int, ledger: Ledger) -> None:
        self._line, self._name, self._dim, self._ledger = line, name, dim, ledger

    @property
    def ledger(self) -> Ledger:
        """The parts that this collection has applied."""
        return self._ledger

    def upsert(self, points: Sequence[Point]) -> None:
        """See Index. Where people say something meanwhile, it is done again with that."""
        batch = distinct(points)
        checked(batch, self._dim)
        for start in range(0, len(batch), _BATCH):
            self._upsert(batch[start : start + _BATCH])

    def _upsert(self, points: Sequence[Point]) -> None:
        said = self._said([point.id for point in points])
        whole = [
            replace(point, payload=overlay(point.payload, said.get(point.id, point.said)))
            for point in points
        ]
        new = [point for point in whole if point.id not in said]
        old = [point for point in whole if point.id in said]
        self._update([*insertions(new), *changes(old)])
        if old:
            now = self._said(list(said))
            late = [one for one in points if now.get(one.id, {}) != said.get(one.id, {})]
            if late:
                self._upsert(late)

    def _said(self, ids: Sequence[str]) -> dict[str, Said]:
        """What people say of those of these points that there are."""
        records = self._line.call(
            lambda client: client.retrieve(self._name, list(ids), with_payload=[PEOPLE])
        )
        return {str(record.id): said_of(record.payload or {}) for record in records}

    def _update(self, operations: list[models.UpdateOperation]) -> None:
        if operations:
            self._line.call(
                lambda client: client.batch_update_points(self._name, operations, wait=True)
            )

    def delete(self, ids: Sequence[str]) -> None:
        """See Index."""
        for start in range(0, len(ids), _PAGE):
            chosen = models.PointIdsList(points=list(ids[start : start + _PAGE]))
            self._update([models.DeleteOperation(delete=chosen)])

    def annotate(self, said: Mapping[str, Said]) -> None:
        """See Index. Where a run writes meanwhile, it is done again over what that wrote."""
        ids = list(said)
        for start in range(0, len(ids), _BATCH):
            self._annotate({id: said[id] for id in ids[start : start + _BATCH]})

    def _annotate(self, said: Mapping[str, Said]) -> None:
        while said:
            before = {one.id: one.payload for one in self.retrieve(list(said))}
            self._update(
                [
                    operation
                    for id, payload in before.items()
                    for operation in turned(id, payload, overlay(machine_of(payload), said[id]))
                ]
            )
            # A run that wrote between the two has changed more than what was laid over.
            after = {one.id: one.payload for one in self.retrieve(list(before))}
            said = {
                id: said[id]
                for id, payload in after.items()
                if machine_of(payload) != machine_of(before[id])
            }

    def search(
        self,
        vector: NDArray[np.float32],
        *,
        limit: int,
        where: Filter | None = None,
        exact: bool = False,
    ) -> list[Found]:
        """See Index."""
        condition = translate(where)
        params = self._params(condition, limit, exact)
        [answer] = self._ask([self._request(vector, limit, condition, params)])
        return answer

    def search_many(self, wanted: Sequence[Wanted]) -> list[list[Found]]:
        """See Index. Nothing is counted first, which would be a request each: where few points
        match, the server scans them by itself.
        """
        requests = []
        for vector, limit, where in wanted:
            condition = translate(where)
            requests.append(self._request(vector, limit, condition, _walk(condition, limit)))
        return self._ask(requests) if requests else []

    def _request(
        self,
        vector: NDArray[np.float32],
        limit: int,
        condition: models.Filter | None,
        params: models.SearchParams,
    ) -> models.QueryRequest:
        return models.QueryRequest(
            query=checked_query(vector, self._dim),
            filter=condition,
            limit=limit,
            params=params,
            with_payload=True,
        )

    def _ask(self, requests: list[models.QueryRequest]) -> list[list[Found]]:
        """One request over the network, however many are in it."""
        answers = self._line.call(
            lambda client: client.query_batch_points(self._name, requests=requests)
        )
        return [found(answer.points) for answer in answers]

    def _params(
        self, condition: models.Filter | None, limit: int, exact: bool
    ) -> models.SearchParams:
        if not exact and condition is not None:
            matches = self._line.call(
                lambda client: client.count(self._name, count_filter=condition, exact=False)
            )
            exact = matches.count <= EXACT_UP_TO
        if exact:
            return models.SearchParams(exact=True)
        return _walk(condition, limit)

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
            way = models.Direction.DESC if order.descending else models.Direction.ASC
            by = models.OrderBy(key=order.field, direction=way)
        records, _ = self._line.call(
            lambda client: client.scroll(
                self._name,
                scroll_filter=translate(where),
                limit=limit,
                order_by=by,
                offset=first,
                with_payload=True,
            )
        )
        return listed(records)

    def facet(
        self, field: str, where: Filter | None = None, *, limit: int = 1000
    ) -> dict[str, int]:
        """See Index."""
        answer = self._line.call(
            lambda client: client.facet(
                self._name, field, facet_filter=translate(where), limit=limit, exact=True
            )
        )
        return by_count({str(hit.value): hit.count for hit in answer.hits})

    def retrieve(self, ids: Sequence[str], with_vectors: bool = False) -> list[Stored]:
        """See Index."""
        stored: dict[str, Stored] = {}
        for start in range(0, len(ids), _PAGE):
            asked = list(ids[start : start + _PAGE])
            for record in self._line.call(
                lambda client, asked=asked: client.retrieve(  # type: ignore[misc]
                    self._name, asked, with_payload=True, with_vectors=with_vectors
                )
            ):
                vector = np.asarray(record.vector, np.float32) if with_vectors else None
                stored[str(record.id)] = Stored(str(record.id), record.payload or {}, vector)
        return [stored[point] for point in ids if point in stored]

    def scroll(
        self, collection: str | None = None, fields: Sequence[str] | None = None
    ) -> Iterator[tuple[str, Payload]]:
        """See Index."""
        condition = translate(Filter(collection))
        wanted: bool | list[str] = True if fields is None else list(fields) or False
        offset: Any = None
        while True:
            start = offset
            page, offset = self._line.call(
                lambda client, start=start: client.scroll(  # type: ignore[misc]
                    self._name,
                    scroll_filter=condition,
                    limit=_PAGE,
                    offset=start,
                    with_payload=wanted,
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
        condition = translate(where)
        counted = self._line.call(
            lambda client: client.count(self._name, count_filter=condition, exact=True)
        )
        return counted.count

    def optimise(self) -> None:
        """Nothing to do: a server optimises by itself."""

    def flush(self) -> None:
        """Nothing to do: every write was waited for."""

    def close(self) -> None:
        """See Index."""
        self._line.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def _walk(condition: models.Filter | None, limit: int) -> models.SearchParams:
    """Through the graph, so that a filter costs no recall."""
    acorn = models.AcornSearchParams(enable=condition is not None, max_selectivity=ACORN_UP_TO)
    return models.SearchParams(hnsw_ef=max(HNSW_EF, 2 * limit), acorn=acorn)


def open_server(line: Connection, target: IndexTarget, space: str, dim: int) -> ServerIndex:
    """Opens the collection of a space; creates it where there is none."""
    alias = f"{target.prefix}pdray-{space}"
    name = serving(line, alias)
    if name is None:
        uid = create(line, alias, space, dim, target.layout)
        point_at(line, alias, named(alias, uid))
        name = serving(line, alias) or named(alias, uid)
    uid = checked_uid(line, name, space, dim)
    compare(line, name, target.layout)
    index_payload(line, name)
    return ServerIndex(line, alias, dim, ledger_of(target, space, uid))


@contextmanager
def rebuild_server(
    line: Connection, target: IndexTarget, space: str, dim: int
) -> Iterator[ServerIndex]:
    """An empty collection that takes over the alias when the block ends without error.

    The old one serves until then and is dropped after it. What a rebuild that died has left is
    dropped first; of two rebuilds at once the later one wins and the other fails.
    """
    alias = f"{target.prefix}pdray-{space}"
    try:
        drop_others(line, target, alias, space, keep=serving(line, alias))
        uid = create(line, alias, space, dim, target.layout)
        name = named(alias, uid)
        index_payload(line, name)
        ledger = ledger_of(target, space, uid)
        try:
            yield ServerIndex(line, name, dim, ledger)
        except BaseException:
            line.call(lambda client: client.delete_collection(name))
            ledger.forget()
            raise
        point_at(line, alias, name)
        drop_others(line, target, alias, space, keep=name)
    finally:
        line.client.close()
