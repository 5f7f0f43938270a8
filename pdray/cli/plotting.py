"""Plots as pictures, drawn with Pillow."""

import math
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

_WIDTH, _HEIGHT, _EDGE = 960, 600, 90
_COLOURS = {
    "fp32": (60, 60, 70),
    "bf16": (30, 100, 200),
    "fp16": (20, 150, 120),
    "int8": (200, 90, 20),
    "nf4": (140, 60, 160),
}
_INK, _PALE = (30, 30, 36), (222, 222, 228)


def scatter(target: Path, found: list[dict[str, Any]]) -> None:
    """Speed across, agreement up, a dot a variant: writes images a second (logarithmic) against the
    overlap of the ten nearest. Dots are as large as the memory that they took."""
    picture = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
    rates: list[float] = [one["images_per_second"] for one in found]
    low, high = math.log10(min(rates) / 1.5), math.log10(max(rates) * 1.5)
    least: float = min(one["top10_overlap"] for one in found)
    floor = min(0.95, math.floor(20 * least) / 20)
    most = max(one["peak_bytes"] for one in found)

    def across(rate: float) -> float:
        return _EDGE + (math.log10(rate) - low) / (high - low) * (_WIDTH - 2 * _EDGE)

    def up(share: float) -> float:
        return _HEIGHT - _EDGE - (share - floor) / (1 - floor) * (_HEIGHT - 2 * _EDGE)

    for step in range(6):
        share = floor + (1 - floor) * step / 5
        draw.line((_EDGE, up(share), _WIDTH - _EDGE, up(share)), fill=_PALE)
        draw.text((_EDGE - 12, up(share)), f"{share:.2f}", fill=_INK, font=font, anchor="rm")
    for step in range(5):
        rate = 10 ** (low + (high - low) * step / 4)
        x = across(rate)
        draw.line((x, _EDGE, x, _HEIGHT - _EDGE), fill=_PALE)
        draw.text((x, _HEIGHT - _EDGE + 12), f"{rate:.3g}", fill=_INK, font=font, anchor="ma")
    draw.text((_WIDTH / 2, _HEIGHT - 40), "images a second", fill=_INK, font=font, anchor="ma")
    draw.text(
        (_EDGE, 50),
        "share of the ten nearest images that agree with the first",
        fill=_INK,
        font=font,
    )
    for one in found:
        x, y = across(one["images_per_second"]), up(one["top10_overlap"])
        radius = 6 + 16 * math.sqrt(one["peak_bytes"] / most) if most else 8
        colour = _COLOURS.get(one["precision"], _INK)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        label = f"{one['model'].rstrip('/').rsplit('/', 1)[-1][:28]} {one['precision']}"
        draw.text((x, y + radius + 4), label, fill=colour, font=font, anchor="ma")
    picture.save(target)


def intervals(target: Path, lines: list[dict[str, Any]]) -> None:
    """A row a figure of each line, as `pdray eval` tells them: the mean as a dot, its interval as
    a bar with ends, from 0 to 1."""
    rows = [(line, name, one) for line in lines for name, one in line["figures"].items()]
    high, left = 24, 380
    height = _EDGE + high * len(rows) + 50
    picture = Image.new("RGB", (_WIDTH, height), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(14)

    def across(share: float) -> float:
        return left + share * (_WIDTH - left - 40)

    for step in range(6):
        x = across(step / 5)
        draw.line((x, 60, x, height - 50), fill=_PALE)
        draw.text((x, height - 40), f"{step / 5:.1f}", fill=_INK, font=font, anchor="ma")
    for number, (line, name, one) in enumerate(rows):
        y = _EDGE + high * number
        colour = _COLOURS.get(line["precision"], _INK)
        model = line["model"].rstrip("/").rsplit("/", 1)[-1][:20]
        label = f"{line['asked']}, {model} {line['precision']}, {name.replace('_', ' ')}"
        draw.text((left - 12, y), label, fill=_INK, font=font, anchor="rm")
        # With ends that are higher than the dot: most intervals are hardly wider than it.
        draw.line((across(one["low"]), y, across(one["high"]), y), fill=colour, width=2)
        for end in (across(one["low"]), across(one["high"])):
            draw.line((end, y - 6, end, y + 6), fill=colour, width=2)
        x = across(one["mean"])
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)
    picture.save(target)
