"""Matches in an order that is the same however many are asked for at a time.

Qdrant orders by a value; which of those with the same value it picks depends on the limit, so a
page could show some twice and others never. Those are read in order of id, by themselves.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pdray.index.filters import (
    BY_DATE,
    Condition,
    Dates,
    Filter,
    Order,
    Range,
    Spot,
    lacking,
    with_condition,
)


class _Found(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def payload(self) -> Mapping[str, Any]: ...


One = TypeVar("One", bound=_Found)

# A filter, a limit, the order or None for that of ids, and the id to begin with.
Read = Callable[[Filter, int, Order | None, str | None], Sequence[One]]


def browse(
    read: Read[One], where: Filter, limit: int, order: Order, after: Spot | None
) -> list[One]:
    """By value, then by id; what lacks the value comes last, by id. Only what is behind `after`."""
    found: list[One] = []
    rest = where
    if after is not None and after.value is not None:
        found += _behind(read, _at(where, order, after.value), limit, after.id)
        rest = _beyond(where, order, after.value)
    if after is None or after.value is not None:
        found += _valued(read, rest, limit - len(found), order)
        last = None
    else:
        last = after.id
    return found + _behind(read, lacking(where, order.field), limit - len(found), last)


def _valued(read: Read[One], where: Filter, limit: int, order: Order) -> list[One]:
    """Those that have a value; of the last value that there is room for, the first by id."""
    if limit <= 0:
        return []
    found = list(read(where, limit, order, None))
    if len(found) < limit:
        return _settled(found, order)
    last = found[-1].payload[order.field]
    before = [one for one in found if one.payload[order.field] != last]
    same = read(_at(where, order, last), limit - len(before), None, None)
    return [*_settled(before, order), *same]


def _settled(found: Sequence[One], order: Order) -> list[One]:
    """The same, with those of equal value in order of id."""
    by_id = sorted(found, key=lambda one: one.id)
    return sorted(by_id, key=lambda one: one.payload[order.field], reverse=order.descending)


def _behind(read: Read[One], where: Filter, limit: int, last: str | None) -> list[One]:
    """In order of id, those behind one."""
    if limit <= 0:
        return []
    if last is None:
        return list(read(where, limit, None, None))
    found = read(where, limit + 1, None, last)
    return [one for one in found if one.id != last][:limit]


def _at(where: Filter, order: Order, value: Any) -> Filter:
    return with_condition(where, _bounds(order.field, gte=value, lte=value))


def _beyond(where: Filter, order: Order, value: Any) -> Filter:
    side = {"lt": value} if order.descending else {"gt": value}
    return with_condition(where, _bounds(order.field, **side))


def _bounds(field: str, **bounds: Any) -> Condition:
    return Dates(field, **bounds) if field == BY_DATE else Range(field, **bounds)
