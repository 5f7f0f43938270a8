"""Pictures as busy as photographs, for benchmarks: what decoding costs depends on it."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageFilter


def photo(seed: int, size: tuple[int, int], target: int) -> bytes:
    """A JPEG of (width, height) `size` and about `target` bytes: noise of several scales, since the
    spectrum of photographs falls with frequency.
    """
    rng = np.random.default_rng(seed)
    width, height = size
    total = np.zeros((height, width, 3), np.float32)
    for scale in (4, 8, 16, 64, 256):
        small = rng.normal(0, 12 * scale**0.35, (height // scale + 2, width // scale + 2, 3))
        layer = Image.fromarray(np.clip(small + 128, 0, 255).astype(np.uint8))
        total += np.asarray(layer.resize(size, Image.Resampling.BICUBIC), np.float32) - 128
    picture = Image.fromarray(np.clip(total + 118, 0, 255).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(0.6))
    low, high = 30, 95
    while high - low > 2:
        quality = (low + high) // 2
        low, high = (low, quality) if len(_jpeg(picture, quality)) > target else (quality, high)
    return _jpeg(picture, low)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    sink = BytesIO()
    picture.save(sink, "JPEG", quality=quality)
    return sink.getvalue()
