"""What people say of images, into the database and from there into every index. It blocks."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pdray.errors import LibraryUnavailable
from pdray.index.protocol import Index
from pdray.ingest.carrying import carry
from pdray.library.edits import Edit
from pdray.library.library import Library
from pdray.library.rows import Row
from pdray.records import Said

NOWHERE = (
    "This server runs on several machines, and people's edits need one database for all of them: "
    "set library.url to a PostgreSQL."
)

_APART_SECONDS = 5.0
_MOST_NEWS = 10_000


@dataclass(frozen=True, slots=True)
class Told:
    """Which edits were told. `changes` is None before any look."""

    changes: int | None = None
    at: float = 0.0
    known: Mapping[str, int] = field(default_factory=dict)


class People:
    """The edits of one workspace. `indexes` gives those that hold a collection; it raises
    IndexUnavailable while one isn't open. `library` is None where edits have no place.
    """

    def __init__(self, library: Library | None, indexes: Callable[[str], Sequence[Index]]) -> None:
        self._library, self._indexes = library, indexes

    def edit(self, images: Mapping[str, str], edit: Edit) -> dict[str, Said]:
        """Changes what is said of images (id: collection). From then on it is kept; an index that
        can't be reached gets it later. Raises LibraryUnavailable, then nothing has changed.
        """
        if self._library is None:
            raise LibraryUnavailable(NOWHERE)
        return self._library.edit(images, edit)

    def carry(self, ids: Iterable[str]) -> None:
        """Brings what is said of these images into their indexes."""
        if self._library:
            carry(self._library, ids, self._indexes)

    def catch_up(self) -> None:
        """Carries what waits."""
        while self._library and (waiting := self._library.waiting()):
            self.carry(row.image_id for row in waiting)

    def news(self, told: Told) -> tuple[Told, list[Row]]:
        """Edits that came into the index since it was last asked, the first ten thousand, and what
        to ask with next. Clocks of those who edit may differ by some seconds.
        """
        changes = self._library.changes if self._library else 0
        at = time.time()
        if self._library is None or told.changes is None:
            return Told(changes, at), []
        if changes == told.changes:
            return told, []
        rows = self._library.arrived_since(told.at - _APART_SECONDS, _MOST_NEWS)
        known = {row.image_id: row.revision for row in rows}
        new = [row for row in rows if told.known.get(row.image_id) != row.revision]
        return Told(changes, at, known), new

    def close(self) -> None:
        """Lets the database go."""
        if self._library:
            self._library.close()
