"""What pdray learns from the bytes of one image, in one decode."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdray.images.decode import MAX_PIXELS, decode, open_header
from pdray.images.fingerprint import phash
from pdray.images.metadata import read_metadata
from pdray.images.resize import Resize, model_pixels
from pdray.images.thumbnail import encode, thumbnail_image
from pdray.records import Metadata, Preprocessing, content_id

THUMBNAIL_SIDE = 320


@dataclass(frozen=True, slots=True)
class Examined:
    """One image, read. `width` and `height` are pixels as shown, after orientation.

    `thumbnail` is an encoded JPEG. `pixels` maps `Preprocessing.pixel_key` to uint8 of shape
    (height, width, 3).
    """

    content_id: str
    phash: str
    width: int
    height: int
    format: str
    metadata: Metadata
    thumbnail: bytes
    pixels: dict[str, NDArray[np.uint8]]


def examine(
    data: bytes,
    preprocessings: Sequence[Preprocessing],
    *,
    thumbnail_side: int = THUMBNAIL_SIDE,
    max_pixels: int = MAX_PIXELS,
    resize: Resize | None = None,
    wanted: Container[str] | None = None,
) -> Examined:
    """Everything about one image: hashes, size, metadata, thumbnail, pixels for each preprocessing.

    `wanted` are the pixel keys of those preprocessings whose pixels are made (None: all). The
    decode is the same: hash and thumbnail depend on the bytes and the preprocessings only,
    whatever is known of the content already.
    `resize` takes Pillow's place where it can. The first frame or page counts. Raises ImageError;
    damaged metadata never costs the image. Depends on nothing but its arguments and may run in
    several threads.
    """
    image, name = open_header(data, max_pixels)
    picture = decode(image, name, data, preprocessings, thumbnail_side)
    thumbnail = thumbnail_image(picture, thumbnail_side, resize)
    rules = [rule for rule in preprocessings if wanted is None or rule.pixel_key in wanted]
    return Examined(
        content_id=content_id(data),
        phash=phash(thumbnail),
        width=picture.width,
        height=picture.height,
        format=name,
        metadata=read_metadata(image),
        thumbnail=encode(thumbnail),
        pixels={rule.pixel_key: model_pixels(picture, rule, resize) for rule in rules},
    )


def decode_pixels(
    data: bytes,
    preprocessing: Preprocessing,
    *,
    thumbnail_side: int = THUMBNAIL_SIDE,
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    """Only the pixels, uint8 of shape (height, width, 3): the same as `examine` gives for it alone.

    `thumbnail_side` is what ingestion used: it has a say in how far a JPEG is reduced.
    """
    image, name = open_header(data, max_pixels)
    return model_pixels(decode(image, name, data, [preprocessing], thumbnail_side), preprocessing)
