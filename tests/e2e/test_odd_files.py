"""A folder of 200 odd and broken files: each ends indexed or listed with its reason."""

import io
import os
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.e2e, pytest.mark.ray]

BUILT_IN = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif"}
MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("1", "L", "P", "RGB"),
    "BMP": ("1", "L", "P", "RGB"),
    "TIFF": ("1", "L", "P", "RGB", "RGBA", "CMYK", "LAB", "F", "I;16"),
    "AVIF": ("RGB", "RGBA"),
    "JPEG2000": ("L", "RGB", "RGBA"),
}
LIMIT = 20_000  # pixels, of the first run
SUFFIX = {**BUILT_IN, "AVIF": "avif", "JPEG2000": "jp2"}


def picture(mode: str, width: int, height: int, seed: int) -> Image.Image:
    """Coarse noise, another one for every seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)
    if mode in ("I;16", "F"):
        grey = np.asarray(smooth.convert("L"))
        return Image.fromarray(grey.astype(np.uint16) * 257 if mode == "I;16" else grey / 255.0)
    if mode == "LAB":
        return Image.merge("LAB", smooth.split())
    return smooth.convert(mode)


def encoded(kind: str, mode: str, width: int, height: int, seed: int) -> bytes:
    """The bytes of a file of this format."""
    made = picture(mode, width, height, seed)
    if mode == "F":
        made = made.convert("F")
    sink = io.BytesIO()
    made.save(sink, kind)
    return sink.getvalue()


def claims(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its data doesn't have."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = zlib.compress(b"\0" * 100)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk)),
            struct.pack(">I", len(data)) + b"IDAT" + data,
            struct.pack(">I", zlib.crc32(b"IDAT" + data)),
        )
    )


def good_files() -> dict[str, bytes]:
    """Every format in every mode, in sizes from one pixel to very long."""
    sizes = ((64, 48), (1, 1), (3, 300), (401, 7), (130, 131))
    return {
        f"good/{kind}-{mode.replace(';', '')}-{w}x{h}.{SUFFIX[kind]}": encoded(kind, mode, w, h, n)
        for kind, modes in MODES.items()
        for mode in modes
        for n, (w, h) in enumerate(sizes)
        if not (kind == "JPEG2000" and min(w, h) < 8)
    }


def bad_files() -> dict[str, bytes]:
    """Files that no decoder can take, one for each way to be broken."""
    rng = random.Random(5)
    found = {
        "bad/empty.jpg": b"",
        "bad/text.jpg": b"This is a letter, not a picture.\n" * 20,
        "bad/page.png": b"<!doctype html><title>404</title>",
        "bad/noise.webp": rng.randbytes(3000),
        "bad/zeros.jpeg": bytes(5000),
        "bad/huge.png": claims(200_000, 200_000),
        "bad/wide.png": claims(2**31 - 1, 2**31 - 1),
        "bad/flat.png": claims(0, 10),
        "bad/short.png": claims(500, 500),
        "bad/large.png": encoded("PNG", "RGB", 200, 150, 7),  # until the limit is raised
    }
    for number, (kind, suffix) in enumerate(BUILT_IN.items()):
        whole = encoded(kind, "RGB", 200, 150, number)
        for share in (2, 10, 60):
            found[f"bad/cut-{share}-{kind}.{suffix}"] = whole[: len(whole) * share // 100]
        hurt = bytearray(whole)
        for place in rng.sample(range(len(hurt) // 4, len(hurt)), 20):
            hurt[place] ^= 0xFF
        found[f"either/hurt-{kind}.{suffix}"] = bytes(hurt)
    return found


def odd_places(root: Path) -> None:
    """Odd names, links and places."""
    red = encoded("PNG", "RGB", 40, 40, 1000)
    names = [
        "späß.png", "写真.png", "🙂.png", "two\nlines.png", "  spaces  .png", "100%25.png",
        "#?.png", "UPPER.PNG", "a'b\"c.png", "e\u0301.png", "back\\slash.png", "-rf.png",
        "x" * 240 + ".png",
    ]  # fmt: skip
    for number, name in enumerate(names):
        (root / name).write_bytes(encoded("PNG", "RGB", 40, 40, 2000 + number))
    raw = os.fsencode(root) + b"/latin-\xe9\xff.png"
    Path(os.fsdecode(raw)).write_bytes(red)
    (root / "wrong-suffix.jpg").write_bytes(encoded("PNG", "RGB", 50, 50, 3000))
    deep = root.joinpath(*"abcdefghij" * 3)
    deep.mkdir(parents=True)
    (deep / "deep.png").write_bytes(encoded("PNG", "RGB", 50, 50, 3001))
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "gone.jpg").symlink_to(root / "nowhere.jpg")
    (root / "self.jpg").symlink_to(root / "self.jpg")
    os.mkfifo(root / "pipe.jpg")
    (root / "folder.jpg").mkdir()
    if os.geteuid():  # root reads everything
        (root / "locked.png").write_bytes(red)
        (root / "locked.png").chmod(0)
        (root / "locked").mkdir(mode=0)


@pytest.fixture(scope="module")
def odd(pdray, one_ray, tmp_path_factory):
    """The folder, and what `index`, `errors` and `verify` say of it."""
    home = tmp_path_factory.mktemp("odd")
    root, workspace = home / "files", home / "workspace"
    good, bad = good_files(), bad_files()
    for name, data in (good | bad).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    odd_places(root)
    at = ("-w", workspace, "--json")
    call = ("index", root, *at, "--model", "builtin")
    found = {
        "report": pdray(
            *call, PDRAY_INGEST_UNIT_SIZE="16", PDRAY_INGEST_MAX_PIXELS=str(LIMIT), **one_ray
        ).document,
        "errors": pdray("errors", *at).document,
        "verify": pdray("verify", *at).document,
        "again": pdray(*call).document,
        "search": pdray("search", "something", *at, "--limit", 1000).document,
        "table": pdray("errors", "-w", workspace, COLUMNS="400").out,
        "retried": pdray(*call, "--retry-failed", **one_ray).document,
        "left": pdray("errors", *at).document,
    }
    return {**found, "root": root, "good": good, "bad": bad}


def uris(root, names):
    return {(root / name).as_uri() for name in names}


def test_there_are_200_odd_files(odd):
    assert odd["report"]["seen"] >= 200


def test_every_listed_file_is_indexed_or_failed(odd):
    report, errors = odd["report"], odd["errors"]
    assert report["seen"] == report["indexed"] + report["failed"]
    assert report["failed"] == errors["failed"] == len(errors["failures"])
    assert sum(errors["kinds"].values()) == errors["failed"]
    assert sum(group["images"] for group in errors["groups"]) == errors["failed"]
    assert odd["verify"]["agrees"]
    assert odd["verify"]["points"] == report["indexed"]


def test_every_good_file_is_found_and_every_broken_one_listed(odd):
    root = odd["root"]
    found = {hit["uri"] for hit in odd["search"]["hits"]}
    failed = {failure["uri"] for failure in odd["errors"]["failures"]}
    assert not found & failed
    assert uris(root, odd["good"]) - found == set()
    assert uris(root, [name for name in odd["bad"] if name.startswith("bad/")]) - failed == set()
    assert uris(root, odd["bad"]) - failed - found == set()
    assert {(root / "gone.jpg").as_uri()} <= failed


def test_odd_names_and_deep_places_are_found_once(odd):
    found = [hit["uri"] for hit in odd["search"]["hits"]]
    assert len(found) == len(set(found)) == odd["report"]["indexed"]
    names = ["写真.png", "two\nlines.png", "100%25.png", "#?.png", "x" * 240 + ".png", "UPPER.PNG"]
    assert uris(odd["root"], names) <= set(found)
    assert any(uri.endswith("latin-%E9%FF.png") for uri in found)
    assert any(uri.endswith("/deep.png") for uri in found)


def test_every_failure_has_a_reason_in_words(odd):
    for failure in odd["errors"]["failures"]:
        assert failure["kind"].replace("-", "").isalpha()
        assert failure["reason"].endswith(".")
        assert "Traceback" not in failure["reason"]
        assert len(failure["reason"]) < 300
    assert "bad/empty.jpg" in odd["table"]


def test_an_unchanged_broken_file_is_not_tried_again(odd):
    again = odd["again"]
    assert (again["seen"], again["unchanged"]) == (odd["report"]["seen"],) * 2
    assert (again["read"], again["indexed"], again["failed"]) == (0, 0, 0)


def test_what_failed_is_tried_again_where_that_is_asked(odd):
    once_failed = odd["errors"]["failed"]
    decoded = sum(g["images"] for g in odd["errors"]["groups"] if g["stage"] == "decode")
    retried, left = odd["retried"], odd["left"]
    assert retried["read"] == decoded > retried["indexed"] >= 1
    assert left["failed"] == once_failed - retried["indexed"]
    still = {failure["uri"] for failure in left["failures"]}
    assert not uris(odd["root"], ["bad/large.png"]) & still
    assert uris(odd["root"], ["bad/empty.jpg", "gone.jpg"]) <= still
