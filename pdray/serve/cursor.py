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


def read(cursor: str, question: str, kinds: dict[str, type]) -> dict[str, Any]:
    """The place. Raises Problem for what no answer to this question gave."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded.encode("ascii"), b"-_", validate=True))
        if not isinstance(found, dict) or found.pop("of") != question:
            raise ValueError
        if found.keys() != kinds.keys() or any(type(found[k]) is not kinds[k] for k in kinds):
            raise ValueError
        if any(isinstance(value, int) and value < 0 for value in found.values()):
            raise ValueError
    except (ValueError, KeyError, RecursionError) as error:
        raise Problem(
            400,
            "bad-cursor",
            "The cursor belongs to another question: begin again without one.",
            "cursor",
        ) from error
    return found
