"""Scenes as pictures, with Pillow alone. What words don't tell (jitter, tint, phase of a pattern,
light) comes from the scene's `look`, so that a scene is the same picture at every size."""

import math
import random

from PIL import Image, ImageChops, ImageDraw

from pdray.samples.scene import COLOURS, Ground, Scene, Thing

Colour = tuple[int, int, int]
Point = tuple[float, float]

# Diameters as parts of the picture's shorter side.
DIAMETERS = {"small": 0.22, "large": 0.44}
PAIR_DIAMETERS = {"small": 0.21, "large": 0.41}
COUNT_DIAMETERS = {2: 0.30, 3: 0.27, 4: 0.215}
INNER, OUTER = 0.27, 0.74
PLACE_CENTRES: dict[str, Point] = {
    "centre": (0.5, 0.5),
    "left": (0.25, 0.5),
    "right": (0.75, 0.5),
    "top": (0.5, 0.25),
    "bottom": (0.5, 0.75),
    "top left": (0.25, 0.25),
    "top right": (0.75, 0.25),
    "bottom left": (0.25, 0.75),
    "bottom right": (0.75, 0.75),
}


def render(scene: Scene, size: tuple[int, int]) -> Image.Image:
    """The scene as an RGB picture of (width, height) pixels; its objects lie in the central square.

    Outlines are smoothed, patterns are not: draw at 150 pixels or more and scale down from there.
    """
    rng = random.Random(scene.look)
    width, height = size
    side = min(size)
    picture = _draw_ground(scene.ground, size, rng)
    left, top = (width - side) / 2, (height - side) / 2
    for thing, (x, y), diameter in placements(scene, rng):
        _draw_thing(picture, thing, (left + x * side, top + y * side), diameter * side, rng)
    return _light(picture, rng)


def positions(scene: Scene) -> list[tuple[Thing, Point, float]]:
    """Where `render` draws what of this scene: `placements`, with the jitter of its look."""
    rng = random.Random(scene.look)
    _draw_ground(scene.ground, (64, 64), rng)  # takes from the same numbers first, at any size
    return placements(scene, rng)


def placements(scene: Scene, rng: random.Random) -> list[tuple[Thing, Point, float]]:
    """What is drawn where, outer first: (thing, centre, diameter), in parts of that square."""
    if scene.layout == "single":
        thing = scene.things[0]
        return [(thing, _jitter(PLACE_CENTRES[scene.place], rng), DIAMETERS[thing.size])]
    if scene.layout == "several":
        diameter = COUNT_DIAMETERS[scene.count]
        centres = _line(scene.count, scene.place)
        return [(scene.things[0], _jitter(c, rng, 0.012), diameter) for c in centres]
    if scene.layout == "trio":
        centres = _line(3, scene.place)
        pairs = zip(scene.things, centres, strict=True)
        return [(thing, _jitter(centre, rng, 0.012), 0.28) for thing, centre in pairs]
    first, second = scene.things
    if scene.place == "inside":
        centre = _jitter((0.5, 0.5), rng)
        # A heart is widest above its middle.
        shift = -0.04 if second.shape == "heart" else 0.0
        return [(second, centre, OUTER), (first, (centre[0], centre[1] + shift), INNER)]
    ends = ((0.26, 0.5), (0.74, 0.5))
    if scene.place == "above":
        ends = ((0.5, 0.26), (0.5, 0.74))
    return [
        (first, _jitter(ends[0], rng), PAIR_DIAMETERS[first.size]),
        (second, _jitter(ends[1], rng), PAIR_DIAMETERS[second.size]),
    ]


def _line(count: int, place: str) -> list[Point]:
    along = [(index + 0.5) / count for index in range(count)]
    if count == 3:
        along = [0.18, 0.5, 0.82]
    return [(at, 0.5) if place == "row" else (0.5, at) for at in along]


def _jitter(centre: Point, rng: random.Random, most: float = 0.025) -> Point:
    return centre[0] + rng.uniform(-most, most), centre[1] + rng.uniform(-most, most)


def _tint(name: str, rng: random.Random) -> Colour:
    red, green, blue = (max(0, min(255, v + rng.randint(-12, 12))) for v in COLOURS[name])
    return red, green, blue


def _accent(colour: Colour) -> Colour:
    """The second tone of an object's pattern: dark on light colours, light on dark ones."""
    red, green, blue = colour
    if 0.3 * red + 0.59 * green + 0.11 * blue > 118:
        return int(red * 0.38), int(green * 0.38), int(blue * 0.38)
    return tuple(int(v + (255 - v) * 0.72) for v in colour)  # type: ignore[return-value]


def _draw_ground(ground: Ground, size: tuple[int, int], rng: random.Random) -> Image.Image:
    first = _tint(ground.first, rng)
    if ground.kind == "plain":
        return Image.new("RGB", size, first)
    second = _tint(ground.second, rng)
    if ground.kind == "gradient":
        ramp = Image.linear_gradient("L").resize(size, Image.Resampling.BILINEAR)
        return Image.composite(Image.new("RGB", size, second), Image.new("RGB", size, first), ramp)
    picture = Image.new("RGB", size, first)
    pitch = {"striped": 0.17, "dotted": 0.13, "checkered": 0.11}[ground.kind]
    _pattern(picture, ground.kind, pitch * rng.uniform(0.85, 1.2) * min(size), second, rng)
    return picture


def _pattern(
    picture: Image.Image, kind: str, pitch: float, colour: Colour, rng: random.Random
) -> None:
    """Draws stripes, dots or checks of `pitch` pixels over the whole picture."""
    draw = ImageDraw.Draw(picture)
    width, height = picture.size
    phase = rng.random() * pitch
    if kind == "striped":
        lean = rng.choice(("upright", "level", "slanted"))
        _stripes(draw, picture.size, pitch, phase, lean, colour)
        return
    if kind == "dotted":
        radius = pitch * 0.31
        for row in range(-1, int(height / pitch) + 2):
            for column in range(-1, int(width / pitch) + 2):
                x = column * pitch + phase + (row % 2) * pitch / 2
                y = row * pitch + phase
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        return
    for row in range(-1, int(height / pitch) + 2):
        for column in range(-1 + row % 2, int(width / pitch) + 2, 2):
            x, y = column * pitch + phase, row * pitch + phase
            draw.rectangle((x, y, x + pitch - 1, y + pitch - 1), fill=colour)


def _stripes(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    pitch: float,
    phase: float,
    lean: str,
    colour: Colour,
) -> None:
    width, height = size
    slant = height if lean == "slanted" else 0
    # Slanted stripes are measured along the edge, so they are wider there to look the same.
    pitch *= 1.4 if slant else 1.0
    length = height if lean == "level" else width + slant
    at = phase - pitch
    while at < length:
        end = at + pitch / 2
        if lean == "level":
            draw.rectangle((0, at, width, end), fill=colour)
        else:
            draw.polygon(
                ((at, 0), (end, 0), (end - slant, height), (at - slant, height)), fill=colour
            )
        at += pitch


def _draw_thing(
    picture: Image.Image, thing: Thing, centre: Point, diameter: float, rng: random.Random
) -> None:
    side = max(4, round(diameter))
    mask = _mask(thing.shape, side, rng.uniform(-8.0, 8.0))
    colour = _tint(thing.colour, rng)
    paint = Image.new("RGB", (side, side), colour)
    if thing.fill != "plain":
        pitch = {"striped": 0.29, "dotted": 0.25, "checkered": 0.2}[thing.fill]
        _pattern(paint, thing.fill, pitch * side, _accent(colour), rng)
    picture.paste(paint, (round(centre[0] - side / 2), round(centre[1] - side / 2)), mask)


def _mask(shape: str, side: int, degrees: float) -> Image.Image:
    """The outline as an 8-bit mask, drawn at twice its size and averaged down."""
    double = side * 2
    mask = Image.new("L", (double, double), 0)
    draw = ImageDraw.Draw(mask)
    if shape in ("circle", "ring", "crescent"):
        edge = double * 0.02
        draw.ellipse((edge, edge, double - edge, double - edge), fill=255)
        if shape == "ring":
            inner = double * 0.27
            draw.ellipse((inner, inner, double - inner, double - inner), fill=0)
        if shape == "crescent":
            draw.ellipse((double * 0.34, double * 0.05, double * 1.2, double * 0.91), fill=0)
        return mask.reduce(2)
    turn = math.radians(degrees)
    cosine, sine = math.cos(turn), math.sin(turn)
    corners = [
        (double / 2 * (1 + x * cosine - y * sine), double / 2 * (1 + x * sine + y * cosine))
        for x, y in OUTLINES[shape]
    ]
    draw.polygon(corners, fill=255)
    return mask.reduce(2)


def _star() -> list[Point]:
    corners = []
    for index in range(10):
        radius = 0.98 if index % 2 == 0 else 0.40
        angle = math.pi * (index / 5 - 0.5)
        corners.append((radius * math.cos(angle), radius * math.sin(angle)))
    return corners


def _heart() -> list[Point]:
    """The usual parametric heart curve, scaled into the unit circle's box."""
    corners = []
    for index in range(64):
        t = math.tau * index / 64
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        corners.append((x / 17.5, -(y + 2.5) / 16.5))
    return corners


# Polygons in a box from -1 to 1, y downwards.
OUTLINES: dict[str, list[Point]] = {
    "square": [(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)],
    "triangle": [(0.0, -0.92), (0.95, 0.8), (-0.95, 0.8)],
    "diamond": [(0.0, -0.98), (0.6, 0.0), (0.0, 0.98), (-0.6, 0.0)],
    "cross": [
        *((-0.3, -0.93), (0.3, -0.93), (0.3, -0.3), (0.93, -0.3), (0.93, 0.3), (0.3, 0.3)),
        *((0.3, 0.93), (-0.3, 0.93), (-0.3, 0.3), (-0.93, 0.3), (-0.93, -0.3), (-0.3, -0.3)),
    ],
    "arrow": [
        *((-0.95, -0.26), (0.1, -0.26), (0.1, -0.75), (0.96, 0.0)),
        *((0.1, 0.75), (0.1, 0.26), (-0.95, 0.26)),
    ],
    "star": _star(),
    "heart": _heart(),
}


def _light(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Uneven light, on two pictures in three, never so dark that a colour changes its name."""
    if rng.random() < 0.33:
        return picture
    field = Image.new("RGB", (3, 3))
    for place in range(9):
        level = rng.randint(206, 255)
        warm = rng.randint(-6, 0)
        field.putpixel((place % 3, place // 3), (level, level, level + warm))
    # Bicubic for the curve, bilinear for the size: smooth, and cheap on large pictures.
    curve = field.resize((24, 24), Image.Resampling.BICUBIC)
    return ImageChops.multiply(picture, curve.resize(picture.size, Image.Resampling.BILINEAR))
