"""Scenes and their words: deterministic, legible, told apart by their captions."""

import random
from itertools import islice

import pytest

from pdray.samples.captions import facts, full_caption, short_caption
from pdray.samples.collection import samples
from pdray.samples.drawing import render
from pdray.samples.scene import COLOURS, FILLS, SHAPES, Ground, Scene, Thing, legible, scenes


def test_the_same_seed_draws_the_same_scenes() -> None:
    first = list(islice(scenes(3), 50))
    assert first == list(islice(scenes(3), 50))
    assert first != list(islice(scenes(4), 50))


def test_training_and_collections_share_no_stream() -> None:
    collection = {scene.look for scene in islice(scenes(3), 500)}
    training = {scene.look for scene in islice(scenes(3, "training"), 500)}
    assert len(collection & training) <= 1


def test_no_caption_occurs_twice_in_three_thousand() -> None:
    captions = [sample.caption for sample in islice(samples(9, (300, 300)), 3000)]
    assert len(set(captions)) == 3000


def test_three_thousand_scenes_use_every_word() -> None:
    words = set(" ".join(s.caption for s in islice(samples(9, (300, 300)), 3000)).split())
    assert words >= set(COLOURS)
    assert words >= set(FILLS)
    assert words >= set(SHAPES)
    assert words >= {
        "two",
        "three",
        "four",
        "row",
        "column",
        "inside",
        "gradient",
        "small",
        "large",
    }


def test_a_colour_on_itself_is_not_legible() -> None:
    star = Thing("star", "red", "plain", "large")
    assert legible(Scene("single", (star,), 1, "left", Ground("plain", "blue")))
    assert not legible(Scene("single", (star,), 1, "left", Ground("plain", "red")))
    assert not legible(Scene("single", (star,), 1, "left", Ground("striped", "blue", "red")))


def test_short_captions_claim_only_facts_of_their_scene() -> None:
    rng = random.Random(0)
    for scene in islice(scenes(2), 400):
        words, claimed = short_caption(scene, rng)
        assert words
        assert claimed <= facts(scene)


def test_paraphrases_keep_the_order_of_a_pair() -> None:
    red, blue = Thing("star", "red", "plain", "large"), Thing("heart", "blue", "plain", "small")
    scene = Scene("pair", (red, blue), 2, "beside", Ground("plain", "white"))
    rng = random.Random(1)
    for _ in range(50):
        words = full_caption(scene, rng)
        red_first = words.index("red") < words.index("blue")
        assert ("left of" in words) == red_first
        assert ("right of" in words) != red_first


@pytest.mark.parametrize("shape", SHAPES)
def test_an_object_is_drawn_where_the_scene_says(shape: str) -> None:
    scene = Scene(
        "single", (Thing(shape, "red", "plain", "large"),), 1, "left", Ground("plain", "white")
    )
    picture = render(scene, (200, 200))
    reds = [
        x
        for x in range(200)
        for y in range(0, 200, 4)
        if (p := picture.getpixel((x, y)))[0] > 120 and p[1] < 90  # type: ignore[index,operator]
    ]
    assert reds
    assert sum(reds) / len(reds) < 80


def test_a_wide_picture_keeps_its_objects_in_the_central_square() -> None:
    thing = Thing("square", "red", "plain", "large")
    scene = Scene("single", (thing,), 1, "left", Ground("plain", "white"))
    picture = render(scene, (800, 200))
    outside = [picture.getpixel((x, y)) for x in range(0, 296, 5) for y in range(0, 200, 5)]
    assert all(pixel[1] > 120 for pixel in outside)  # type: ignore[index,operator]
