"""Scenes that differ from a given one in one thing alone: minimal pairs to train and test with."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from pdray.samples.scene import (
    COLOURS,
    COUNTS,
    FILLS,
    GROUNDS,
    HOLDERS,
    LINES,
    PLACES,
    SHAPES,
    Scene,
    Thing,
    legible,
    make_ground,
)

# Attempts before a scene is taken to have no legible variation.
ATTEMPTS = 12


def vary(scene: Scene, attribute: str, rng: random.Random) -> Scene | None:
    """The scene with another value of `attribute` (one of VARIATIONS), the look kept; None where
    the scene has no such attribute or nothing legible came up."""
    for _ in range(ATTEMPTS):
        other = VARIATIONS[attribute](scene, rng)
        if other is None:
            return None
        if other.meaning != scene.meaning and legible(other):
            return other
    return None


def vary_any(scene: Scene, rng: random.Random) -> Scene:
    """The scene with one attribute changed, whichever; the scene itself in the odd case."""
    for attribute in rng.sample(tuple(VARIATIONS), len(VARIATIONS)):
        other = vary(scene, attribute, rng)
        if other is not None:
            return other
    return scene


def _other(values: Sequence[str], value: str, rng: random.Random) -> str:
    return rng.choice([v for v in values if v != value])


def _with_thing(scene: Scene, index: int, thing: Thing) -> Scene:
    things = (*scene.things[:index], thing, *scene.things[index + 1 :])
    return replace(scene, things=things)


def _shape(scene: Scene, rng: random.Random) -> Scene:
    index = rng.randrange(len(scene.things))
    holder = scene.place == "inside" and index == 1
    thing = scene.things[index]
    shape = _other(HOLDERS if holder else SHAPES, thing.shape, rng)
    return _with_thing(scene, index, replace(thing, shape=shape))


def _colour(scene: Scene, rng: random.Random) -> Scene:
    index = rng.randrange(len(scene.things))
    thing = scene.things[index]
    return _with_thing(
        scene, index, replace(thing, colour=_other(tuple(COLOURS), thing.colour, rng))
    )


def _fill(scene: Scene, rng: random.Random) -> Scene:
    # The outer shape of "inside" is always plain.
    index = 0 if scene.place == "inside" else rng.randrange(len(scene.things))
    thing = scene.things[index]
    return _with_thing(scene, index, replace(thing, fill=_other(FILLS, thing.fill, rng)))


def _size(scene: Scene, rng: random.Random) -> Scene | None:
    index = rng.randrange(len(scene.things))
    thing = scene.things[index]
    if not thing.size:
        return None
    other = "small" if thing.size == "large" else "large"
    return _with_thing(scene, index, replace(thing, size=other))


def _count(scene: Scene, rng: random.Random) -> Scene | None:
    if scene.layout != "several":
        return None
    return replace(scene, count=rng.choice([count for count in COUNTS if count != scene.count]))


def _place(scene: Scene, rng: random.Random) -> Scene | None:
    if scene.layout == "single":
        return replace(scene, place=_other(PLACES, scene.place, rng))
    if scene.layout == "pair":
        if scene.place == "inside":
            return None
        return replace(scene, place="above" if scene.place == "beside" else "beside")
    return replace(scene, place=_other(LINES, scene.place, rng))


def _order(scene: Scene, rng: random.Random) -> Scene | None:
    """Two things change places."""
    if len(scene.things) < 2 or scene.place == "inside":
        return None
    things = list(scene.things)
    first, second = rng.sample(range(len(things)), 2)
    things[first], things[second] = things[second], things[first]
    return replace(scene, things=tuple(things))


def _binding(scene: Scene, rng: random.Random) -> Scene | None:
    """Two things change colours."""
    if len(scene.things) < 2:
        return None
    first, second = rng.sample(range(len(scene.things)), 2)
    one, two = scene.things[first], scene.things[second]
    changed = _with_thing(scene, first, replace(one, colour=two.colour))
    return _with_thing(changed, second, replace(two, colour=one.colour))


def _ground(scene: Scene, rng: random.Random) -> Scene:
    ground = scene.ground
    second = ground.second or rng.choice(tuple(COLOURS))
    if rng.random() < 0.5:
        kind = _other(GROUNDS, ground.kind, rng)
        return replace(scene, ground=make_ground(kind, ground.first, second))
    first = _other(tuple(COLOURS), ground.first, rng)
    return replace(scene, ground=make_ground(ground.kind, first, second))


VARIATIONS: dict[str, Callable[[Scene, random.Random], Scene | None]] = {
    "shape": _shape,
    "colour": _colour,
    "fill": _fill,
    "size": _size,
    "count": _count,
    "place": _place,
    "order": _order,
    "binding": _binding,
    "background": _ground,
}
