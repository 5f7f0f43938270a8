"""EXIF: what the camera wrote, read by exifread from the block that Pillow found in any format."""

import functools
import io
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from pdray.images.exif_block import exif_block
from pdray.images.text import clean, distinct
from pdray.images.timestamp import timestamp


@dataclass(frozen=True, slots=True)
class Exif:
    """What is read of it, in SI units; None where it is absent or absurd."""

    taken_at: str | None = None
    modified_at: str | None = None
    make: str | None = None
    model: str | None = None
    lens: str | None = None
    exposure_seconds: float | None = None
    f_number: float | None = None
    iso: int | None = None
    focal_length_mm: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    altitude_m: float | None = None
    title: str | None = None
    description: str | None = None
    keywords: tuple[str, ...] = ()
    rating: int | None = None


def read_exif(image: Image.Image) -> Exif:
    """EXIF of an opened image; empty where there is none. Raises what the parser raises."""
    block = exif_block(image)
    if not block:
        return Exif()
    tags = _process()(io.BytesIO(block), details=False, extract_thumbnail=False)
    latitude, longitude = _position(tags)
    rating = _number(tags, "Image Rating")
    iso = _number(tags, "EXIF ISOSpeedRatings")
    return Exif(
        taken_at=_taken_at(tags),
        modified_at=_moment(tags, "Image DateTime", "EXIF OffsetTime"),
        make=_text(tags, "Image Make"),
        model=_text(tags, "Image Model"),
        lens=_text(tags, "EXIF LensModel"),
        exposure_seconds=_positive(_number(tags, "EXIF ExposureTime")),
        f_number=_positive(_number(tags, "EXIF FNumber")),
        iso=int(iso) if iso and 0 < iso < 2**31 else None,
        focal_length_mm=_positive(_number(tags, "EXIF FocalLength")),
        latitude=latitude,
        longitude=longitude,
        altitude_m=_altitude(tags),
        title=_windows_text(tags, "Image XPTitle"),
        description=_text(tags, "Image ImageDescription"),
        keywords=_windows_keywords(tags),
        rating=int(rating) if rating is not None and 0 <= rating <= 5 else None,
    )


@functools.cache
def _process() -> Callable[..., dict[str, Any]]:
    import exifread  # here: a bare machine need not have it

    # It warns of every odd field of every damaged file; with no handler those reach the terminal.
    logging.getLogger("exifread").setLevel(logging.CRITICAL)
    process: Callable[..., dict[str, Any]] = exifread.process_file
    return process


def _values(tags: Mapping[str, Any], name: str) -> Any:
    return getattr(tags.get(name), "values", None)


def _text(tags: Mapping[str, Any], name: str) -> str | None:
    return clean(_values(tags, name))


def _numbers(tags: Mapping[str, Any], name: str) -> list[float]:
    """All values as finite floats; empty if one is none (cameras write 0/0 for unknown)."""
    values = _values(tags, name)
    if not isinstance(values, list):
        return []
    try:
        numbers = [float(v[0] if isinstance(v, tuple) else v) for v in values]
    except (ValueError, TypeError, ZeroDivisionError, OverflowError):
        return []
    return numbers if all(math.isfinite(number) for number in numbers) else []


def _number(tags: Mapping[str, Any], name: str) -> float | None:
    return next(iter(_numbers(tags, name)), None)


def _positive(number: float | None) -> float | None:
    return number if number is not None and number > 0 else None


def _moment(tags: Mapping[str, Any], name: str, zone: str) -> str | None:
    return timestamp(_text(tags, name), _text(tags, zone))


def _taken_at(tags: Mapping[str, Any]) -> str | None:
    return _moment(tags, "EXIF DateTimeOriginal", "EXIF OffsetTimeOriginal") or _moment(
        tags, "EXIF DateTimeDigitized", "EXIF OffsetTimeDigitized"
    )


def _position(tags: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """(latitude, longitude) in degrees; neither without the other.

    Exactly (0, 0) is what a receiver without a fix writes, and counts as none.
    """
    latitude = _degrees(tags, "GPS GPSLatitude", "S", 90)
    longitude = _degrees(tags, "GPS GPSLongitude", "W", 180)
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None, None
    return latitude, longitude


def _degrees(tags: Mapping[str, Any], name: str, negative: str, limit: float) -> float | None:
    parts = _numbers(tags, name)
    if not 1 <= len(parts) <= 3:
        return None
    degrees = sum(part / 60**power for power, part in enumerate(parts))
    if (_text(tags, f"{name}Ref") or "").upper().startswith(negative):
        degrees = -degrees
    return degrees if abs(degrees) <= limit else None


def _altitude(tags: Mapping[str, Any]) -> float | None:
    metres = _number(tags, "GPS GPSAltitude")
    if metres is None:
        return None
    below = _number(tags, "GPS GPSAltitudeRef") == 1
    return -metres if below else metres


def _windows_text(tags: Mapping[str, Any], name: str) -> str | None:
    """Windows Explorer's own tags: UTF-16, little-endian whatever the block's order."""
    values = _values(tags, name)
    if not isinstance(values, list) or not all(isinstance(v, int) and 0 <= v < 256 for v in values):
        return None
    return clean(bytes(values).decode("utf-16-le", "ignore"))


def _windows_keywords(tags: Mapping[str, Any]) -> tuple[str, ...]:
    return distinct(
        clean(word) for word in (_windows_text(tags, "Image XPKeywords") or "").split(";")
    )
