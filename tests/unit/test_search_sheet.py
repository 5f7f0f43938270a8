"""The contact sheet, looked at pixel by pixel where it matters."""

import io

import numpy as np
import pytest
from PIL import Image

from pdray.records import Hit
from pdray.search import contact_sheet


def hit(rank: int, name: str = "a.jpg") -> Hit:
    return Hit(rank, 0.5, f"file:///x/{name}", str(rank), 10, 40, 30, "2020-05-06T07:08:09")


def thumbnail(colour: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, format="PNG")
    return file.getvalue()


def places(sheet: Image.Image, colour: tuple[int, int, int]) -> tuple[int, float, float]:
    """How many pixels have this colour, and their mean x and y."""
    ys, xs = np.nonzero((np.asarray(sheet) == colour).all(axis=2))
    return len(xs), float(xs.mean()), float(ys.mean())


def test_thumbnails_stand_in_reading_order() -> None:
    red, green, blue = (250, 1, 2), (3, 251, 4), (5, 6, 252)
    colours = {1: red, 2: green, 10: blue}
    sheet = contact_sheet(
        [hit(rank) for rank in range(1, 11)],
        lambda h: thumbnail(colours.get(h.rank, (90, 90, 90))),
        "q",
    )
    (_, x1, y1), (_, x2, y2), (_, x10, y10) = (places(sheet, c) for c in (red, green, blue))
    assert x1 < x2 < x10
    assert y1 == pytest.approx(y2, abs=1)
    assert y2 < y10


def test_a_thumbnail_keeps_its_shape() -> None:
    colour = (250, 1, 2)
    sheet = contact_sheet([hit(1)], lambda _: thumbnail(colour, (200, 50)), "q")
    ys, xs = np.nonzero((np.asarray(sheet) == colour).all(axis=2))
    assert np.ptp(xs) / np.ptp(ys) == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("data", [None, b"", b"no image", thumbnail((1, 2, 3))[:40]])
def test_a_thumbnail_that_is_missing_or_broken_is_a_grey_tile(data: bytes | None) -> None:
    sheet = contact_sheet([hit(1)], lambda _: data, "q")
    grey = places(sheet, (0xE9, 0xEB, 0xEF))
    assert grey[0] > 40_000


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 12, 13, 40, 41, 100])
def test_every_hit_has_its_place(count: int) -> None:
    colour = (250, 1, 2)
    data = thumbnail(colour)
    sheet = contact_sheet([hit(rank) for rank in range(1, count + 1)], lambda _: data, "q")
    assert sheet.mode == "RGB"
    if count:
        # The tile's round corners cost a few pixels of each.
        side = {True: 240, False: 200}[count <= 12] if count <= 40 else 150
        assert places(sheet, colour)[0] == pytest.approx(count * side**2, rel=0.01)


@pytest.mark.parametrize(
    "title",
    ["", "кошка на окне", "猫と夕焼け", "a\nb\tc", "x" * 500, "many words " * 60, "\x00\x07", "🐈"],
)
def test_any_title_and_name_can_be_drawn(title: str) -> None:
    plain = contact_sheet([hit(1)], lambda _: None, "q")
    sheet = contact_sheet([hit(1, "%FF%00%E7%8C%AB" + "y" * 300 + ".jpg")], lambda _: None, title)
    assert sheet.width == plain.width
    assert sheet.height <= plain.height + 60


def test_the_title_is_drawn_and_differs_by_query() -> None:
    one, two = (contact_sheet([], lambda _: None, q) for q in ("red circle", "blue square"))
    assert one.tobytes() != two.tobytes()
