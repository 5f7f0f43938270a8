"""Minimal pairs: one attribute changes, nothing else, and the words tell."""

import random
from dataclasses import replace
from itertools import islice

import pytest

from pdray.samples.captions import full_caption
from pdray.samples.scene import Ground, Scene, Thing, legible, scenes
from pdray.samples.variation import VARIATIONS, vary, vary_any


@pytest.mark.parametrize("attribute", VARIATIONS)
def test_a_variation_has_other_words_for_the_same_dice(attribute: str) -> None:
    rng = random.Random(4)
    made = 0
    for scene in islice(scenes(6), 150):
        other = vary(scene, attribute, rng)
        if other is None:
            continue
        made += 1
        assert legible(other)
        assert other.look == scene.look
        words = full_caption(scene, random.Random(1))
        assert full_caption(other, random.Random(1)) != words
    assert made > 10


def test_a_change_of_shape_leaves_all_else() -> None:
    rng = random.Random(4)
    for scene in islice(scenes(6), 100):
        other = vary(scene, "shape", rng)
        assert other is not None
        assert replace(other, things=()) == replace(scene, things=())
        changed = [
            (a, b) for a, b in zip(scene.things, other.things, strict=True) if a.shape != b.shape
        ]
        assert len(changed) == 1
        assert replace(changed[0][1], shape=changed[0][0].shape) == changed[0][0]


def test_a_single_object_has_no_order_and_no_count() -> None:
    thing = Thing("star", "red", "plain", "large")
    scene = Scene("single", (thing,), 1, "left", Ground("plain", "white"))
    rng = random.Random(0)
    assert vary(scene, "order", rng) is None
    assert vary(scene, "binding", rng) is None
    assert vary(scene, "count", rng) is None
    assert vary_any(scene, rng) != scene
