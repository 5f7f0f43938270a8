"""What a search may be narrowed to, in words that no implementation owns.

A condition on a list field (`folders`, `keywords`) holds where any element fulfils it. A point that
lacks the field fulfils no condition on it, so it passes a `must_not`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from pdray.index.points import instant


@dataclass(frozen=True, slots=True)
class Equals:
    """field == value."""

    field: str
    value: str | int | bool


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field is one of the values, all strings or all integers; none of them matches nothing."""

    field: str
    values: tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """A number between bounds; None is open."""

    field: str
    gte: float | None = None
    gt: float | None = None
    lte: float | None = None
    lt: float | None = None


@dataclass(frozen=True, slots=True)
class Dates:
    """An instant between bounds, ISO 8601 (without zone: UTC); None is open."""

    field: str = "taken_at"
    gte: str | None = None
    gt: str | None = None
    lte: str | None = None
    lt: str | None = None

    def bounds(self) -> dict[str, str]:
        """The bounds that are set, as RFC 3339; raises ValueError for what is no date."""
        given = {"gte": self.gte, "gt": self.gt, "lte": self.lte, "lt": self.lt}
        found = {}
        for name, written in given.items():
            if written is not None:
                when = instant(written)
                if when is None:
                    raise ValueError(f"{written!r} is no ISO 8601 date.")
                found[name] = when
        return found


@dataclass(frozen=True, slots=True)
class Near:
    """Within `metres` of a place, degrees."""

    lon: float
    lat: float
    metres: float
    field: str = "location"


@dataclass(frozen=True, slots=True)
class Box:
    """Within a rectangle of degrees; one whose east lies west of its west crosses the date line."""

    north: float
    west: float
    south: float
    east: float
    field: str = "location"


@dataclass(frozen=True, slots=True)
class Missing:
    """The field has no value; with `present` it has one."""

    field: str
    present: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """The text field holds all of these words, in any order, whatever their case and accents;
    with `phrase` one after the other.
    """

    field: str
    text: str
    phrase: bool = False


Condition: TypeAlias = Equals | AnyOf | Range | Dates | Near | Box | Missing | Words


@dataclass(frozen=True, slots=True)
class Filter:
    """All of `must` and none of `must_not`, in one collection or (None) in all."""

    collection: str | None = None
    must: tuple[Condition, ...] = ()
    must_not: tuple[Condition, ...] = ()

    def conditions(self) -> tuple[Condition, ...]:
        """`must`, led by the equality on the collection where there is one."""
        if self.collection is None:
            return self.must
        return (Equals("collection", self.collection), *self.must)


Whole = TypeVar("Whole")


def composed(
    where: Filter | None, translate: Callable[[Condition], Any], whole: Callable[..., Whole]
) -> Whole | None:
    """A filter in other words: `translate` says a condition in them, `whole` puts them together as
    `must` and `must_not`. None where everything matches.
    """
    if where is None or not (where.conditions() or where.must_not):
        return None
    return whole(
        must=[translate(each) for each in where.conditions()] or None,
        must_not=[translate(each) for each in where.must_not] or None,
    )


BY_DATE = "taken_at"


@dataclass(frozen=True, slots=True)
class Order:
    """By the values of a number or date field; what lacks it comes last either way."""

    field: str = BY_DATE
    descending: bool = True


NEWEST = Order()


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a point stands in an order: its value (None: it has none) and its id."""

    value: str | float | None
    id: str


def with_condition(where: Filter, condition: Condition) -> Filter:
    """The same, narrowed further."""
    return Filter(where.collection, (*where.must, condition), where.must_not)


def lacking(where: Filter | None, field: str) -> Filter:
    """The same, of what has no value in a field."""
    return with_condition(where or Filter(), Missing(field))


def by_count(values: Mapping[str, int]) -> dict[str, int]:
    """Most first, then by value."""
    return dict(sorted(values.items(), key=lambda item: (-item[1], item[0])))
