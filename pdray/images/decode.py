"""Bytes to an upright 8-bit picture: one decode, no larger than what is asked of it needs."""

import functools
import importlib
import io
import re
from collections.abc import Iterable
from typing import cast

from PIL import Image, ImageFile

from pdray.images.colour import to_grey_or_rgb
from pdray.images.endings import is_short, is_zero_filled
from pdray.images.errors import ImageError, Kind
from pdray.images.formats import sniff
from pdray.images.orientation import read_orientation, swaps_sides, upright
from pdray.images.resize import Picture
from pdray.records import Preprocessing

MAX_PIXELS = 200_000_000
MAX_SIDE = 65_535  # beyond it Pillow's resampling boxes (32-bit floats) lose precision

# A JPEG is decoded at 1/2, 1/4 or 1/8 while its sides stay this many times what the model gets.
# Against a full decode, over scenes with hard edges and noise: pixel RMS 0.8/255 at 2.0, 0.9 to 1.3
# at 1.5, 1.7 at 1.25, 2.6 at 1.0. At 1.5 a 1024x768 photograph is decoded at 512x384 for a model of
# 224, which halves the time of decode and resize together.
DRAFT_MARGIN = 1.5

# Pillow's classes are built without Image.open: its own pixel limit is a process-wide setting that
# warns at 89 million pixels and raises at 179, and its registry lets a plugin change what is read.
_PLUGINS = {
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "ppm": ("PIL.PpmImagePlugin", "PpmImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "jpeg2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "heif": ("pillow_heif", "HeifImageFile"),
}

_TRUNCATED = re.compile(r"truncat|not enough|unexpected end|end of file|unrecognized data", re.I)
_UNSUPPORTED = re.compile(r"cannot handle|unsupported|not supported|unknown pixel mode", re.I)


def open_header(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[ImageFile.ImageFile, str]:
    """The image with only its header read, and its format's name.

    Raises ImageError; "too-large" is decided here, before anything is decoded.
    """
    name = sniff(data)
    plugin = _plugin(name)
    try:
        image = plugin(io.BytesIO(data))
    except Exception as error:  # on hostile bytes a decoder may raise anything
        raise _as_image_error(error, data, name) from error
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError("corrupt", f"The header gives an empty picture of {width}x{height}.")
    if width > MAX_SIDE or height > MAX_SIDE:
        raise ImageError(
            "too-large", f"{width}x{height} has a side above the limit of {MAX_SIDE:,} pixels."
        )
    if width * height > max_pixels:
        raise ImageError(
            "too-large", f"{width}x{height} is above the limit of {max_pixels:,} pixels."
        )
    return image, name


def decode(
    image: ImageFile.ImageFile, name: str, data: bytes, rules: Iterable[Preprocessing], side: int
) -> Picture:
    """Decodes what `open_header` opened, upright and in "L" or "RGB".

    A JPEG is reduced as far as every rule of `rules` and a thumbnail of `side` allow. Raises
    ImageError "truncated" rather than accept a picture that is grey from some line on.
    """
    width, height = image.size
    orientation = read_orientation(image) if name == "jpeg" else 1
    scale = 1
    if is_zero_filled(data, name):
        raise ImageError("truncated", "The file ends in zeros: the end of the picture is missing.")
    if name == "jpeg":
        scale = _draft_scale(image.size, swaps_sides(orientation), rules, side)
        if scale > 1:
            image.draft(None, (width // scale, height // scale))
    try:
        if name == "tiff":
            _give_canvas(image)
        image.load()
        picture = to_grey_or_rgb(image)
    except ImageError:
        raise
    except Exception as error:  # as in open_header
        raise _as_image_error(error, data, name) from error
    if name != "jpeg":  # TIFF turns itself while it loads, and keeps no such block
        orientation = read_orientation(image)
        width, height = image.size
    picture, box = upright(picture, (0.0, 0.0, width / scale, height / scale), orientation)
    if swaps_sides(orientation):
        width, height = height, width
    return Picture(picture, box, width, height, name)


def _give_canvas(image: ImageFile.ImageFile) -> None:
    """Allocates what a large TIFF decodes into: where Pillow does it, it applies its own limit."""
    width, height = getattr(image, "_tile_size", image.size)
    if Image.MAX_IMAGE_PIXELS and MAX_PIXELS >= width * height > Image.MAX_IMAGE_PIXELS:
        image.im = Image.new(image.mode, (width, height)).im


def _draft_scale(
    size: tuple[int, int], swapped: bool, rules: Iterable[Preprocessing], side: int
) -> int:
    """1, 2, 4 or 8: the strongest reduction that still serves all."""
    width, height = reversed(size) if swapped else size
    room = min(max(width, height) / side, min(width, height))  # a strip keeps a row of pixels
    for rule in rules:
        if rule.mode == "exact":
            spare = min(width / rule.width, height / rule.height)
        else:
            spare = min(width, height) / rule.edge
        room = min(room, spare / DRAFT_MARGIN)
    return next((scale for scale in (8, 4, 2) if room >= scale), 1)


@functools.cache
def _plugin(name: str) -> type[ImageFile.ImageFile]:
    module, cls = _PLUGINS[name]
    try:
        return cast(type[ImageFile.ImageFile], getattr(importlib.import_module(module), cls))
    except ImportError as error:
        raise ImageError(
            "needs-extra",
            "HEIC images need a package that is missing here: run `pip install pillow-heif`.",
        ) from error


def _as_image_error(error: Exception, data: bytes, name: str) -> ImageError:
    said = " ".join(str(error).split()).replace(". ", "; ").rstrip(".")
    kind: Kind = "corrupt"
    if isinstance(error, Image.DecompressionBombError):
        return ImageError("too-large", f"The {name} data ask for more pixels than can be decoded.")
    if isinstance(error, MemoryError):
        return ImageError("too-large", f"The {name} data ask for more memory than there is.")
    if isinstance(error, EOFError) or _TRUNCATED.search(said) or is_short(data, name):
        kind = "truncated"
    elif isinstance(error, NotImplementedError) or _UNSUPPORTED.search(said):
        kind = "unsupported"
    what = {
        "truncated": "end early: the end of the picture is missing",
        "unsupported": "are of a kind that pdray does not read",
        "corrupt": "are damaged and can't be decoded",
    }[kind]
    detail = f" ({said[:120]})" if said else ""
    return ImageError(kind, f"The {name} data {what}{detail}.")
