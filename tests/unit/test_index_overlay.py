"""What people say is laid over what machines found, and taken off again."""

import pytest

from pdray.index.overlay import machine_of, overlay, said_of
from pdray.records import Said

MACHINE = {
    "uri": "file:///a.jpg",
    "keywords": ["cat", "blurred"],
    "rating": 2,
    "caption": "a cat on a sofa",
    "caption_by": "blip",
    "text": "a\na cat on a sofa\ncat\nblurred",
}


@pytest.mark.parametrize(
    "said",
    [
        {"tags": ["dog", "cat"]},
        {"without": ["cat", "blurred"]},
        {"rating": 0},
        {"caption": "A dog."},
        {"tags": ["x"], "without": ["cat"], "rating": 5, "caption": "y"},
    ],
)
@pytest.mark.parametrize("machine", [MACHINE, {"uri": "file:///b.jpg"}])
def test_taking_it_off_gives_what_was_there(machine: dict[str, object], said: Said) -> None:
    whole = overlay(machine, said)
    assert machine_of(whole) == machine
    assert said_of(whole) == said
    assert overlay(machine_of(whole), {}) == machine
    assert overlay(machine, None) == machine


def test_tags_are_beside_the_files_own_and_words_find_them() -> None:
    whole = overlay(MACHINE, {"tags": ["dog"], "without": ["blurred"]})
    assert whole["keywords"] == ["cat", "dog"]
    assert whole["text"] == "a\na cat on a sofa\ncat\ndog"
    assert (whole["rating"], whole["caption_by"]) == (2, "blip")


def test_a_corrected_caption_hides_the_models() -> None:
    whole = overlay(MACHINE, {"caption": "a dog on a sofa"})
    assert whole["caption"] == "a dog on a sofa"
    assert "caption_by" not in whole
    assert whole["text"] == "a\ncat\nblurred\na dog on a sofa"


def test_the_last_tag_that_goes_leaves_no_empty_list() -> None:
    assert "keywords" not in overlay({"keywords": ["cat"]}, {"without": ["cat"]})
