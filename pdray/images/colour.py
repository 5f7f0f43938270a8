"""Any Pillow mode to 8 bits of grey ("L") or colour ("RGB")."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pdray.images.errors import ImageError

_ALPHA_MODES = {"LA", "La", "PA", "RGBA", "RGBa"}
_BITS_PER_SAMPLE = 258  # TIFF tag


def to_grey_or_rgb(image: Image.Image) -> Image.Image:
    """A loaded image in mode "L" or "RGB"; transparency is laid on white, as a page would show it.

    Deep grey is scaled by its depth, not clipped as Pillow's own conversion does. Raises ImageError
    "unsupported" for a colour space without a conversion.
    """
    mode = image.mode
    if mode.startswith("I;16"):
        return _from_16_bits(image)
    if mode == "I":
        return Image.fromarray(_from_integers(np.asarray(image)))
    if mode == "F":
        return Image.fromarray(_from_floats(np.asarray(image)))
    if mode in _ALPHA_MODES or "transparency" in image.info:
        return _on_white(image)
    if mode in ("L", "RGB"):
        return image
    try:
        return image.convert("L" if mode == "1" else "RGB")
    except ValueError as error:
        raise ImageError(
            "unsupported", f"The colour space {mode} has no conversion to RGB; save it as sRGB."
        ) from error


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in ("La", "RGBa"):  # premultiplied: Pillow converts them one step at a time
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    coloured = image.convert("RGBA")
    alpha = coloured.getchannel("A")
    lowest, _ = alpha.getextrema()
    if lowest == 255:
        return coloured.convert("RGB")
    page = Image.new("RGB", coloured.size, (255, 255, 255))
    page.paste(coloured, mask=alpha)
    return page


def _from_16_bits(image: Image.Image) -> Image.Image:
    bits = 16
    declared = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE)  # TIFF keeps 12 bits in 16
    if declared and 8 < declared[0] < 16:
        bits = declared[0]
    values = np.asarray(image)
    return Image.fromarray((values >> (bits - 8)).astype(np.uint8))


def _from_integers(values: NDArray[np.int32]) -> NDArray[np.uint8]:
    """32-bit grey: taken as 8 or 16 bits deep where the values fit, else stretched to its range."""
    low, high = int(values.min()), int(values.max())
    if low >= 0 and high <= 255:
        return values.astype(np.uint8)
    if low >= 0 and high <= 65_535:
        return (values >> 8).astype(np.uint8)
    return _stretched(values.astype(np.float64), low, high)


def _from_floats(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Floating grey: 0 to 1 and 0 to 255 as they are, else stretched; no number is black."""
    finite = np.isfinite(values)
    if not finite.all():
        values = np.where(finite, values, values[finite].min() if finite.any() else 0.0)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return (values * 255 + 0.5).astype(np.uint8)
    if low >= 0 and high <= 255:
        return (values + 0.5).clip(0, 255).astype(np.uint8)
    return _stretched(values.astype(np.float64), low, high)


def _stretched(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    if high == low:
        return np.zeros(values.shape, np.uint8)
    return ((values - low) * (255 / (high - low)) + 0.5).astype(np.uint8)
