"""What a text that somebody types may become: field names, and values that there are."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import unquote

from pdray.search.language import FIELDS, NAMES, PRESENCE, begins

Values = Callable[[str], Mapping[str, int]]  # a payload field to its values with their counts

_ELSEWHERE = ("tag", "camera", "lens", "folder")  # whose values a bare word may mean
_LAST = re.compile(r'(?:^|(?<=\s))(-?)(?:([A-Za-z]+):)?("[^"]*|[^\s"]*)$')


@dataclass(frozen=True, slots=True)
class Completion:
    """`query` is the whole text with `insert` in the last word's place; the others where it is a
    value: of which field, and how many images have it.
    """

    query: str
    insert: str
    field: str | None = None
    value: str | None = None
    count: int | None = None


def complete(text: str, values: Values, limit: int) -> list[Completion]:
    """The likeliest first; of an empty text the fields."""
    found = _LAST.search(text)
    if found is None:
        return []
    minus, field, word = found[1], found[2], found[3].lstrip('"')
    if field is None:
        some = _anywhere(word, values, quoted=found[3].startswith('"'))
    else:
        some = _of_field(field.lower(), word, values)
    if field is None and not word and (text.strip() or minus):
        return []
    before = text[: found.start()] + minus
    return [
        Completion(before + insert, minus + insert, name, value, count)
        for insert, name, value, count in islice(some, limit)
    ]


_Some = Iterator[tuple[str, str | None, str | None, int | None]]


def _anywhere(word: str, values: Values, *, quoted: bool) -> _Some:
    if not quoted:
        for name in FIELDS:
            if name.startswith(word.lower()):
                yield f"{name}:", name, None, None
    if word:
        for name in _ELSEWHERE:
            yield from _of_field(name, word, values)


def _of_field(field: str, word: str, values: Values) -> _Some:
    if field == "has":
        for name in PRESENCE:
            if name.startswith(word.lower()):
                yield f"has:{name}", "has", name, None
    elif field in NAMES:
        seen: set[str] = set()
        for value, count in values(NAMES[field]).items():
            shown = unquote(value).rstrip("/").rpartition("/")[2] if field == "folder" else value
            insert = f"{field}:{_quoted(shown)}"
            if insert not in seen and shown.strip() and (not word or begins(shown, word)):
                seen.add(insert)
                yield insert, field, value, count


def _quoted(value: str) -> str:
    """As the language takes it: names match by their words, so a quote may go."""
    plain = " ".join(value.replace('"', " ").split())
    return f'"{plain}"' if " " in plain else plain
