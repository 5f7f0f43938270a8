"""From a catalog row to a Qdrant point: pure functions of values."""

import math
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from pdray.records import ImageRecord, Metadata, Said, Thumbnail

# Every payload key that ingestion writes. What people say of an image is laid over some of them
# (overlay.py).
MACHINE_KEYS = frozenset(
    {
        "collection",
        "uri",
        "folders",
        "name",
        "version",
        "seq",
        "content_id",
        "phash",
        "format",
        "width",
        "height",
        "pixels",
        "orientation",
        "size",
        "taken_at",
        "taken_local",
        "camera_make",
        "camera_model",
        "camera",
        "lens",
        "exposure_seconds",
        "f_number",
        "iso",
        "focal_length_mm",
        "location",
        "altitude_m",
        "title",
        "description",
        "keywords",
        "rating",
        "caption",
        "caption_by",
        "text",
        "thumb",
    }
)

_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Point:
    """What the index stores of one image: `id` is a canonical UUID, `vector` a float32 row of
    length dim (Qdrant normalises it), `payload` as `payload` makes it. `said` is what people say
    of it, for a point that isn't there yet: one that is keeps what it has.
    """

    id: str
    vector: NDArray[np.float32]
    payload: dict[str, Any]
    said: Said | None = None


@dataclass(frozen=True, slots=True)
class Derived:
    """A caption that a model made, and the model's name."""

    caption: str
    by: str


def payload(collection: str, record: ImageRecord, derived: Derived | None = None) -> dict[str, Any]:
    """The machine keys of one live row. A key whose value is unknown is absent, never None.

    `folders` holds the parent and every ancestor (see `folders`), so one equality filters a whole
    tree. `taken_at` is RFC 3339 in UTC, where a time without zone is taken as UTC; `taken_local`
    is what the camera wrote. `camera` is make and model, lower-case, without saying the make twice.
    `caption` is what the image's source says, else the derived one, and then `caption_by` names the
    model. `text` is all that is said of the image, by either, for words to match. `location` is
    {"lon", "lat"} in degrees. `thumb` is {"pack", "offset", "length"}.
    """
    found: dict[str, Any] = {
        "collection": collection,
        "uri": record.uri,
        "folders": list(folders(record.uri)),
        "name": (name := unquote(record.uri.rsplit("/", 1)[-1])),
        "text": _text(name, record.metadata, derived),
        "version": record.version,
        "seq": record.seq,
        "content_id": record.content_id,
        "phash": record.phash,
        "format": record.format,
        "size": record.size,
        "thumb": _thumb(record.thumbnail),
        **_shape(record.width, record.height),
        **_metadata(record.metadata),
    }
    if derived and not record.metadata.caption:
        found |= {"caption": derived.caption, "caption_by": derived.by}
    kept = ((key, _storable(value)) for key, value in found.items() if value is not None)
    return {key: value for key, value in kept if value is not None}


def folders(uri: str) -> tuple[str, ...]:
    """The folders above a uri, nearest first, without trailing slash; the root is left out.

    `file:///a/b/c.jpg` lies in `file:///a/b` and `file:///a`, `s3://bucket/c.jpg` in `s3://bucket`.
    """
    return _tree(uri.rpartition("/")[0])


@lru_cache(maxsize=1_024)  # a run's images come folder by folder
def _tree(folder: str) -> tuple[str, ...]:
    scheme, mark, rest = f"{folder}/".partition("://")
    if not mark:
        scheme, rest = "", f"{folder}/"
    above = rest.split("/")[:-1]
    paths = ("/".join(above[:depth]) for depth in range(len(above), 0, -1))
    return tuple(f"{scheme}{mark}{path}" for path in paths if path)


def _shape(width: int | None, height: int | None) -> dict[str, Any]:
    if not width or not height:
        return {}
    turned = "square" if width == height else "landscape" if width > height else "portrait"
    return {"width": width, "height": height, "pixels": width * height, "orientation": turned}


# Metadata that is stored as it is. Not through asdict, which takes as long as all the rest.
_TURNED = {"taken_at", "latitude", "longitude", "keywords", "extra"}
_PLAIN = tuple(field.name for field in fields(Metadata) if field.name not in _TURNED)


def _metadata(data: Metadata) -> dict[str, Any]:
    return {
        **{name: getattr(data, name) for name in _PLAIN},
        "taken_at": instant(data.taken_at),
        "taken_local": data.taken_at,
        "camera": _camera(data.camera_make, data.camera_model),
        "location": _location(data.latitude, data.longitude),
        "keywords": list(data.keywords) or None,
    }


def _text(name: str, data: Metadata, derived: Derived | None) -> str:
    parts = [name.rpartition(".")[0] or name, data.title, data.description, data.caption]
    if derived:
        parts.append(derived.caption)
    return "\n".join(part for part in (*parts, *data.keywords) if part)


def instant(written: str | None) -> str | None:
    """ISO 8601 text as RFC 3339 in UTC with microseconds only where there are any; None for what
    is no date. A time without zone is taken as UTC.
    """
    if written is None:
        return None
    try:
        when = datetime.fromisoformat(written)
        # astimezone overflows at the ends of the calendar
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return when.replace(tzinfo=None).isoformat() + "Z"


@lru_cache(maxsize=1_024)
def _camera(make: str | None, model: str | None) -> str | None:
    brand, kind = ((text or "").lower().split() for text in (make, model))
    if brand and kind and kind[0] == brand[0]:
        brand = []
    return " ".join([*brand, *kind]) or None


def _location(latitude: float | None, longitude: float | None) -> dict[str, float] | None:
    if latitude is None or longitude is None:
        return None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):  # NaN fails both
        return None
    return {"lon": longitude, "lat": latitude}


def _thumb(thumbnail: Thumbnail | None) -> dict[str, Any] | None:
    if thumbnail is None:
        return None
    return {"pack": thumbnail.pack, "offset": thumbnail.offset, "length": thumbnail.length}


def _storable(value: Any) -> Any:
    """The value as JSON and Qdrant take it, or None: files say NaN, lone surrogates and huge
    integers, and one of them would refuse its whole batch.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return None
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value
