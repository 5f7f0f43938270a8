"""Where the next page begins, as opaque text that names the question it belongs to."""

import base64
import hashlib
import json
from typing import Any

from pdray.serve.problems import Problem


def digest(*parts: object) -> str:
    """Names a question: pages of another one are refused."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def write(question: str, **place: Any) -> str:
    """The cursor of a place in the answer to a question."""
    text = json.dumps({"of": question, **place}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def question(cursor: str) -> str | None:
    """The question that a cursor belongs to; None for what is no cursor."""
    found = _document(cursor)
    return found.get("of") if found else None


def _document(cursor: str) -> dict[str, Any] | None:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded.encode("ascii"), b"-_", validate=True))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read(cursor: str, question: str, kinds: dict[str, type]) -> dict[str, Any]:
    """The place. Raises Problem for what no answer to this question gave."""
    found = _document(cursor) or {}
    good = (
        found.pop("of", None) == question
        and found.keys() == kinds.keys()
        and all(type(found[name]) is kind for name, kind in kinds.items())
        and not any(isinstance(value, int) and value < 0 for value in found.values())
    )
    if not good:
        raise Problem(
            400,
            "bad-cursor",
            "The cursor belongs to another question: begin again without one.",
            "cursor",
        )
    return found
