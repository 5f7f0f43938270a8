"""What people say of images, into the database and from there into every index. It blocks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from pdray.errors import LibraryUnavailable
from pdray.index.protocol import Index
from pdray.library.edits import Edit
from pdray.library.library import Library, Row
from pdray.records import Said

NOWHERE = (
    "This server runs on several machines, and people's edits need one database for all of them: "
    "set library.url to a PostgreSQL."
)


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
        """Brings what is said of these images into their indexes, whatever others do meanwhile."""
        wanted = list(ids)
        while wanted and self._library is not None:
            rows = self._library.rows(wanted)
            for collection, some in groupby(
                sorted(rows, key=lambda row: row.collection), key=lambda row: row.collection
            ):
                said = {row.image_id: row.said for row in some}
                for index in self._indexes(collection):
                    index.annotate(said)
            # Whoever wrote an older edit after a newer one would leave it there.
            now = {row.image_id: row.revision for row in self._library.rows(wanted)}
            settled = [row for row in rows if now.get(row.image_id) == row.revision]
            self._library.arrived(settled)
            wanted = [row.image_id for row in rows if row not in settled]

    def catch_up(self) -> bool:
        """Carries what waits; whether there was anything."""
        waiting: list[Row] = self._library.waiting() if self._library else []
        self.carry(row.image_id for row in waiting)
        return bool(waiting)

    @property
    def state(self) -> tuple[int, float]:
        """Moves with every edit, by whatever process."""
        return self._library.state() if self._library else (0, 0.0)

    def close(self) -> None:
        """Lets the database go."""
        if self._library:
            self._library.close()
