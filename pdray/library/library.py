"""What people say of images, in a database of the workspace: SQLite, or PostgreSQL for many nodes.

An edit is in the database first and in the index after it. Until it is there too, it waits, and
whoever serves tries again: an index that was away misses nothing, and one that is made anew gets
everything.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Self, TypeVar

import sqlalchemy as sql
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from pdray.errors import LibraryUnavailable
from pdray.library.edits import Edit, edited
from pdray.records import Said

FORMAT = 1
_MANY = 500  # ids of one question: databases limit its variables
_TRIES = 20  # of an edit that others edit too
_META = sql.MetaData()
_SAID = sql.Table(
    "said",
    _META,
    sql.Column("image_id", sql.String(36), primary_key=True),
    sql.Column("collection", sql.String(63), nullable=False, index=True),
    sql.Column("said", sql.JSON, nullable=False),
    sql.Column("revision", sql.Integer, nullable=False),
    sql.Column("changed", sql.Double, nullable=False, index=True),  # seconds since 1970
    sql.Column("waits", sql.Boolean, nullable=False, index=True),
)
_LIBRARY = sql.Table("library", _META, sql.Column("format", sql.Integer, nullable=False))

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """What people say of one image. `revision` counts its edits."""

    image_id: str
    collection: str
    said: Said
    revision: int


class Library:
    """Safe for threads and processes. Every method raises LibraryUnavailable where the database
    can't be asked. `url` is SQLAlchemy's; a SQLite file is made with the first edit.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
            if parsed.get_backend_name() == "postgresql":
                parsed = parsed.set(drivername="postgresql+psycopg")
            file = parsed.database if parsed.get_backend_name() == "sqlite" else None
            self._file = Path(file) if file else None
            # A connection that a restarted server has dropped is replaced, not used.
            self._engine = sql.create_engine(
                parsed,
                pool_pre_ping=self._file is None,
                connect_args={"timeout": 10.0} if self._file else {"connect_timeout": 3},
            )
        except (ArgumentError, ImportError, ValueError) as error:
            raise LibraryUnavailable(
                f"The database of edits can't be used ({type(error).__name__}): give library.url "
                "as postgresql://user:password@host:5432/database, and install pdray[postgresql]."
            ) from error
        self._made = False

    @property
    def local(self) -> bool:
        """Whether it is a file, which only one machine sees."""
        return self._file is not None

    def said(self, ids: Iterable[str]) -> dict[str, Said]:
        """What people say of these images, of those of which they say something."""
        return {row.image_id: row.said for row in self.rows(ids) if row.said}

    def rows(self, ids: Iterable[str]) -> list[Row]:
        """The rows of these images that were ever edited."""
        wanted = list(ids)
        if not self._is_there():
            return []
        found: list[Row] = []
        for start in range(0, len(wanted), _MANY):
            some = _SAID.c.image_id.in_(wanted[start : start + _MANY])
            found += self._read(sql.select(_SAID).where(some))
        return found

    def edit(self, images: Mapping[str, str], edit: Edit) -> dict[str, Said]:
        """Changes what is said of images (id: collection) and returns it; it waits from then on.

        All of them or none. What others edit at the same time is kept beside it.
        """
        self._make()
        for _ in range(_TRIES):
            try:
                return self._asked(lambda line: _edit(line, images, edit), writes=True)
            except _Meanwhile:
                continue
        raise LibraryUnavailable("Others edit the same images all the time: try again.")

    def waiting(self, collection: str | None = None) -> list[Row]:
        """The first rows that an index may lack, oldest first, of a collection or of all."""
        if not self._is_there():
            return []
        wanted = sql.select(_SAID).where(_SAID.c.waits)
        if collection is not None:
            wanted = wanted.where(_SAID.c.collection == collection)
        return self._read(wanted.order_by(_SAID.c.changed).limit(_MANY))

    def arrived(self, rows: Sequence[Row]) -> None:
        """They are in the index; one that was edited since goes on waiting."""

        def note(line: sql.Connection) -> None:
            for row in rows:
                same = (_SAID.c.image_id == row.image_id) & (_SAID.c.revision == row.revision)
                line.execute(sql.update(_SAID).where(same).values(waits=False))

        if rows:
            self._asked(note, writes=True)

    def wait_again(self, since: float) -> None:
        """What was edited since a time (seconds since 1970) waits: an index was made meanwhile."""
        if self._is_there():
            self._change(sql.update(_SAID).where(_SAID.c.changed >= since).values(waits=True))

    def all(self, collection: str | None = None, *, empty: bool = False) -> Iterator[Row]:
        """Every row with something said, of a collection or of all, by id; with `empty` those too
        of which everything was taken back.
        """
        last = ""
        while self._is_there():
            wanted = sql.select(_SAID).where(_SAID.c.image_id > last)
            if collection is not None:
                wanted = wanted.where(_SAID.c.collection == collection)
            found = self._read(wanted.order_by(_SAID.c.image_id).limit(_MANY))
            yield from (row for row in found if row.said or empty)
            if len(found) < _MANY:
                return
            last = found[-1].image_id

    def state(self) -> tuple[int, float]:
        """How many rows there are and when the last was changed: moves with every edit."""
        if not self._is_there():
            return 0, 0.0
        wanted = sql.select(sql.func.count(), sql.func.max(_SAID.c.changed))
        count, last = self._asked(lambda line: line.execute(wanted).one())
        return int(count), float(last or 0.0)

    def put(self, rows: Iterable[Row]) -> None:
        """Brings rows back from a copy; each replaces what is said of its image, and waits."""
        self._make()
        waiting = iter(rows)
        while some := list(islice(waiting, _MANY)):

            def put(line: sql.Connection, some: list[Row] = some) -> None:
                ids = [row.image_id for row in some]
                line.execute(sql.delete(_SAID).where(_SAID.c.image_id.in_(ids)))
                now = time.time()
                for row in some:
                    values = {"changed": now, "waits": True, **asdict(row)}
                    line.execute(sql.insert(_SAID).values(**values))

            self._asked(put, writes=True)

    def forget(self, ids: Iterable[str]) -> None:
        """Removes what was said of images, for good."""
        wanted = list(ids)
        if not self._is_there():
            return
        for start in range(0, len(wanted), _MANY):
            some = _SAID.c.image_id.in_(wanted[start : start + _MANY])
            self._change(sql.delete(_SAID).where(some))

    def close(self) -> None:
        """Lets its connections go."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    # --- the database

    def _is_there(self) -> bool:
        """Whether anything can be in it; a file that isn't there is not made by looking."""
        if self._file is not None and not self._file.is_file():
            return False
        self._make()
        return True

    def _make(self) -> None:
        if self._made:
            return

        def make(line: sql.Connection) -> None:
            if self._file is None:
                # Of many replicas that start at once one makes the tables.
                line.execute(sql.text("SELECT pg_advisory_xact_lock(7264391)"))
            _META.create_all(line)
            found = line.execute(sql.select(_LIBRARY.c.format)).scalar()
            if found is None:
                line.execute(sql.insert(_LIBRARY).values(format=FORMAT))
            elif found > FORMAT:
                raise LibraryUnavailable(
                    f"The database of edits has format {found}, of a newer pdray than this one "
                    f"({FORMAT}): use that."
                )

        if self._file is not None:
            with self._saying():
                self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._saying(), self._engine.connect() as line:
                line.exec_driver_sql("PRAGMA journal_mode=WAL")  # readers beside a writer
        self._asked(make, writes=True)
        self._made = True

    def _read(self, wanted: "sql.Select[tuple[object, ...]]") -> list[Row]:
        def read(line: sql.Connection) -> list[Row]:
            return [
                Row(row.image_id, row.collection, row.said, row.revision)
                for row in line.execute(wanted)
            ]

        return self._asked(read)

    def _change(self, change: "sql.Delete | sql.Update") -> None:
        self._asked(lambda line: line.execute(change), writes=True)

    def _asked(self, work: Callable[[sql.Connection], T], *, writes: bool = False) -> T:
        with self._saying(), self._engine.connect() as line:
            if writes and self._file is not None:
                # Else two that have read would wait for each other's writing, and one fail.
                line.exec_driver_sql("BEGIN IMMEDIATE")
            found = work(line)
            line.commit()
            return found

    @contextmanager
    def _saying(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            if isinstance(error, IntegrityError):
                raise _Meanwhile from error
            # The driver's own words, without the statement and its values.
            said = str(getattr(error, "orig", None) or error).strip().splitlines() or [""]
            raise LibraryUnavailable(
                f"The database of edits can't be asked ({said[0][:200].rstrip('.')}): see that it "
                "runs and that library.url is right."
            ) from error


def opened(url: str | None) -> Library | None:
    """The library at a URL; None where there is none. Nothing is asked of it yet."""
    return Library(url) if url else None


class _Meanwhile(Exception):
    """Somebody else edited the same image between reading and writing."""


def _edit(line: sql.Connection, images: Mapping[str, str], edit: Edit) -> dict[str, Said]:
    found: dict[str, Said] = {}
    now = time.time()
    # In one order everywhere, so that no two wait for each other. SQLite has one writer anyway.
    for id, collection in sorted(images.items()):
        wanted = sql.select(_SAID).where(_SAID.c.image_id == id).with_for_update()
        row = line.execute(wanted).one_or_none()
        found[id] = edited(row.said if row else {}, edit)
        values = {"said": found[id], "changed": now, "waits": True, "collection": collection}
        if row is None:
            line.execute(sql.insert(_SAID).values(image_id=id, revision=1, **values))
            continue
        same = (_SAID.c.image_id == id) & (_SAID.c.revision == row.revision)
        change = sql.update(_SAID).where(same).values(revision=row.revision + 1, **values)
        if line.execute(change).rowcount != 1:
            raise _Meanwhile
    return found
