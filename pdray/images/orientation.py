"""EXIF orientation: how the stored pixels must be turned to be shown (EXIF 2.32, tag 0x0112)."""

import struct

from PIL import Image

from pdray.images.exif_block import stored_orientation

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Each of them as: mirror x, mirror y, then swap x and y.
_MIRROR_X, _MIRROR_Y, _SWAP = {2, 3, 7, 8}, {3, 4, 6, 7}, {5, 6, 7, 8}


def read_orientation(image: Image.Image) -> int:
    """Orientation 1 to 8; 1 (as stored) where it is absent, out of range or unreadable."""
    try:
        value = stored_orientation(image)
    except (struct.error, ValueError, AttributeError):  # damaged, or hex digits that are none
        return 1
    return value if value in _TRANSPOSE else 1


def swaps_sides(orientation: int) -> bool:
    """Whether width and height change places."""
    return orientation in _SWAP


def upright(image: Image.Image, box: Box, orientation: int) -> tuple[Image.Image, Box]:
    """The image as it is shown, and where `box` (in pixels of `image`) then lies."""
    if orientation not in _TRANSPOSE:
        return image, box
    width, height = image.size
    left, top, right, bottom = box
    if orientation in _MIRROR_X:
        left, right = width - right, width - left
    if orientation in _MIRROR_Y:
        top, bottom = height - bottom, height - top
    if orientation in _SWAP:
        left, top, right, bottom = top, left, bottom, right
    return image.transpose(_TRANSPOSE[orientation]), (left, top, right, bottom)
