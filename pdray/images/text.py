"""Strings out of image files: made safe to store and to show."""

from collections.abc import Iterable

MAX_LENGTH = 1_000  # characters


def clean(value: object) -> str | None:
    """Valid text without control characters or outer space, at most MAX_LENGTH; None if empty."""
    if isinstance(value, bytes):
        value = _decoded(value)
    if not isinstance(value, str):
        return None
    head = value[: 4 * MAX_LENGTH].encode("utf-8", "ignore").decode("utf-8")
    kept = "".join(c if c.isprintable() or c == "\n" else " " if c == "\t" else "" for c in head)
    return kept.strip()[:MAX_LENGTH].rstrip() or None


def _decoded(value: bytes) -> str:
    value = value[: 4 * MAX_LENGTH]
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def distinct(values: Iterable[str | None]) -> tuple[str, ...]:
    """The values once each, in the order of their first mention, without empty ones."""
    return tuple(dict.fromkeys(value for value in values if value))
