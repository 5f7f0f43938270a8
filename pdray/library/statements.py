"""What is asked of the tables of what people say. Imported with them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sql

from pdray.library.database import SAID, Meanwhile
from pdray.library.edits import Edit, edited
from pdray.library.rows import Row
from pdray.records import Said


def of(ids: Sequence[str]) -> "sql.Select[Any]":
    """The rows of these images."""
    return sql.select(SAID).where(SAID.c.image_id.in_(ids))


def waiting(collection: str | None, limit: int) -> "sql.Select[Any]":
    """The first that wait, oldest first."""
    wanted = _of_collection(sql.select(SAID).where(SAID.c.waits), collection)
    return wanted.order_by(SAID.c.changed).limit(limit)


def arrived_since(since: float, limit: int) -> "sql.Select[Any]":
    """The first that came into the index since then, oldest first."""
    wanted = sql.select(SAID).where(SAID.c.changed >= since, sql.not_(SAID.c.waits))
    return wanted.order_by(SAID.c.changed).limit(limit)


def page(collection: str | None, after: str, limit: int) -> "sql.Select[Any]":
    """Rows by id, behind one."""
    wanted = _of_collection(sql.select(SAID).where(SAID.c.image_id > after), collection)
    return wanted.order_by(SAID.c.image_id).limit(limit)


def removal(ids: Sequence[str]) -> sql.Delete:
    """Removes the rows of these images."""
    return sql.delete(SAID).where(SAID.c.image_id.in_(ids))


def arrive(line: sql.Connection, rows: Sequence[Row]) -> None:
    """They wait no longer, but for those that were edited since."""
    now = time.time()
    for row in rows:
        same = (SAID.c.image_id == row.image_id) & (SAID.c.revision == row.revision)
        line.execute(sql.update(SAID).where(same).values(waits=False, changed=now))


def wait_again(line: sql.Connection, since: float) -> None:
    """What was changed since then waits."""
    line.execute(sql.update(SAID).where(SAID.c.changed >= since).values(waits=True))


def put(line: sql.Connection, rows: Sequence[Row]) -> None:
    """Rows in the place of those of the same images."""
    line.execute(removal([row.image_id for row in rows]))
    now = time.time()
    for row in rows:
        line.execute(sql.insert(SAID).values(changed=now, waits=True, **asdict(row)))


def apply(line: sql.Connection, images: Mapping[str, str], edit: Edit) -> dict[str, Said]:
    """Edits images (id: collection). Raises Meanwhile."""
    found: dict[str, Said] = {}
    now = time.time()
    # In one order everywhere, so that no two wait for each other. SQLite has one writer anyway.
    for id, collection in sorted(images.items()):
        wanted = sql.select(SAID).where(SAID.c.image_id == id).with_for_update()
        row = line.execute(wanted).one_or_none()
        found[id] = edited(row.said if row else {}, edit)
        values = {"said": found[id], "changed": now, "waits": True, "collection": collection}
        if row is None:
            line.execute(sql.insert(SAID).values(image_id=id, revision=1, **values))
            continue
        same = (SAID.c.image_id == id) & (SAID.c.revision == row.revision)
        change = sql.update(SAID).where(same).values(revision=row.revision + 1, **values)
        if line.execute(change).rowcount != 1:
            raise Meanwhile
    return found


def _of_collection(wanted: "sql.Select[Any]", collection: str | None) -> "sql.Select[Any]":
    return wanted if collection is None else wanted.where(SAID.c.collection == collection)
