"""The resize and crop rule of a model, in agreement with its own processor."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pdray.images.orientation import Box
from pdray.records import Preprocessing

# Resizes a whole picture in mode "RGB" to (width, height), within a level or two of what Pillow
# gives, or None where it doesn't know the filter: models/resizing.py, in a sixth of Pillow's time.
Resize = Callable[[Image.Image, tuple[int, int], Image.Resampling], Image.Image | None]

_STRIP = 4  # times longer than wide, beyond which only the window is resized


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image, upright, in mode "L" or "RGB", perhaps at a fraction of its size.

    `box` is where the picture lies in `image`: a JPEG decoded at 1/8 rounds its sides up, and
    ignoring that fraction of a pixel costs more than the reduced decode itself (measured: 3 levels
    against 1). `width` and `height` are the full size as shown.
    """

    image: Image.Image
    box: Box
    width: int
    height: int
    format: str


def resized_size(width: int, height: int, rule: Preprocessing) -> tuple[int, int]:
    """(width, height) before the crop: transformers' `get_resize_output_image_size` truncates."""
    if rule.mode == "exact":
        return rule.width, rule.height
    if width <= height:
        return rule.edge, int(rule.edge * height / width)
    return int(rule.edge * width / height), rule.edge


def scaled(
    picture: Picture,
    size: tuple[int, int],
    method: Image.Resampling,
    resize: Resize | None,
    gap: float | None = None,
) -> Image.Image:
    """The whole picture at another size; `gap` is Pillow's `reducing_gap`."""
    image = picture.image
    if (
        resize
        and image.mode == "RGB"
        and picture.box == (0.0, 0.0, float(image.width), float(image.height))
    ):
        found = resize(image, size, method)
        if found is not None:
            return found
    return image.resize(size, method, box=picture.box, reducing_gap=gap)


def model_pixels(
    picture: Picture, rule: Preprocessing, resize: Resize | None = None
) -> NDArray[np.uint8]:
    """Pixels as the model wants them, uint8 of shape (height, width, 3), not normalised.

    Of wide pictures and of strips only the part that the centre crop keeps is resampled, so that
    neither time nor memory grows with the aspect. Where the resized image is smaller than the crop
    it is padded with black, as transformers' `center_crop` does.
    """
    full_width, full_height = resized_size(picture.width, picture.height, rule)
    left, top = (full_width - rule.width) // 2, (full_height - rule.height) // 2
    window = (
        max(left, 0),
        max(top, 0),
        min(left + rule.width, full_width),
        min(top + rule.height, full_height),
    )
    full = (full_width, full_height)
    kept = _resample(picture, full, window, rule.resample, resize).convert("RGB")
    if kept.size == (rule.width, rule.height):
        return np.array(kept)
    padded = np.zeros((rule.height, rule.width, 3), np.uint8)
    x, y = max(-left, 0), max(-top, 0)
    padded[y : y + kept.height, x : x + kept.width] = np.asarray(kept)
    return padded


def _resample(
    picture: Picture,
    full: tuple[int, int],
    window: tuple[int, int, int, int],
    resample: int,
    resize: Resize | None,
) -> Image.Image:
    """`window` of the picture resized to `full`, both in pixels of the result."""
    method = Image.Resampling(resample)
    strip = max(full) > _STRIP * min(full)
    if resize and not strip:
        return scaled(picture, full, method, resize).crop(window)
    left, top, right, bottom = picture.box
    scale_x, scale_y = (right - left) / full[0], (bottom - top) / full[1]
    source = (
        left + window[0] * scale_x,
        top + window[1] * scale_y,
        min(left + window[2] * scale_x, right),
        min(top + window[3] * scale_y, bottom),
    )
    size = (window[2] - window[0], window[3] - window[1])
    if size[1] == full[1]:
        return picture.image.resize(size, method, box=source)
    # Since Pillow 13 the order of the two passes depends on how far the height shrinks, and the two
    # orders differ by some levels on noise. A window out of a tall picture looks like a strong
    # reduction, so the whole is resized as the model's processor does, unless it is a strip.
    if not strip:
        return picture.image.resize(full, method, box=picture.box).crop(window)
    return _window_of_strip(picture.image, size, source, method)


def _window_of_strip(
    image: Image.Image, size: tuple[int, int], source: Box, method: Image.Resampling
) -> Image.Image:
    """The two passes in the order that Pillow 13 takes for the whole of a strip."""
    left, top, right, bottom = source
    if image.height > image.width and bottom - top > size[1]:
        down = image.resize((image.width, size[1]), method, box=(0, top, image.width, bottom))
        return down.resize(size, method, box=(left, 0, right, size[1]))
    reach = 4  # pixels beyond the window that a kernel weighs when it enlarges: at most 3
    first, last = max(0, math.floor(top) - reach), min(image.height, math.ceil(bottom) + reach)
    rows = image.crop((0, first, image.width, last))
    across = rows.resize((size[0], rows.height), method, box=(left, 0, right, rows.height))
    return across.resize(size, method, box=(0, top - first, size[0], bottom - first))
