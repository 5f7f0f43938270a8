"""What people type: free words beside `camera:canon iso:>=800 taken:2024-05..2024-06 -people`.

    words                    looked for by meaning, and by word in captions, titles, tags and names
    "some words"             the same, and the image must say them so
    -word, -"some words"     pushed away by meaning, and no image that says so
    field:value              a condition; -field:value its opposite; quotes hold spaces together
    >=a  <a  a..b  a..  ..b  bounds of numbers and dates; b is included
    near:lat,lon[,radius]    radius as 25km or 300m, 1km by itself
    box:south,west,north,east    a rectangle of degrees

Names (camera, lens, tag, format, folder, orientation) are matched by their words, whatever the case
and the accents: `camera:canon` means every camera that says so. Which values there are only the
index knows: `bind` asks it.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from pdray.errors import UsageError
from pdray.index.filters import AnyOf, Box, Condition, Dates, Missing, Near, Range, Words
from pdray.search.vocabulary import Vocabulary, folded

# What is typed, and the payload field that it means.
NAMES = {
    "camera": "camera",
    "make": "camera_make",
    "model": "camera_model",
    "lens": "lens",
    "tag": "keywords",
    "format": "format",
    "orientation": "orientation",
    "folder": "folders",
}
NUMBERS = {
    "iso": "iso",
    "rating": "rating",
    "width": "width",
    "height": "height",
    "size": "size",
    "mp": "pixels",
    "f": "f_number",
    "focal": "focal_length_mm",
    "exposure": "exposure_seconds",
    "altitude": "altitude_m",
}
PRESENCE = {
    "date": "taken_at",
    "place": "location",
    "camera": "camera",
    "lens": "lens",
    "tag": "keywords",
    "rating": "rating",
    "caption": "caption",
}
FIELDS = (*NAMES, *NUMBERS, "taken", "near", "box", "has")

TEXT = "text"
# Words that say nothing of a picture: an image need not hold them to match by word.
_EMPTY = frozenset(
    (
        *("a", "an", "and", "at", "by", "for", "from", "in", "is", "of", "on", "or", "the", "to"),
        *("with", "de", "del", "el", "en", "la", "las", "los", "un", "una", "y"),
    )
)
_SHOWN = 8
_UNITS = {"size": {"kb": 1e3, "mb": 1e6, "gb": 1e9}, "mp": {"": 1e6, "mp": 1e6}}
_TOKEN = re.compile(r'(-?)(?:([A-Za-z]+):)?(?:"([^"]*)"|(\S+))')
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(?:/(\d+(?:\.\d+)?))?([a-z]*)", re.I)
_RADIUS = re.compile(r"(\d+(?:\.\d+)?)(km|m)", re.I)


@dataclass(frozen=True, slots=True)
class Named:
    """A field that is matched by the words of its value; `typed` is how the person named it."""

    field: str
    value: str
    typed: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A query taken apart. `words` and `without` are for the model, the rest narrows."""

    words: str = ""
    without: tuple[str, ...] = ()
    must: tuple[Condition | Named, ...] = ()
    must_not: tuple[Condition | Named, ...] = ()


def parse(text: str) -> Parsed:
    """Takes a query apart. Raises UsageError that names the part at fault and what would do."""
    words: list[str] = []
    without: list[str] = []
    must: list[Condition | Named] = []
    must_not: list[Condition | Named] = []
    for minus, field, quoted, bare in _TOKEN.findall(text):
        value = quoted or bare
        if field and not bare.startswith("//"):  # a URL is words
            (must_not if minus else must).append(_condition(field.lower(), value.strip()))
        elif minus and value:
            without.append(value)
            must_not.append(Words(TEXT, value, phrase=bool(quoted)))
        else:
            words.append(f"{field}:{value}" if field else value)
            if quoted:
                must.append(Words(TEXT, quoted, phrase=True))
    return Parsed(" ".join(words).strip(), tuple(without), tuple(must), tuple(must_not))


def bind(
    conditions: Iterable[Condition | Named], values: Callable[[str], Mapping[str, int]]
) -> tuple[Condition, ...]:
    """Conditions without names: each Named becomes the values that hold its words.

    `values` answers a payload field with its values and their counts. A name that nothing holds
    matches nothing.
    """
    return tuple(
        AnyOf(each.field, tuple(_holding(each, values(each.field))))
        if isinstance(each, Named)
        else each
        for each in conditions
    )


def unmatched(
    conditions: Iterable[Condition | Named], values: Callable[[str], Mapping[str, int]]
) -> Iterator[str]:
    """For each name that nothing holds a sentence that says what there is."""
    for each in conditions:
        if isinstance(each, Named) and not _holding(each, values(each.field)):
            some = list(values(each.field))[:_SHOWN]
            there = f"there are {', '.join(some)}" if some else "no image says one"
            more = " and others" if len(values(each.field)) > _SHOWN else ""
            yield f"No {each.typed} here is called {each.value}; {there}{more}."


def tagged(words: str, values: Mapping[str, int]) -> tuple[str, ...]:
    """The tags that the words name whole: "sea" and "blue sky" in "a blue sky at sea"."""
    known = values if isinstance(values, Vocabulary) else Vocabulary(values)
    return known.named(folded(words))


def telling(words: str) -> str:
    """The words that tell something; "" for none."""
    return " ".join(word for word in folded(words) if word not in _EMPTY)


def begins(value: str, typed: str) -> bool:
    """Whether every word of what is typed begins one of the value's."""
    return _holds(folded(value), folded(typed))


def _holding(name: Named, values: Mapping[str, int]) -> list[str]:
    if name.field == "folders":
        whole = name.value.rstrip("/")
        if whole in values:  # an address as the catalog writes it means that folder alone
            return [whole]
        return [path for path in values if _is_folder(path, name.value)]
    wanted = folded(name.value)
    return [value for value in values if _holds(folded(value), wanted)]


def _holds(have: list[str], wanted: list[str]) -> bool:
    """Whether every word begins one of the value's: "canon 5" holds for "canon eos 5d"."""
    return bool(wanted) and all(any(word.startswith(w) for word in have) for w in wanted)


def _is_folder(path: str, wanted: str) -> bool:
    """By its name, or by its last names, or by the whole of it."""
    shown = unquote(path).rstrip("/")
    return f"/{shown.casefold()}".endswith(f"/{wanted.strip('/').casefold()}")


def _condition(field: str, value: str) -> Condition | Named:
    if not value:
        raise UsageError(f"{field}: says nothing; write a value after the colon.")
    if field in NAMES:
        return Named(NAMES[field], value, field)
    if field in NUMBERS:
        return _range(field, value)
    if field == "taken":
        return _dates(value)
    if field == "near":
        return _near(value)
    if field == "box":
        return _box(value)
    if field == "has":
        return _has(value)
    raise UsageError(
        f"There is no field {field}: use one of {', '.join(FIELDS)}, or put the words in quotes."
    )


def _has(value: str) -> Condition:
    if value.lower() not in PRESENCE:
        raise UsageError(f"has:{value} is unknown: it can be {', '.join(PRESENCE)}.")
    return Missing(PRESENCE[value.lower()], present=True)


def _split(value: str) -> tuple[str | None, str | None, bool, bool]:
    """(lower, upper, lower included, upper included) of a bound as it is typed."""
    for sign, lower in ((">=", True), ("<=", False), (">", True), ("<", False)):
        if value.startswith(sign):
            bound, included = value[len(sign) :], sign.endswith("=")
            return (bound, None, included, True) if lower else (None, bound, True, included)
    first, dots, last = value.partition("..")
    return (first or None, last or None, True, True) if dots else (value, value, True, True)


def _range(field: str, value: str) -> Range:
    lower, upper, with_lower, with_upper = _split(value)
    low = None if lower is None else _number(field, lower, value)
    high = None if upper is None else _number(field, upper, value)
    if lower is not None and lower == upper and field in ("mp", "f", "focal", "exposure"):
        # Nobody types all digits of a measured number: 12 MP are 12.0 to 12.99, f:2.8 is 2.8.
        low, high = _about(field, low or 0.0)
    if low is not None and high is not None and low > high:
        raise UsageError(f"{field}:{value} is empty: {upper} comes before {lower}.")
    return Range(
        NUMBERS[field],
        gte=low if with_lower else None,
        gt=None if with_lower else low,
        lte=high if with_upper else None,
        lt=None if with_upper else high,
    )


def _about(field: str, value: float) -> tuple[float, float]:
    if field == "mp":
        return value, value + 1e6 - 1
    return value * 0.99, value * 1.01


def _number(field: str, text: str, whole: str) -> float:
    found = _NUMBER.fullmatch(text)
    unit = found[3].lower() if found else ""
    units = _UNITS.get(field, {"": 1.0, "mm": 1.0, "s": 1.0, "m": 1.0})
    if not found or (unit and unit not in units):
        raise UsageError(
            f"{field}:{whole} is no number: write {field}:100, {field}:>=100 or {field}:100..200."
        )
    value = float(found[1]) * units.get(unit, 1.0)
    return value / float(found[2]) if found[2] and float(found[2]) else value


def _dates(value: str) -> Dates:
    lower, upper, with_lower, with_upper = _split(value)
    first = None if lower is None else _day(lower, value)
    last = None if upper is None else _day(upper, value)
    if first and last and first[0] > last[1]:
        raise UsageError(f"taken:{value} is empty: {upper} comes before {lower}.")
    # A year or a month as a lower bound that is not included ends with its last day.
    return Dates(
        gte=first[0] if first and with_lower else None,
        gt=first[1] if first and not with_lower else None,
        lte=last[1] if last and with_upper else None,
        lt=last[0] if last and not with_upper else None,
    )


def _day(text: str, whole: str) -> tuple[str, str]:
    """The first and the last moment of a year, a month or a day."""
    found = _DATE.fullmatch(text)
    try:
        assert found is not None
        year, month, day = int(found[1]), int(found[2] or 0), int(found[3] or 0)
        last_month = month or 12
        last_day = day or monthrange(year, last_month)[1]
        if not year or day > monthrange(year, last_month)[1]:
            raise ValueError
    except (AssertionError, ValueError) as error:  # monthrange raises ValueError for month 13
        raise UsageError(
            f"taken:{whole} is no date: write taken:2024, taken:2024-05, taken:2024-05-03, or two "
            "of them with .. between."
        ) from error
    start = f"{year:04}-{month or 1:02}-{day or 1:02}T00:00:00"
    return start, f"{year:04}-{last_month:02}-{last_day:02}T23:59:59.999999"


def _near(value: str) -> Near:
    parts = [part.strip() for part in value.split(",")]
    radius = _RADIUS.fullmatch(parts[2]) if len(parts) == 3 else None
    try:
        if len(parts) not in (2, 3) or (len(parts) == 3 and radius is None):
            raise ValueError
        lat, lon = float(parts[0]), float(parts[1])
        if not (abs(lat) <= 90 and abs(lon) <= 180):
            raise ValueError
    except ValueError as error:
        raise UsageError(
            f"near:{value} is no place: write near:38.7,-9.1,25km (latitude, longitude, radius)."
        ) from error
    metres = 1000.0
    if radius:
        metres = float(radius[1]) * (1000.0 if radius[2].lower() == "km" else 1.0)
    return Near(lon, lat, metres)


def _box(value: str) -> Box:
    try:
        south, west, north, east = (float(part) for part in value.split(","))
        if not (-90 <= south <= north <= 90 and abs(west) <= 180 and abs(east) <= 180):
            raise ValueError
    except ValueError as error:
        raise UsageError(
            f"box:{value} is no rectangle: write box:38.6,-9.3,38.8,-9.0 (south, west, north, "
            "east)."
        ) from error
    return Box(north, west, south, east)
