"""What a source says of an image beside its bytes: a caption, and a few plain facts."""

import json
import math
from collections.abc import Mapping
from typing import Any

_CAPTIONS = ("caption", "text")
_MOST_TEXT = 4096  # characters of one value; longer ones are documents, not facts
_MOST_FACTS = 64


def said(facts: Mapping[str, Any], caption: str | None = None) -> tuple[str | None, str | None]:
    """(caption, extra) of what is said: extra is a JSON object of the plain values, None if empty.

    A `caption` given apart wins over the fact of that name, which then stays among the facts.
    """
    rest = {str(key): value for key, value in facts.items() if _is_plain(value)}
    caption = _line(caption)
    if caption is None:
        for key in _CAPTIONS:
            if isinstance(rest.get(key), str):
                caption = _line(rest.pop(key))
                break
    kept = dict(list(rest.items())[:_MOST_FACTS])
    return caption, json.dumps(kept, ensure_ascii=False) if kept else None


def from_files(
    key: str, document: bytes | None, text: bytes | None
) -> tuple[str | None, str | None]:
    """(caption, extra) of a WebDataset sample: its key, its .json and its .txt.

    A sidecar that is no JSON object, or no text, says nothing; the image counts all the same.
    """
    facts: dict[str, Any] = {"__key__": key.encode("utf-8", "replace").decode()}
    if document is not None:
        try:
            found = json.loads(document)
        except ValueError:  # UnicodeDecodeError is one too
            found = None
        if isinstance(found, dict):
            facts |= found
    caption = None if text is None else text.decode("utf-8-sig", "replace")
    return said(facts, caption)


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        # Lone surrogates, which JSON can spell, are no text that can be stored.
        return 0 < len(value) <= _MOST_TEXT and not any("\ud800" <= c <= "\udfff" for c in value)
    return isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))


def _line(text: object) -> str | None:
    if not isinstance(text, str):
        return None
    words = text.replace("\0", "").encode("utf-8", "replace").decode().strip()
    return words[:_MOST_TEXT] or None
