"""Odd and broken files: each gives an Examined or an ImageError with a sentence, nothing else."""

import io
import pickle
import random
import struct
import sys
import threading
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from pdray.images import Examined, ImageError, decode_pixels, examine
from pdray.records import Preprocessing

RULE = Preprocessing(32, 32, "shortest-edge", 32)
KINDS = {
    "empty", "not-an-image", "unsupported", "needs-extra", "too-large", "truncated", "corrupt",
}  # fmt: skip


def picture(width: int = 160, height: int = 120) -> Image.Image:
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def encoded(format: str, image: Image.Image | None = None, **options: object) -> bytes:
    out = io.BytesIO()
    (image or picture()).save(out, format, **options)
    return out.getvalue()


def exif() -> bytes:
    block = Image.Exif()
    block[0x010F], block[0x0110] = "Maker", "Model 1"
    block.get_ifd(0x8769).update({0x9003: "2023:05:06 10:11:12", 0x829A: 0.004})
    block.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    return block.tobytes()


GOOD = {
    "jpeg": encoded("JPEG", quality=90, exif=exif()),
    "jpeg-progressive": encoded("JPEG", progressive=True),
    "jpeg-cmyk": encoded("JPEG", picture().convert("CMYK")),
    "png": encoded("PNG", exif=exif()),
    "png-palette": encoded("PNG", picture().convert("P")),
    "gif": encoded("GIF"),
    "webp": encoded("WEBP"),
    "webp-lossless": encoded("WEBP", lossless=True, exif=exif()),
    "tiff": encoded("TIFF"),
    "tiff-lzw": encoded("TIFF", compression="tiff_lzw"),
    "tiff-deflate": encoded("TIFF", compression="tiff_adobe_deflate"),
    "bmp": encoded("BMP"),
    "ppm": encoded("PPM"),
    "avif": encoded("AVIF"),
    "jpeg2000": encoded("JPEG2000"),
}


def checked_kind(error: ImageError) -> str:
    assert error.kind in KINDS
    assert error.reason == str(error)
    assert error.reason.endswith(".")
    assert "\n" not in error.reason
    assert ". " not in error.reason
    return error.kind


def outcome(data: bytes) -> str:
    """ "ok" or the kind of the ImageError; checks what each must hold."""
    try:
        examined = examine(data, [RULE])
    except ImageError as error:
        return checked_kind(error)
    assert isinstance(examined, Examined)
    assert examined.pixels[RULE.pixel_key].shape == (32, 32, 3)
    assert Image.open(io.BytesIO(examined.thumbnail)).size >= (1, 1)
    assert len(examined.phash) == 16
    return "ok"


@pytest.mark.parametrize("name", GOOD)
def test_the_whole_file_is_good(name: str) -> None:
    assert outcome(GOOD[name]) == "ok"


@pytest.mark.filterwarnings("ignore")  # Pillow comments on damaged TIFF directories
@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("share", [0.06, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97])
def test_a_file_cut_short_is_called_truncated(name: str, share: float) -> None:
    assert outcome(GOOD[name][: int(len(GOOD[name]) * share)]) == "truncated"


@pytest.mark.parametrize("name", ["jpeg", "jpeg-progressive", "jpeg-cmyk", "webp"])
def test_a_file_whose_rest_is_zeros_is_not_taken_for_a_grey_picture(name: str) -> None:
    half = len(GOOD[name]) // 2
    assert outcome(GOOD[name][:half] + bytes(len(GOOD[name]) - half)) == "truncated"


def test_zeros_after_a_complete_jpeg_do_no_harm() -> None:
    assert outcome(GOOD["jpeg"] + bytes(4096)) == "ok"


def test_a_large_jpeg_that_is_decoded_at_a_fraction_is_still_found_truncated() -> None:
    data = encoded("JPEG", picture(2400, 1800))
    assert outcome(data) == "ok"
    assert outcome(data[: len(data) - 2000]) == "truncated"


def flipped() -> Iterator[bytes]:
    """The same damaged files on every run: 40 of each format, one to twenty bits turned."""
    random_ = random.Random(7)
    for data in GOOD.values():
        for _ in range(40):
            damaged = bytearray(data)
            for _ in range(random_.choice([1, 3, 20])):
                reach = random_.choice([64, 400, len(damaged)])
                damaged[random_.randrange(min(len(damaged), reach))] ^= 1 << random_.randrange(8)
            yield bytes(damaged)


@pytest.mark.filterwarnings("ignore")  # Pillow comments on damaged TIFF directories
def test_nothing_but_an_image_error_escapes_from_six_hundred_damaged_files() -> None:
    outcomes = Counter(outcome(data) for data in flipped())
    assert outcomes.total() == 600
    assert outcomes["ok"] > 100
    assert outcomes["corrupt"] > 100


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"\0", "not-an-image"),
        (bytes(5000), "not-an-image"),
        (b"just some words in a file called holiday.jpg\n", "not-an-image"),
        (b"BMW is not a bitmap, whatever the first letters say", "not-an-image"),
        (b"P6 is an element of the prose, not of the pixels", "corrupt"),
        (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "not-an-image"),
        (b"\xff\xd8\xff", "corrupt"),
        (b"\xff\xd8\xff\xe0" + bytes(30), "corrupt"),
        (b"\x89PNG\r\n\x1a\n", "corrupt"),
        (b"GIF89a", "truncated"),
        (b"RIFF\x10\0\0\0WEBP", "truncated"),
        (b"II*\0", "truncated"),
        (b"8BPS\0\1", "unsupported"),
        (b"%PDF-1.7", "unsupported"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unsupported"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported"),
        (b"\0\0\1\0\1\0" + bytes(40), "unsupported"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "unsupported"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "unsupported"),
    ],
)
def test_what_is_no_image_says_what_it_is(data: bytes, kind: str) -> None:
    assert outcome(data) == kind


def test_the_content_counts_and_not_the_name() -> None:
    # What a wrong extension means: nothing but the bytes reaches this room.
    assert examine(GOOD["png"], [RULE]).format == "png"
    assert examine(GOOD["avif"], [RULE]).format == "avif"


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(10_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(60_000, 60_000), (20_000, 10_001), (2**31 - 1, 2**31 - 1)])
def test_a_picture_beyond_the_limit_is_refused_from_its_header(size: tuple[int, int]) -> None:
    assert outcome(png_header(*size)) == "too-large"


def test_a_side_that_no_camera_makes_is_refused() -> None:
    assert outcome(png_header(70_000, 2)) == "too-large"


def test_the_limit_is_the_callers() -> None:
    assert examine(GOOD["jpeg"], [RULE], max_pixels=160 * 120).width == 160
    for call in (examine, decode_pixels):
        rules = [RULE] if call is examine else RULE
        with pytest.raises(ImageError) as caught:
            call(GOOD["jpeg"], rules, max_pixels=160 * 120 - 1)  # type: ignore[operator]
        assert caught.value.kind == "too-large"


def test_pillows_own_limit_neither_warns_nor_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("jpeg", "png", "gif", "tiff", "bmp", "avif", "jpeg2000"):
            assert examine(GOOD[name], [RULE]).width == 160


def test_reading_leaves_pillows_settings_alone() -> None:
    from PIL import ImageFile

    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, warnings.filters[:])
    for data in (GOOD["jpeg"], GOOD["jpeg"][:500], png_header(60_000, 60_000)):
        outcome(data)
    after = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, warnings.filters[:])
    assert after == before


def test_heic_without_the_package_says_which_one_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # what Python does for a missing one
    with pytest.raises(ImageError, match="pillow-heif") as caught:
        examine(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), [RULE])
    assert caught.value.kind == "needs-extra"


def test_heic_is_read() -> None:
    import pillow_heif

    out = io.BytesIO()
    pillow_heif.from_pillow(picture()).save(out, quality=80)
    assert examine(out.getvalue(), [RULE]).format == "heif"


def test_an_image_error_travels_between_processes() -> None:
    error = pickle.loads(pickle.dumps(ImageError("corrupt", "It is damaged.")))
    assert (error.kind, error.reason, str(error)) == ("corrupt", "It is damaged.", "It is damaged.")


def test_threads_get_what_a_single_one_gets() -> None:
    alone = {name: examine(data, [RULE]) for name, data in GOOD.items()}
    wrong: list[str] = []

    def read_all(names: list[str]) -> None:
        for name in names * 3:
            seen = examine(GOOD[name], [RULE])
            same = np.array_equal(seen.pixels[RULE.pixel_key], alone[name].pixels[RULE.pixel_key])
            if not same or seen.metadata != alone[name].metadata or seen.phash != alone[name].phash:
                wrong.append(name)

    names = list(GOOD)
    threads = [threading.Thread(target=read_all, args=(names[i:] + names[:i],)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
