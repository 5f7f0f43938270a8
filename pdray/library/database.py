"""The tables of what people say, in SQLite or PostgreSQL: the one file that knows SQL.

Imported where there is a database, because SQLAlchemy takes 0.2 s and 20 MB.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sql
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from pdray.errors import LibraryUnavailable
from pdray.library.rows import Row

FORMAT = 1
_META = sql.MetaData()
SAID = sql.Table(
    "said",
    _META,
    sql.Column("image_id", sql.String(36), primary_key=True),
    sql.Column("collection", sql.String(63), nullable=False, index=True),
    sql.Column("said", sql.JSON, nullable=False),
    sql.Column("revision", sql.Integer, nullable=False),
    # When it was edited, or came into the index after that; seconds since 1970.
    sql.Column("changed", sql.Double, nullable=False, index=True),
    sql.Column("waits", sql.Boolean, nullable=False, index=True),
)
_LIBRARY = sql.Table(
    "library",
    _META,
    sql.Column("format", sql.Integer, nullable=False),
    sql.Column("changes", sql.BigInteger, nullable=False),
)

T = TypeVar("T")


class Meanwhile(Exception):
    """Somebody else edited the same image between reading and writing."""


class Database:
    """Makes its tables where there are none. `file` is the path of a SQLite, else None. Raises
    LibraryUnavailable where it can't be asked.
    """

    def __init__(self, url: str, file: Path | None) -> None:
        self._file = file
        try:
            if file is None:
                parsed = make_url(url).set(drivername="postgresql+psycopg")
            else:
                parsed = sql.URL.create("sqlite", database=str(file))  # whatever is in its name
            self._engine = sql.create_engine(
                parsed,
                pool_pre_ping=file is None,  # one that a restarted server has dropped isn't used
                connect_args={"connect_timeout": 3} if file is None else {"timeout": 10.0},
            )
        except (ArgumentError, ImportError, ValueError) as error:
            raise LibraryUnavailable(
                f"The database of edits can't be used ({type(error).__name__}): give library.url "
                "as postgresql://user:password@host:5432/database, and install pdray[postgresql]."
            ) from error
        if file is not None:
            with self._saying():
                file.parent.mkdir(parents=True, exist_ok=True)
            with self._saying(), self._engine.connect() as line:
                line.exec_driver_sql("PRAGMA journal_mode=WAL")  # readers beside a writer
        self._write(self._make)

    def _make(self, line: sql.Connection) -> None:
        if self._file is None:
            # Of many replicas that start at once one makes the tables.
            line.execute(sql.text("SELECT pg_advisory_xact_lock(7264391)"))
        _META.create_all(line)
        found = line.execute(sql.select(_LIBRARY.c.format)).scalar()
        if found is None:
            line.execute(sql.insert(_LIBRARY).values(format=FORMAT, changes=0))
        elif found > FORMAT:
            raise LibraryUnavailable(
                f"The database of edits has format {found}, of a newer pdray than this one "
                f"({FORMAT}): use that."
            )

    def read(self, wanted: "sql.Select[Any]") -> list[Row]:
        """The rows of SAID that a query selects."""
        with self._saying(), self._engine.connect() as line:
            return [
                Row(row.image_id, row.collection, row.said, row.revision)
                for row in line.execute(wanted)
            ]

    @property
    def changes(self) -> int:
        """How often anything that is said was changed or came into the index."""
        with self._saying(), self._engine.connect() as line:
            return int(line.execute(sql.select(_LIBRARY.c.changes)).scalar_one())

    def change(self, work: "Callable[[sql.Connection], T] | sql.Delete") -> T | None:
        """Changes what is said, all of it or nothing. Raises Meanwhile."""

        def counted(line: sql.Connection) -> T | None:
            line.execute(sql.update(_LIBRARY).values(changes=_LIBRARY.c.changes + 1))
            if isinstance(work, sql.Delete):
                line.execute(work)
                return None
            return work(line)

        return self._write(counted)

    def mark(self, work: Callable[[sql.Connection], object]) -> None:
        """Changes what waits, and nothing that is said."""
        self._write(work)

    def close(self) -> None:
        """Lets its connections go."""
        self._engine.dispose()

    def _write(self, work: Callable[[sql.Connection], T]) -> T:
        with self._saying(), self._engine.connect() as line:
            if self._file is not None:
                # Else two that have read would wait for each other's writing, and one fail.
                line.exec_driver_sql("BEGIN IMMEDIATE")
            found = work(line)
            line.commit()
            return found

    @contextmanager
    def _saying(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            raise Meanwhile from error
        except (SQLAlchemyError, OSError) as error:
            # The driver's own words, without the statement and its values.
            said = str(getattr(error, "orig", None) or error).strip().splitlines() or [""]
            raise LibraryUnavailable(
                f"The database of edits can't be asked ({said[0][:200].rstrip('.')}): see that it "
                "runs and that library.url is right."
            ) from error
