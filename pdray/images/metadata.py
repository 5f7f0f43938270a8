"""What an image says of itself: EXIF, XMP and IPTC merged into one Metadata.

Where several speak, the one that people edit wins: XMP, then IPTC, then EXIF. For what the camera
measured it is EXIF first.
"""

from collections.abc import Callable
from typing import TypeVar

from PIL import Image

from pdray import log
from pdray.images.exif import Exif, read_exif
from pdray.images.iptc import Iptc, read_iptc
from pdray.images.text import distinct
from pdray.images.timestamp import timestamp
from pdray.images.xmp import Xmp, read_xmp
from pdray.records import Metadata

_MAX_KEYWORDS = 200

T = TypeVar("T")


def read_metadata(image: Image.Image) -> Metadata:
    """Metadata of an image that Pillow has opened. Never raises: what is damaged is left out."""
    exif = _or_empty(read_exif, image, Exif())
    xmp = _or_empty(read_xmp, image, Xmp())
    iptc = _or_empty(read_iptc, image, Iptc())
    keywords = distinct((*xmp.keywords, *iptc.keywords, *exif.keywords))
    return Metadata(
        taken_at=_first(exif.taken_at, timestamp(xmp.created), exif.modified_at),
        camera_make=exif.make,
        camera_model=exif.model,
        lens=_first(exif.lens, xmp.lens),
        exposure_seconds=exif.exposure_seconds,
        f_number=exif.f_number,
        iso=exif.iso,
        focal_length_mm=exif.focal_length_mm,
        latitude=exif.latitude,
        longitude=exif.longitude,
        altitude_m=exif.altitude_m,
        title=_first(xmp.title, iptc.title, exif.title),
        description=_first(xmp.description, iptc.caption, exif.description),
        keywords=keywords[:_MAX_KEYWORDS],
        rating=xmp.rating if xmp.rating is not None else exif.rating,
    )


def _or_empty(read: Callable[[Image.Image], T], image: Image.Image, empty: T) -> T:
    try:
        return read(image)
    except ImportError as error:  # a bare machine has no parsers: pixels matter there
        _warn_once(str(error.name))
    except Exception:  # on hostile bytes a parser may raise anything
        return empty
    return empty


_warned: set[str] = set()


def _warn_once(module: str) -> None:
    if module not in _warned:
        _warned.add(module)
        log.get("images").warning("%s is not installed: its metadata are left out.", module)


def _first(*values: str | None) -> str | None:
    return next((value for value in values if value), None)
