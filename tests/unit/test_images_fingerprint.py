"""Content id, perceptual hash and thumbnail."""

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from pdray.images import examine, hamming
from pdray.records import Preprocessing


def scene(seed: int, width: int = 640, height: int = 480) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (9, 12, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def test_the_content_id_is_128_bits_of_the_sha256_of_the_bytes() -> None:
    data = encoded(scene(0))
    assert examine(data, []).content_id == hashlib.sha256(data).hexdigest()[:32]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: encoded(image, quality=40),
        lambda image: encoded(image, "PNG"),
        lambda image: encoded(image, "WEBP", quality=60),
        lambda image: encoded(image.resize((1600, 1200), Image.Resampling.BICUBIC), quality=85),
        lambda image: encoded(image.resize((200, 150), Image.Resampling.BICUBIC)),
        lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.1)),
        lambda image: encoded(image.convert("L")),
    ],
    ids=["quality-40", "png", "webp", "enlarged", "reduced", "brighter", "grey"],
)
def test_the_same_picture_hashes_nearly_alike_however_it_is_encoded(change: Any) -> None:
    for seed in range(5):
        original = examine(encoded(scene(seed), quality=95), []).phash
        assert hamming(original, examine(change(scene(seed)), []).phash) <= 6


def test_different_pictures_hash_far_apart() -> None:
    hashes = [examine(encoded(scene(seed)), []).phash for seed in range(12)]
    apart = [hamming(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(apart) > 12
    assert 26 < sum(apart) / len(apart) < 38


def test_the_hash_is_64_bits_of_hex_and_does_not_depend_on_the_models() -> None:
    data = encoded(scene(1, 2000, 1500))
    alone = examine(data, []).phash
    beside = examine(data, [Preprocessing(224, 224, "shortest-edge", 224)]).phash
    assert len(alone) == 16
    assert int(alone, 16) >= 0
    assert hamming(alone, beside) <= 2


def test_a_flat_picture_hashes_alike_whatever_its_colour() -> None:
    hashes = {
        examine(encoded(Image.new("RGB", (64, 48), colour), "PNG"), []).phash
        for colour in ("red", "white", (3, 200, 77))
    }
    assert hashes == {"8000000000000000"}


def test_hamming_counts_bits() -> None:
    assert hamming("0000000000000000", "ffffffffffffffff") == 64
    assert hamming("8000000000000001", "0000000000000001") == 1


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((640, 480), 320, (320, 240)),
        ((480, 640), 320, (240, 320)),
        ((4000, 3000), 320, (320, 240)),
        ((100, 50), 320, (100, 50)),
        ((5000, 1), 320, (320, 1)),
        ((3000, 1999), 256, (256, 171)),
    ],
)
def test_a_thumbnail_keeps_the_aspect_and_is_never_enlarged(
    size: tuple[int, int], side: int, expected: tuple[int, int]
) -> None:
    examined = examine(encoded(scene(2, *size)), [], thumbnail_side=side)
    thumbnail = Image.open(io.BytesIO(examined.thumbnail))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", expected)
    assert (examined.width, examined.height) == size


def test_a_thumbnail_looks_like_its_picture() -> None:
    image = scene(3, 1300, 973)
    thumbnail = Image.open(io.BytesIO(examine(encoded(image, quality=95), []).thumbnail))
    expected = image.resize(thumbnail.size, Image.Resampling.BICUBIC)
    difference = np.asarray(thumbnail, float) - np.asarray(expected, float)
    assert np.sqrt(np.mean(difference**2)) < 4
