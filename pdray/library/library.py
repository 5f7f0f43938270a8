"""What people say of images, in a database of the workspace: SQLite, or PostgreSQL for many nodes.

An edit is in the database first and in the index after it. Until it is there too, it waits, and
whoever serves tries again: an index that was away misses nothing, and one that is made anew gets
everything.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pdray.errors import LibraryUnavailable
from pdray.library.edits import Edit
from pdray.library.rows import Row
from pdray.records import Said

if TYPE_CHECKING:
    from pdray.library.database import Database

_SQLITE = "sqlite:///"
_MANY = 500  # ids of one question: databases limit its variables
_TRIES = 20  # of an edit that others edit too


class Library:
    """Safe for threads and processes. Every method raises LibraryUnavailable where the database
    can't be asked. A SQLite file is made with the first edit, and looking at none takes nothing.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._file = Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None
        self._opened: Database | None = None
        self._turn = threading.Lock()

    def said(self, ids: Iterable[str]) -> dict[str, Said]:
        """What people say of these images, of those of which they say something."""
        return {row.image_id: row.said for row in self.rows(ids) if row.said}

    def rows(self, ids: Iterable[str]) -> list[Row]:
        """The rows of these images that were ever edited."""
        if (database := self._there()) is None:
            return []
        from pdray.library import statements

        found: list[Row] = []
        for some in _cut(ids):
            found += database.read(statements.of(some))
        return found

    def edit(self, images: Mapping[str, str], edit: Edit) -> dict[str, Said]:
        """Changes what is said of images (id: collection) and returns it; it waits from then on.

        All of them or none. What others edit at the same time is kept beside it.
        """
        database = self._database()
        from pdray.library import statements
        from pdray.library.database import Meanwhile

        for _ in range(_TRIES):
            try:
                return database.change(lambda line: statements.apply(line, images, edit)) or {}
            except Meanwhile:
                continue
        raise LibraryUnavailable("Others edit the same images all the time: try again.")

    def waiting(self, collection: str | None = None) -> list[Row]:
        """The first rows that an index may lack, oldest first, of a collection or of all."""
        if (database := self._there()) is None:
            return []
        from pdray.library import statements

        return database.read(statements.waiting(collection, _MANY))

    def arrived_since(self, since: float, limit: int) -> list[Row]:
        """The first edits that came into the index since a time (seconds since 1970), in order."""
        if (database := self._there()) is None:
            return []
        from pdray.library import statements

        return database.read(statements.arrived_since(since, limit))

    def arrived(self, rows: Sequence[Row]) -> None:
        """They are in the index; one that was edited since goes on waiting."""
        if rows:
            from pdray.library import statements

            # It counts: what was answered between the edit and its arrival is out of date.
            self._database().change(lambda line: statements.arrive(line, rows))

    def wait_again(self, since: float) -> None:
        """What was edited since a time (seconds since 1970) waits: an index was made meanwhile."""
        if database := self._there():
            from pdray.library import statements

            database.mark(lambda line: statements.wait_again(line, since))

    def all(self, collection: str | None = None, *, empty: bool = False) -> Iterator[Row]:
        """Every row with something said, of a collection or of all, by id; with `empty` those too
        of which everything was taken back.
        """
        last = ""
        while database := self._there():
            from pdray.library import statements

            found = database.read(statements.page(collection, last, _MANY))
            yield from (row for row in found if row.said or empty)
            if len(found) < _MANY:
                return
            last = found[-1].image_id

    @property
    def changes(self) -> int:
        """How often anything that is said was changed or came into the index, by any process."""
        database = self._there()
        return database.changes if database else 0

    def put(self, rows: Iterable[Row]) -> None:
        """Brings rows back from a copy; each replaces what is said of its image, and waits."""
        database = self._database()
        from pdray.library import statements

        waiting = iter(rows)
        while some := list(islice(waiting, _MANY)):
            database.change(lambda line, some=some: statements.put(line, some))  # type: ignore[misc]

    def forget(self, ids: Iterable[str]) -> None:
        """Removes what was said of images, for good."""
        if database := self._there():
            from pdray.library import statements

            for some in _cut(ids):
                database.change(statements.removal(some))

    def close(self) -> None:
        """Lets its connections go."""
        if self._opened:
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _there(self) -> "Database | None":
        """The database, if anything can be in it; a file that isn't there isn't made by looking."""
        if self._file is not None and not self._file.is_file():
            return None
        return self._database()

    def _database(self) -> "Database":
        with self._turn:
            if self._opened is None:
                from pdray.library.database import Database

                self._opened = Database(self._url, self._file)
            return self._opened


def opened(url: str | None) -> Library | None:
    """The library at a URL; None where there is none. Nothing is asked of it yet."""
    return Library(url) if url else None


def _cut(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while some := list(islice(left, _MANY)):
        yield some
