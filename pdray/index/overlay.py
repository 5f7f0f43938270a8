"""What people say of an image laid over what machines found: pure functions of payloads.

Searches read one set of keys, whoever wrote a value. A point of which people said something keeps
their words under `people` and what those hide under `own`, so that either side can be written
anew without the other. `text` loses the lines that people took away and gains theirs.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from pdray.records import Said

PEOPLE, OWN = "people", "own"
_HIDDEN = ("keywords", "rating", "caption", "caption_by", "text")


def overlay(machine: Mapping[str, Any], said: Said | None) -> dict[str, Any]:
    """The whole payload of a point: its machine keys with people's values in their place."""
    if not said:
        return dict(machine)
    own = {key: machine[key] for key in _HIDDEN if key in machine}
    found = {key: value for key, value in machine.items() if key not in own} | own
    removed = set(said.get("without", ()))
    found["keywords"] = _once(
        [word for word in own.get("keywords", ()) if word not in removed], said.get("tags", ())
    )
    if not found["keywords"]:
        del found["keywords"]
    if "rating" in said:
        found["rating"] = said["rating"]
    caption = said.get("caption")
    if caption:
        removed.add(own.get("caption", ""))
        found["caption"] = caption
        found.pop("caption_by", None)
    lines = [line for line in own.get("text", "").split("\n") if line not in removed]
    more = [*([caption] if caption else ()), *said.get("tags", ())]
    found["text"] = "\n".join(line for line in _once(lines, more) if line)
    return {**found, PEOPLE: dict(said), OWN: own}


def machine_of(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The machine keys of a point as it is stored: the inverse of `overlay`."""
    if PEOPLE not in payload:
        return dict(payload)
    hidden = {PEOPLE, OWN, *_HIDDEN}
    kept = {key: value for key, value in payload.items() if key not in hidden}
    return {**kept, **payload.get(OWN, {})}


def said_of(payload: Mapping[str, Any]) -> Said:
    """What people say of a point as it is stored."""
    return cast(Said, payload.get(PEOPLE) or {})


def _once(*lists: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(word for some in lists for word in some))
