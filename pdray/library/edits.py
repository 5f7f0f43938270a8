"""One edit, and what it makes of what was said before: pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from pdray.records import Said


class Leave(Enum):
    """Not a value: the field stays as it is."""

    IT = "leave it"


LEAVE = Leave.IT


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to change. Tags are added to and taken from those that an image has, from wherever.
    A rating or caption of None takes back what people said, so that the file's own shows again.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    rating: int | Leave | None = LEAVE
    caption: str | Leave | None = LEAVE
    back: bool = field(default=False)  # takes back everything that was said before


def edited(said: Said, edit: Edit) -> Said:
    """What is said after an edit. A tag that is both added and removed is added."""
    old: Said = {} if edit.back else said
    removed = set(edit.remove)
    tags = _once(old.get("tags", ()), edit.add, but=removed.difference(edit.add))
    without = _once(old.get("without", ()), edit.remove, but=set(edit.add))
    found: Said = {}
    if tags:
        found["tags"] = tags
    if without:
        found["without"] = without
    rating = old.get("rating") if edit.rating is LEAVE else edit.rating
    if isinstance(rating, int):
        found["rating"] = rating
    caption = old.get("caption") if edit.caption is LEAVE else edit.caption
    if isinstance(caption, str):
        found["caption"] = caption
    return found


def _once(*lists: Iterable[str], but: set[str]) -> list[str]:
    every = dict.fromkeys(word for some in lists for word in some)
    return [word for word in every if word not in but]
