"""What the search box proposes."""

import pytest

from pdray.search.completion import complete
from pdray.search.language import parse

VALUES = {
    "camera": {"canon eos r5": 7, "nikon d750": 3, 'odd "one"': 1},
    "keywords": {"blue sky": 5, "cat": 2, "canoe": 1},
    "folders": {"file:///a/My%20Trip": 4, "file:///a": 9},
    "lens": {},
}


def inserts(text: str, limit: int = 20) -> list[str]:
    return [one.insert for one in complete(text, lambda field: VALUES.get(field, {}), limit)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("camera:ca", ['camera:"canon eos r5"']),
        ("camera:", ['camera:"canon eos r5"', 'camera:"nikon d750"', 'camera:"odd one"']),
        ('camera:"canon e', ['camera:"canon eos r5"']),
        ("CAMERA:D7", ['camera:"nikon d750"']),
        ("a dog -tag:bl", ['-tag:"blue sky"']),
        ("folder:tr", ['folder:"My Trip"']),
        ("has:c", ["has:camera", "has:caption"]),
        ("orient", ["orientation:"]),
        ("can", ["tag:canoe", 'camera:"canon eos r5"']),
        ('"can', ["tag:canoe", 'camera:"canon eos r5"']),
        ("sky", ['tag:"blue sky"']),
        ("a dog ", []),
        ("iso:", []),
        ("nonsense:x", []),
        ("camera:canon", ['camera:"canon eos r5"']),
    ],
)
def test_the_last_word_is_completed(text: str, expected: list[str]) -> None:
    assert inserts(text) == expected


def test_an_empty_text_shows_the_fields() -> None:
    assert inserts("", 3) == ["camera:", "make:", "model:"]


def test_what_comes_before_stays_as_it_is() -> None:
    (one,) = complete('red  "big dog" -camera:nik', lambda field: VALUES.get(field, {}), 5)
    assert one.query == 'red  "big dog" -camera:"nikon d750"'
    assert (one.field, one.value, one.count) == ("camera", "nikon d750", 3)
    parse(one.query)


def test_every_completed_value_is_one_that_the_language_takes() -> None:
    for field in ("camera:", "tag:", "folder:", "has:"):
        for one in complete(field, lambda name: VALUES.get(name, {}), 50):
            assert parse(one.query).must
