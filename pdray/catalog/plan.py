"""What a run has to do, as values: counts, what is gone, and whether that can be believed."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pdray.catalog.units import Item
from pdray.records import Failure

# A fifth, and more than this many, vanishing at once is taken for an accident.
_MANY = 100
_SHARE = 0.2


T = TypeVar("T")


class Rows(Collection[T], Generic[T]):
    """Rows that lie in a planner and are made as they are asked for, while it is open.

    As many as a disk holds: nothing here may turn them into a list.
    """

    def __init__(self, count: int, make: Callable[[], Iterator[T]]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        return self._make()

    def __contains__(self, one: object) -> bool:
        return any(one == row for row in self)


@dataclass(frozen=True, slots=True)
class Vanished:
    """A live row whose image is no longer at its uri."""

    uri: str
    size: int
    version: str
    seq: int
    status: str
    image_id: str | None
    content_id: str | None
    part: str


@dataclass(slots=True)
class Plan:
    """The outcome: counts, what to read (streamed), what to note as failed, what has gone.

    seen = new + changed + again + unchanged + len(failures).
    """

    seen: int = 0
    new: int = 0
    changed: int = 0
    again: int = 0  # unchanged, but read again: --full, an earlier failure, or another model
    retries: int = 0  # those of `again` that are only tried because they could not be read before
    unchanged: int = 0
    vanished: Collection[Vanished] = ()
    failures: Collection[tuple[Item, Failure]] = ()
    parts: list[str] = field(default_factory=list)  # the row parts that the plan was made from
    remaining: dict[str, int] = field(default_factory=dict)  # by root: live rows still listed

    @property
    def work(self) -> int:
        """How many images have to be read."""
        return self.new + self.changed + self.again

    def suspicious(self, moved: Collection[str] = ()) -> str | None:
        """Why deletion should wait for someone's word; None where it need not.

        `moved` are the uris among the vanished whose images were found again. Each root is judged
        by itself, so that an unmounted disk does not hide behind a larger one, and then all.
        """
        gone: Counter[str] = Counter()  # by root
        lost = 0
        for row in self.vanished:
            if row.uri not in moved:
                lost += 1
                gone.update(root for root in self.remaining if under(row.uri, root))
        for root, remaining in self.remaining.items():
            here = gone[root]
            if here and not remaining:
                return f"nothing that was indexed from {root} is there any more ({here} vanished)"
            if _many(here, remaining):
                return f"{here} of {here + remaining} images of {root} have vanished at once"
        total = sum(self.remaining.values())
        if _many(lost, total):
            return f"{lost} of {lost + total} images have vanished at once"
        return None


def under(uri: str, root: str) -> bool:
    """Whether a listing of this root could name the uri; a root without "/" is one file."""
    return uri.startswith(root) if root.endswith("/") else uri == root


def outermost(roots: Collection[str]) -> Iterator[str]:
    """The roots that lie in no other, sorted, so that nothing under two of them counts twice."""
    kept: list[str] = []
    for root in sorted(set(roots)):
        if not any(under(root, outer) for outer in kept):
            kept.append(root)
            yield root


def _many(gone: int, remaining: int) -> bool:
    return gone > _MANY and gone > _SHARE * (gone + remaining)
