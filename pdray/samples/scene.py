"""What a scene is: a small frozen description, drawn from a seeded generator, that says everything
a caption may say. Pixels come later (drawing), words too (captions).

Everything lies inside the central square of the picture, so that a centre crop loses nothing.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Layout = Literal["single", "several", "pair", "trio"]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 32, 38),
    "orange": (245, 134, 22),
    "yellow": (250, 222, 40),
    "green": (38, 142, 56),
    "turquoise": (52, 208, 200),
    "blue": (34, 74, 206),
    "purple": (124, 44, 158),
    "pink": (250, 138, 188),
    "brown": (118, 70, 34),
    "black": (20, 20, 22),
    "grey": (134, 136, 140),
    "white": (248, 248, 246),
}
SHAPES = (
    "circle",
    "square",
    "triangle",
    "star",
    "ring",
    "cross",
    "heart",
    "diamond",
    "crescent",
    "arrow",
)
FILLS = ("plain", "striped", "dotted", "checkered")
SIZES = ("small", "large")
GROUNDS = ("plain", "gradient", "striped", "dotted", "checkered")
PLACES = (
    "centre",
    "left",
    "right",
    "top",
    "bottom",
    "top left",
    "top right",
    "bottom left",
    "bottom right",
)
LINES = ("row", "column")
RELATIONS = ("beside", "above", "inside")
COUNTS = (2, 3, 4)
# Outer shapes of "inside": what is drawn in them stays within their outline.
HOLDERS = ("circle", "square", "heart", "diamond")
# Least distance in RGB between what is drawn and what it is drawn on.
CONTRAST = 125.0


@dataclass(frozen=True, slots=True)
class Thing:
    """One kind of object. `size` is "" where the layout fixes it."""

    shape: str
    colour: str
    fill: str
    size: str = ""


@dataclass(frozen=True, slots=True)
class Ground:
    """A background. Stripes and checks take two colours in alphabetical order, a gradient runs from
    `first` at the top to `second` at the bottom, dots of `second` lie on `first`."""

    kind: str
    first: str
    second: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene. `things` are in reading order (left to right, top to bottom; inner before outer).

    `place` is one of PLACES (single), LINES (several, trio) or RELATIONS (pair); `count` is the
    number of objects drawn. `look` seeds what words don't tell: jitter, tint, phase of a pattern.
    """

    layout: Layout
    things: tuple[Thing, ...]
    count: int
    place: str
    ground: Ground
    look: int = 0

    @property
    def meaning(self) -> "Scene":
        """The scene without its look: two scenes of equal meaning have the same captions."""
        return replace(self, look=0)


def draw_scene(rng: random.Random) -> Scene:
    """A scene drawn at random; a colour that would be lost on its background is drawn again."""
    layout: Layout = rng.choices(("single", "several", "pair", "trio"), (40, 20, 28, 12))[0]
    while True:
        scene = _draw(layout, rng)
        if legible(scene):
            return scene


def _draw(layout: Layout, rng: random.Random) -> Scene:
    ground, look = _draw_ground(rng), rng.getrandbits(32)
    if layout == "single":
        return Scene(layout, (_draw_thing(rng, sized=True),), 1, rng.choice(PLACES), ground, look)
    if layout == "several":
        thing, count = _draw_thing(rng), rng.choice(COUNTS)
        return Scene(layout, (thing,), count, rng.choice(LINES), ground, look)
    if layout == "trio":
        trio = tuple(_draw_thing(rng, plain=0.7) for _ in range(3))
        return Scene(layout, trio, 3, rng.choice(LINES), ground, look)
    relation = rng.choices(RELATIONS, (4, 4, 2))[0]
    if relation == "inside":
        outer = Thing(rng.choice(HOLDERS), rng.choice(tuple(COLOURS)), "plain")
        return Scene(layout, (_draw_thing(rng), outer), 2, relation, ground, look)
    pair = (_draw_thing(rng, sized=True), _draw_thing(rng, sized=True))
    return Scene(layout, pair, 2, relation, ground, look)


def _draw_thing(rng: random.Random, *, sized: bool = False, plain: float = 0.4) -> Thing:
    fill = "plain" if rng.random() < plain else rng.choice(FILLS[1:])
    size = rng.choice(SIZES) if sized else ""
    return Thing(rng.choice(SHAPES), rng.choice(tuple(COLOURS)), fill, size)


def _draw_ground(rng: random.Random) -> Ground:
    kind = rng.choices(GROUNDS, (36, 16, 16, 16, 16))[0]
    first, second = rng.sample(tuple(COLOURS), 2)
    return make_ground(kind, first, second)


def make_ground(kind: str, first: str, second: str) -> Ground:
    """A background in canonical order, so that equal looks have equal descriptions."""
    if kind == "plain":
        return Ground(kind, first)
    if kind in ("striped", "checkered"):
        first, second = sorted((first, second))
    return Ground(kind, first, second)


def contrast(first: str, second: str) -> float:
    """Euclidean distance of two named colours in RGB, 0 to 441."""
    pairs = zip(COLOURS[first], COLOURS[second], strict=True)
    return float(sum((a - b) ** 2 for a, b in pairs) ** 0.5)


def legible(scene: Scene) -> bool:
    """Whether every object stands out from what it lies on, and different things differ."""
    ground = scene.ground
    if ground.second and contrast(ground.first, ground.second) < CONTRAST:
        return False
    if len(set(scene.things)) != len(scene.things):
        return False
    behind = tuple(colour for colour in (ground.first, ground.second) if colour)
    if scene.place == "inside":
        inner, outer = scene.things
        if contrast(inner.colour, outer.colour) < CONTRAST:
            return False
        return all(contrast(outer.colour, colour) >= CONTRAST for colour in behind)
    return all(contrast(t.colour, colour) >= CONTRAST for t in scene.things for colour in behind)


def scenes(seed: int, stream: str = "collection") -> Iterator[Scene]:
    """Endless scenes of a seed, no meaning twice. Streams of other names share no random numbers
    with it, whatever their seeds. Scene i is the same however many are taken."""
    seen: set[Scene] = set()
    index = 0
    while True:
        rng = random.Random(f"{stream}:{seed}:{index}")
        scene = draw_scene(rng)
        while scene.meaning in seen:
            scene = draw_scene(rng)
        seen.add(scene.meaning)
        index += 1
        yield scene
