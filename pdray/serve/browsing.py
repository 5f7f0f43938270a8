"""Browsing: images in an order that is not a search's, and when they were taken. It blocks."""

from collections.abc import Iterator
from uuid import UUID

from pdray.errors import UsageError
from pdray.index.filters import (
    BY_DATE,
    NEWEST,
    Dates,
    Filter,
    Order,
    Spot,
    lacking,
    with_condition,
)
from pdray.index.points import instant
from pdray.index.protocol import Found, Index
from pdray.search.language import parse, unmatched
from pdray.search.query import narrowing
from pdray.serve import cursor as cursors
from pdray.serve.engine import Engine
from pdray.serve.problems import Problem
from pdray.serve.shapes import Image, Month, Page, Sort, Timeline, image_fields

ORDERS: dict[Sort, Order] = {
    "newest": NEWEST,
    "oldest": Order(BY_DATE, descending=False),
    "largest": Order("size"),
    "smallest": Order("size", descending=False),
}


def browse(
    engine: Engine,
    text: str | None,
    collection: str | None,
    sort: Sort,
    limit: int,
    cursor: str | None,
) -> Page:
    """Images that fulfil the conditions of a query, in an order."""
    name = engine.named(collection)
    said = parse(text or "")
    if said.words or said.without:
        raise UsageError(
            "Browsing takes conditions alone, such as taken:2024; words are for searching."
        )
    towers = engine.towers(name, {})
    question = cursors.digest("browse", name, text, sort)
    order = ORDERS[sort]
    start = read(order, **cursors.read(cursor, question, WRITTEN)) if cursor else None
    shown, after = page(engine.index(name), narrowing(said, towers), order, start, limit)
    return Page(
        query=text,
        collection=name,
        images=[Image(**image_fields(one.id, one.payload)) for one in shown],
        notes=list(unmatched(said.must, towers.values)),
        next_cursor=cursors.write(question, **written(after)) if after else None,
    )


def page(
    index: Index, where: Filter, order: Order, after: Spot | None, limit: int
) -> tuple[list[Found], Spot | None]:
    """One page of matches, and behind which the next begins."""
    found = index.browse(where, limit=limit + 1, order=order, after=after)
    shown = found[:limit]
    if len(found) <= limit:
        return shown, None
    return shown, Spot(shown[-1].payload.get(order.field), shown[-1].id)


def written(spot: Spot) -> dict[str, str]:
    """A spot as part of a cursor."""
    return {"at": "" if spot.value is None else str(spot.value), "id": spot.id}


WRITTEN: dict[str, type] = {"at": str, "id": str}


def read(order: Order, at: str, id: str) -> Spot:
    """The inverse of `written`. Raises Problem for what is none."""
    try:
        UUID(id)
        if not at:
            return Spot(None, id)
        if order.field == BY_DATE:
            if instant(at) != at:
                raise ValueError
            return Spot(at, id)
        return Spot(float(int(at)), id)
    except (ValueError, OverflowError) as error:
        raise Problem(400, "bad-cursor", "The cursor is damaged: begin again.", "cursor") from error


def timeline(engine: Engine, text: str | None, collection: str | None) -> Timeline:
    """How many matches were taken in each month that has any, newest first. The free words of the
    query don't narrow. A month is what the condition taken:2024-05 finds.
    """
    name = engine.named(collection)
    said, towers = parse(text or ""), engine.towers(name, {})
    where, index = narrowing(said, towers), engine.index(name)
    newest = index.browse(where, limit=1, order=ORDERS["newest"])
    oldest = index.browse(where, limit=1, order=ORDERS["oldest"])
    months: list[Month] = []
    if newest and BY_DATE in newest[0].payload:
        first, last = (_number(found[0].payload[BY_DATE]) for found in (oldest, newest))
        total = _within(index, where, first, last + 1)
        months = list(_months(index, where, first, last + 1, total))
    return Timeline(
        collection=name,
        months=months,
        undated=index.matches(lacking(where, BY_DATE)),
        notes=list(unmatched(said.must, towers.values)),
    )


def _months(index: Index, where: Filter, first: int, end: int, total: int) -> Iterator[Month]:
    """The months from `first` to before `end` that have any of their `total`, the last first.

    Halved again and again, so that a date of the year 1 among those of today costs little.
    """
    if not total:
        return
    if end - first == 1:
        yield Month(month=f"{first // 12:04}-{first % 12 + 1:02}", count=total)
        return
    middle = (first + end) // 2
    later = _within(index, where, middle, end)
    yield from _months(index, where, middle, end, later)
    yield from _months(index, where, first, middle, total - later)


def _within(index: Index, where: Filter, first: int, end: int) -> int:
    # The calendar ends with the year 9999.
    before = _first_day(end) if end < 12 * 10_000 else None
    return index.matches(with_condition(where, Dates(gte=_first_day(first), lt=before)))


def _first_day(month: int) -> str:
    return f"{month // 12:04}-{month % 12 + 1:02}-01T00:00:00"


def _number(taken: str) -> int:
    """Months since the year 0."""
    return 12 * int(taken[:4]) + int(taken[5:7]) - 1
