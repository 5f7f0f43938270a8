"""The pixels that a model gets: every format and mode, orientation, and the model's own rule."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from pdray.images import decode_pixels, examine
from pdray.records import Preprocessing

SHORTEST = Preprocessing(64, 64, "shortest-edge", 64)
EXACT = Preprocessing(64, 48, "exact", 64)
SIZE = (120, 90)


def scene(width: int = SIZE[0], height: int = SIZE[1], seed: int = 0) -> Image.Image:
    """Gradients, hard edges and a little noise: what photographs are made of."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    channels = [
        127 + 90 * np.sin(x / width * a + y / height * b) for a, b in rng.uniform(1, 7, (3, 2))
    ]
    image = Image.fromarray(np.stack(channels, -1).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
        colour = tuple(int(v) for v in rng.integers(0, 255, 3))
        draw.ellipse((left, top, left + width // 5, top + height // 6), fill=colour)
    noisy = np.asarray(image) + rng.normal(0, 4, (height, width, 1))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def rms(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.sqrt(np.mean((left.astype(float) - right.astype(float)) ** 2)))


def reference(image: Image.Image, rule: Preprocessing) -> np.ndarray:
    """What transformers' own processor makes of it, as uint8 (height, width, 3)."""
    options = {"do_rescale": False, "do_normalize": False, "resample": rule.resample}
    size = {"height": rule.height, "width": rule.width}
    if rule.mode == "exact":
        processor = SiglipImageProcessorPil(size=size, **options)
    else:
        processor = CLIPImageProcessorPil(
            size={"shortest_edge": rule.edge}, crop_size=size, **options
        )
    return np.asarray(processor(image)["pixel_values"][0]).transpose(1, 2, 0)


LOSSLESS: dict[str, Callable[[Image.Image], bytes]] = {
    "png": lambda im: encoded(im, "PNG"),
    "bmp": lambda im: encoded(im, "BMP"),
    "ppm": lambda im: encoded(im, "PPM"),
    "tiff": lambda im: encoded(im, "TIFF"),
    "tiff-lzw": lambda im: encoded(im, "TIFF", compression="tiff_lzw"),
    "webp-lossless": lambda im: encoded(im, "WEBP", lossless=True),
    "jpeg2000": lambda im: encoded(im, "JPEG2000"),
}
LOSSY: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg": lambda im: encoded(im, "JPEG", quality=95, subsampling=0),
    "jpeg-progressive": lambda im: encoded(im, "JPEG", quality=95, progressive=True),
    "webp": lambda im: encoded(im, "WEBP", quality=95),
    "avif": lambda im: encoded(im, "AVIF", quality=95),
    "gif": lambda im: encoded(im, "GIF"),
    "png-palette": lambda im: encoded(im.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
}


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("rule", [SHORTEST, EXACT], ids=lambda rule: rule.mode)
def test_a_lossless_image_becomes_what_the_models_own_processor_makes(
    name: str, rule: Preprocessing
) -> None:
    pixels = decode_pixels(LOSSLESS[name](scene()), rule)
    assert pixels.shape == (rule.height, rule.width, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - reference(scene(), rule).astype(int)).max() <= 1


@pytest.mark.parametrize("name", LOSSY)
def test_a_lossy_format_shows_the_same_picture(name: str) -> None:
    limit = 14 if name in ("gif", "png-palette") else 8  # most of it is colour at half resolution
    assert rms(decode_pixels(LOSSY[name](scene()), SHORTEST), reference(scene(), SHORTEST)) < limit


@pytest.mark.parametrize(
    "size", [(120, 90), (90, 121), (60, 200), (211, 37), (20, 90), (300, 20), (64, 64), (7, 5)]
)
@pytest.mark.parametrize(
    "rule",
    [
        SHORTEST,
        Preprocessing(63, 65, "shortest-edge", 73),
        Preprocessing(96, 96, "shortest-edge", 64),
        Preprocessing(48, 80, "exact", 48, resample=2),
    ],
    ids=["same", "larger-edge-odd-crop", "crop-larger-than-edge", "exact-bilinear"],
)
def test_the_resize_rule_agrees_with_transformers_at_every_aspect(
    size: tuple[int, int], rule: Preprocessing
) -> None:
    image = scene(*size)
    ours = decode_pixels(encoded(image, "PNG"), rule).astype(int)
    difference = np.abs(ours - reference(image, rule).astype(int))
    assert difference.max() <= 2
    assert (difference > 1).mean() < 0.001


@pytest.mark.parametrize("size", [(512, 384), (500, 371), (1001, 753), (700, 1111), (1600, 300)])
def test_a_reduced_jpeg_decode_stays_within_two_levels_of_a_full_one(size: tuple[int, int]) -> None:
    # 3 levels and more would mean that the rounded-up sides of the reduced decode are not
    # accounted for.
    data = encoded(scene(*size), "JPEG", quality=90)
    full = Image.open(io.BytesIO(data)).convert("RGB")
    examined = examine(data, [SHORTEST, EXACT], thumbnail_side=128)
    for rule in (SHORTEST, EXACT):
        assert rms(examined.pixels[rule.pixel_key], reference(full, rule)) < 2


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_shown_upright(orientation: int, format: str) -> None:
    upright = scene(480, 330)
    turn_back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(turn_back[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {"quality": 95}
    if format in ("PNG", "TIFF"):
        options = {}
    examined = examine(encoded(stored, format, exif=exif, **options), [SHORTEST])
    assert (examined.width, examined.height) == (480, 330)
    assert rms(examined.pixels[SHORTEST.pixel_key], reference(upright, SHORTEST)) < 4
    assert Image.open(io.BytesIO(examined.thumbnail)).size == (320, 220)


def flat(mode: str, value: object, size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new(mode, size, value)


def grey16(value: int, format: str) -> bytes:
    return encoded(Image.fromarray(np.full((30, 40), value, np.uint16)), format)


def palette_with_a_hole() -> bytes:
    image = Image.new("P", (40, 30), 1)
    image.putpalette([0, 0, 0, 200, 30, 10])
    return encoded(image, "PNG", transparency=1)


COLOURS: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "grey": (encoded(flat("L", 77), "PNG"), (77, 77, 77)),
    "grey-jpeg": (encoded(flat("L", 77), "JPEG"), (77, 77, 77)),
    "one-bit": (encoded(flat("1", 1), "PNG"), (255, 255, 255)),
    "one-bit-tiff": (encoded(flat("1", 0), "TIFF", compression="group4"), (0, 0, 0)),
    "cmyk-jpeg": (encoded(flat("CMYK", (0, 255, 255, 0)), "JPEG", quality=95), (255, 0, 0)),
    "cmyk-tiff": (encoded(flat("CMYK", (255, 0, 255, 0)), "TIFF"), (0, 255, 0)),
    "grey-16-png": (grey16(0x8040, "PNG"), (0x80, 0x80, 0x80)),
    "grey-16-tiff": (grey16(0x4080, "TIFF"), (0x40, 0x40, 0x40)),
    "float-tiff-unit": (
        encoded(Image.fromarray(np.full((30, 40), 0.5, np.float32)), "TIFF"),
        (128, 128, 128),
    ),
    "float-tiff-bytes": (
        encoded(Image.fromarray(np.full((30, 40), 200.0, np.float32)), "TIFF"),
        (200, 200, 200),
    ),
    "int-tiff-16-deep": (
        encoded(Image.fromarray(np.full((30, 40), 0x7F00, np.int32)), "TIFF"),
        (0x7F, 0x7F, 0x7F),
    ),
    "rgba-transparent": (encoded(flat("RGBA", (9, 9, 9, 0)), "PNG"), (255, 255, 255)),
    "rgba-half": (encoded(flat("RGBA", (0, 0, 0, 128)), "PNG"), (127, 127, 127)),
    "rgba-opaque-webp": (
        encoded(flat("RGBA", (10, 200, 30, 255)), "WEBP", lossless=True),
        (10, 200, 30),
    ),
    "grey-alpha": (encoded(flat("LA", (0, 0)), "PNG"), (255, 255, 255)),
    "palette-transparent": (palette_with_a_hole(), (255, 255, 255)),
    "rgb-transparent-colour": (
        encoded(flat("RGB", (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
        (255, 255, 255),
    ),
    "gif-transparent": (encoded(flat("P", 0), "GIF", transparency=0), (255, 255, 255)),
}


@pytest.mark.parametrize("name", COLOURS)
def test_every_mode_keeps_its_colour_and_transparency_lies_on_white(name: str) -> None:
    data, expected = COLOURS[name]
    examined = examine(data, [SHORTEST])
    pixels = examined.pixels[SHORTEST.pixel_key]
    assert np.abs(pixels.astype(int) - expected).max() <= 2
    preview = np.asarray(Image.open(io.BytesIO(examined.thumbnail)).convert("RGB")).astype(int)
    assert np.abs(preview - expected).max() <= 3


def test_a_16_bit_colour_png_keeps_its_high_byte() -> None:
    # Pillow does not write them, so this one is made by hand.
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    row = b"\0" + struct.pack(">HHH", 0x1234, 0x8000, 0xFEDC) * 8
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * 8))
        + chunk(b"IEND", b"")
    )
    assert np.abs(decode_pixels(data, SHORTEST).astype(int) - (0x12, 0x80, 0xFE)).max() <= 1


def test_a_float_image_with_nothing_but_nan_is_black_and_does_not_fail() -> None:
    data = encoded(Image.fromarray(np.full((30, 40), np.nan, np.float32)), "TIFF")
    assert decode_pixels(data, SHORTEST).max() == 0


def test_an_elevation_model_in_floats_is_stretched_to_its_range() -> None:
    heights = np.linspace(-400, 4000, 1200, dtype=np.float32).reshape(30, 40)
    pixels = decode_pixels(encoded(Image.fromarray(heights), "TIFF"), EXACT)
    assert pixels.min() <= 5
    assert pixels.max() >= 250


@pytest.mark.parametrize("format", ["GIF", "WEBP", "TIFF", "PNG", "AVIF"])
def test_the_first_frame_or_page_counts(format: str) -> None:
    first, second = flat("RGB", (255, 0, 0)), flat("RGB", (0, 0, 255))
    data = encoded(first, format, save_all=True, append_images=[second])
    assert np.abs(decode_pixels(data, SHORTEST).astype(int) - (255, 0, 0)).max() <= 6


def test_several_preprocessings_come_from_one_decode_under_their_keys() -> None:
    data = encoded(scene(900, 700), "JPEG")
    both = examine(data, [SHORTEST, EXACT])
    assert set(both.pixels) == {SHORTEST.pixel_key, EXACT.pixel_key}
    assert both.pixels[EXACT.pixel_key].shape == (64, 48, 3)


def test_a_query_gets_the_pixels_that_ingestion_got() -> None:
    data = encoded(scene(900, 700), "JPEG")
    assert np.array_equal(
        decode_pixels(data, SHORTEST), examine(data, [SHORTEST]).pixels[SHORTEST.pixel_key]
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 65_000)])
def test_a_strip_costs_no_memory_and_is_shown(size: tuple[int, int]) -> None:
    data = encoded(Image.new("RGB", size, (9, 200, 3)), "PNG")
    for rule in (SHORTEST, Preprocessing(64, 64, "shortest-edge", 80), EXACT):
        assert np.abs(decode_pixels(data, rule).astype(int) - (9, 200, 3)).max() == 0
