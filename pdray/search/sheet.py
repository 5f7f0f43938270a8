"""A contact sheet: hits as one picture, because people would rather look."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from PIL import Image, ImageDraw, ImageFont, ImageOps

from pdray.records import Hit

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_PAGE, _CARD, _EDGE, _MAT = "#f3f4f6", "#ffffff", "#d8dce2", "#e9ebef"
_INK, _FAINT, _ACCENT = "#1a1d23", "#737b88", "#2f5bd7"
_MARGIN, _GAP, _PAD, _RADIUS = 36, 18, 10, 10
_LEAST_WIDTH = 560
# Tried in turn where the built-in font (Latin) lacks a letter.
_SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "Arial.ttf",
)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Sizes in pixels of a sheet of so many hits."""

    columns: int
    tile: int  # side of the square that holds the thumbnail
    small: int  # font sizes
    decimals: int  # of scores
    title: int = 28

    @property
    def card(self) -> tuple[int, int]:
        return self.tile + 2 * _PAD, self.tile + 3 * _PAD + self.caption

    @property
    def caption(self) -> int:
        return round(self.small * 2.8)

    @property
    def width(self) -> int:
        grid = self.columns * self.card[0] + (self.columns - 1) * _GAP
        return max(_LEAST_WIDTH, grid + 2 * _MARGIN)


def contact_sheet(
    hits: Sequence[Hit], thumbnails: Callable[[Hit], bytes | None], query: str
) -> Image.Image:
    """An RGB picture: the query as title, then one card a hit in reading order, best first.

    `thumbnails` gives the bytes of a hit's thumbnail; None, or bytes that don't decode, become a
    grey tile. Letters that no font on the machine has show as boxes.
    """
    layout = _layout(hits)
    lines = _wrap(" ".join(query.split()) or "(image)", layout.title, layout.width - 2 * _MARGIN)
    top = _MARGIN + len(lines) * round(layout.title * 1.3) + 34
    rows = math.ceil(len(hits) / layout.columns)
    width, height = layout.card
    sheet = Image.new("RGB", (layout.width, top + rows * (height + _GAP) + _MARGIN - _GAP), _PAGE)
    _draw_title(sheet, lines, layout.title, len(hits))
    for place, hit in enumerate(hits):
        row, column = divmod(place, layout.columns)
        corner = _MARGIN + column * (width + _GAP), top + row * (height + _GAP)
        sheet.paste(_card(hit, _decode(thumbnails(hit)), layout), corner)
    return sheet


def _layout(hits: Sequence[Hit]) -> _Layout:
    count = len(hits)
    wide = min(9, math.ceil(math.sqrt(count * 1.4)))
    # Of the widths near the pleasing one, that which leaves the fewest empty places.
    columns = min(range(max(1, wide - 1), wide + 2), key=lambda n: (-count % n, -n))
    # Fused scores are small: 2 / 61 at most.
    decimals = 3 if max((hit.score for hit in hits), default=1.0) >= 0.1 else 4
    if count <= 12:
        return _Layout(columns, 240, 15, decimals)
    return _Layout(columns, *((200, 14) if count <= 40 else (150, 12)), decimals)


def _draw_title(sheet: Image.Image, lines: Sequence[str], size: int, count: int) -> None:
    draw = ImageDraw.Draw(sheet)
    y = _MARGIN - 8
    for line in lines:
        draw.text((_MARGIN, y), line, _INK, _font(size, line))
        y += round(size * 1.3)
    told = {0: "nothing found", 1: "1 image"}.get(count, f"{count} images, best first")
    draw.text((_MARGIN, y + 4), told, _FAINT, _font(15))


def _card(hit: Hit, thumbnail: Image.Image | None, layout: _Layout) -> Image.Image:
    card = Image.new("RGB", layout.card, _PAGE)
    card.paste(_EDGE, mask=_rounded(layout.card, _RADIUS))
    inner = (layout.card[0] - 2, layout.card[1] - 2)
    card.paste(_CARD, (1, 1), _rounded(inner, _RADIUS - 1))
    _draw_thumbnail(card, thumbnail, layout)
    _draw_caption(card, hit, layout)
    return card


def _draw_thumbnail(card: Image.Image, thumbnail: Image.Image | None, layout: _Layout) -> None:
    side = layout.tile
    tile = Image.new("RGB", (side, side), _MAT)
    if thumbnail is None:
        draw = ImageDraw.Draw(tile)
        draw.text((side / 2, side / 2), "no preview", _FAINT, _font(layout.small), anchor="mm")
    else:
        shown = ImageOps.contain(thumbnail, (side, side), Image.Resampling.LANCZOS)
        tile.paste(shown, ((side - shown.width) // 2, (side - shown.height) // 2))
    card.paste(tile, (_PAD, _PAD), _rounded(tile.size, _RADIUS - 4))


def _draw_caption(card: Image.Image, hit: Hit, layout: _Layout) -> None:
    draw = ImageDraw.Draw(card)
    small, right = layout.small, layout.card[0] - _PAD
    y = layout.tile + 2 * _PAD
    rank = f"{hit.rank}"
    draw.text((_PAD, y), rank, _ACCENT, _font(small), stroke_width=0.4, stroke_fill=_ACCENT)
    score = f"{hit.score:.{layout.decimals}f}"
    draw.text((right, y), score, _FAINT, _font(small), anchor="ra")
    start = _PAD + _font(small).getlength(rank) + 8
    name = _fit(_name(hit.uri), small, right - start - _font(small).getlength(score) - 10)
    draw.text((start, y), name, _INK, _font(small, name))
    facts = _fit(_facts(hit), small - 2, right - start)
    draw.text((start, y + round(small * 1.4)), facts, _FAINT, _font(small - 2))


def _name(uri: str) -> str:
    name = unquote(uri.rstrip("/").rsplit("/", 1)[-1])
    return "".join(sign if sign.isprintable() else "?" for sign in name)


def _facts(hit: Hit) -> str:
    shape = f"{hit.width} x {hit.height}" if hit.width and hit.height else ""
    return "  ·  ".join(fact for fact in (shape, (hit.taken_at or "")[:10]) if fact)


def _decode(data: bytes | None) -> Image.Image | None:
    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for broken files
        return None


@lru_cache(maxsize=16)
def _rounded(size: tuple[int, int], radius: int) -> Image.Image:
    """A mask with smooth round corners: drawn four times as large, then reduced."""
    large = Image.new("L", (4 * size[0], 4 * size[1]), 0)
    box = (0, 0, large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle(box, 4 * radius, 255)
    return large.resize(size, Image.Resampling.BOX)


def _font(size: int, text: str = "") -> Font:
    """The built-in font, or the first of the system's that has every letter of the text."""
    built_in = _load(None, size)
    strange = frozenset(text) - _LATIN
    if not strange or built_in is None:
        return built_in or ImageFont.load_default()
    fonts = (font for name in (None, *_SYSTEM_FONTS) if (font := _load(name, size)) is not None)
    return next((font for font in fonts if _has(font, strange)), built_in)


_LATIN = frozenset(map(chr, range(0x20, 0x7F)))


@lru_cache(maxsize=64)
def _load(name: str | None, size: int) -> ImageFont.FreeTypeFont | None:
    try:
        font = ImageFont.load_default(size) if name is None else ImageFont.truetype(name, size)
    except (OSError, ImportError):  # not installed, or Pillow without FreeType
        return None
    return font if isinstance(font, ImageFont.FreeTypeFont) else None


def _has(font: ImageFont.FreeTypeFont, letters: frozenset[str]) -> bool:
    missing = bytes(font.getmask("\U0010ffff"))
    return all(bytes(font.getmask(letter)) != missing for letter in letters)


def _fit(text: str, size: int, width: float) -> str:
    """The text, shortened in the middle where it is too wide, so that endings stay to be seen."""
    font = _font(size, text)
    kept = len(text)
    shown = text
    while kept > 1 and font.getlength(shown) > width:
        kept -= 1
        shown = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
    return shown


def _wrap(text: str, size: int, width: int, most: int = 2) -> list[str]:
    """At most `most` lines; what doesn't fit is cut with an ellipsis."""
    font = _font(size, text)
    lines: list[str] = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return [_fit(line, size, width) for line in lines]
