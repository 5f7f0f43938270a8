"""Logging: one place that decides where lines go. Standard output stays for results."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def get(room: str) -> logging.Logger:
    """The logger of a room: `log.get("catalog")`."""
    return logging.getLogger(f"pdray.{room}")


def fields(**said: object) -> dict[str, object]:
    """What a line says beside its words: `logger.info("...", extra=log.fields(run_id=...))`."""
    return {"fields": said}


class Json(logging.Formatter):
    """A JSON document a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def configure(verbose: bool = False) -> None:
    """Sends pdray's log lines to standard error, once."""
    root = logging.getLogger("pdray")
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    handler.setLevel(logging.DEBUG if verbose else logging.WARNING)
    root.addHandler(handler)
    root.setLevel(handler.level)
    root.propagate = False


def json_file(path: Path) -> logging.Handler:
    """A handler that adds JSON lines to a file, which is made when the first one comes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(Json())
    return handler


@contextmanager
def written(path: Path | None) -> Iterator[None]:
    """Sends the block's lines, from INFO on, to a file as JSON too; None: nowhere else."""
    if path is None:
        yield
        return
    root, handler = logging.getLogger("pdray"), json_file(path)
    before = root.level
    root.addHandler(handler)
    root.setLevel(min(before or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        handler.close()
