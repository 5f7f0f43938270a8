"""The query language: what each part means, and what a wrong one is told."""

import pytest

from pdray.errors import UsageError
from pdray.index.filters import AnyOf, Condition, Dates, Missing, Near, Range, Words
from pdray.search.language import Named, Parsed, bind, parse, tagged, telling, unmatched

DAY_END = "T23:59:59.999999"


def test_words_stay_words_and_the_rest_narrows() -> None:
    found = parse(
        'two red  dogs camera:canon -people iso:>=800 -"a busy street" -format:png "on ice"'
    )
    assert found == Parsed(
        "two red dogs on ice",
        ("people", "a busy street"),
        (
            Named("camera", "canon", "camera"),
            Range("iso", gte=800.0),
            Words("text", "on ice", phrase=True),
        ),
        (
            Words("text", "people"),
            Words("text", "a busy street", phrase=True),
            Named("format", "png", "format"),
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "black-and-white photo",
        "at 12:30",
        "ratio 16:9",
        "https://example.org/a",
        "a - b",
        "re: you",
    ],
)
def test_what_only_looks_like_a_condition_is_words(text: str) -> None:
    found = parse(text)
    assert (found.must, found.must_not, found.without) == ((), (), ())
    assert found.words == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("iso:800", Range("iso", gte=800.0, lte=800.0)),
        ("iso:100..400", Range("iso", gte=100.0, lte=400.0)),
        ("iso:100..", Range("iso", gte=100.0)),
        ("iso:..400", Range("iso", lte=400.0)),
        ("iso:>100", Range("iso", gt=100.0)),
        ("iso:<100", Range("iso", lt=100.0)),
        ("iso:<=100", Range("iso", lte=100.0)),
        ("ISO:800", Range("iso", gte=800.0, lte=800.0)),
        ("size:>5MB", Range("size", gt=5e6)),
        ("mp:12", Range("pixels", gte=12e6, lte=13e6 - 1)),
        ("mp:>=12", Range("pixels", gte=12e6)),
        ("exposure:<1/250", Range("exposure_seconds", lt=0.004)),
        ("focal:35mm..85mm", Range("focal_length_mm", gte=35.0, lte=85.0)),
        ("taken:2024", Dates(gte="2024-01-01T00:00:00", lte=f"2024-12-31{DAY_END}")),
        ("taken:2024-02", Dates(gte="2024-02-01T00:00:00", lte=f"2024-02-29{DAY_END}")),
        ("taken:2024-05-03", Dates(gte="2024-05-03T00:00:00", lte=f"2024-05-03{DAY_END}")),
        ("taken:2024-05..2024-06", Dates(gte="2024-05-01T00:00:00", lte=f"2024-06-30{DAY_END}")),
        ("taken:>2024", Dates(gt=f"2024-12-31{DAY_END}")),
        ("taken:<2024", Dates(lt="2024-01-01T00:00:00")),
        ("near:38.7,-9.1,25km", Near(-9.1, 38.7, 25_000.0)),
        ("near:38.7,-9.1", Near(-9.1, 38.7, 1_000.0)),
        ("has:place", Missing("location", present=True)),
    ],
)
def test_each_field_means_its_condition(text: str, expected: Condition) -> None:
    assert parse(text).must == (expected,)


def test_a_measured_number_need_not_have_all_its_digits() -> None:
    (f,) = parse("f:2.8").must
    assert isinstance(f, Range)
    assert f.gte is not None
    assert f.lte is not None
    assert f.gte < 2.797 < 2.8 < 2.81 < f.lte


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("foo:bar", "There is no field foo: use one of camera"),
        ("iso:fast", "iso:fast is no number"),
        ("iso:400..100", "iso:400..100 is empty"),
        ("iso:5MB", "is no number"),
        ("taken:yesterday", "taken:yesterday is no date"),
        ("taken:2024-13", "is no date"),
        ("taken:2024-02-30", "is no date"),
        ("taken:2024..2023", "is empty"),
        ("near:here", "near:here is no place"),
        ("near:91,0", "is no place"),
        ("near:1,2,3parsecs", "is no place"),
        ("has:soul", "has:soul is unknown"),
        ('camera:""', "camera: says nothing"),
    ],
)
def test_a_wrong_part_is_named_with_what_would_do(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(f"some words {text}")


VALUES = {
    "camera": {"canon eos r5": 5, "canon powershot": 2, "nikon d750": 1},
    "lens": {"EF 50mm f/1.8 STM": 3},
    "folders": {
        "file:///a/holiday": 4,
        "file:///a/holiday/my%20day": 2,
        "file:///b/old holiday": 1,
    },
    "keywords": {"Été": 1, "blue sky": 2, "sea": 3},
}


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("camera:Canon", "camera", ("canon eos r5", "canon powershot")),
        ('camera:"canon r5"', "camera", ("canon eos r5",)),
        ("camera:leica", "camera", ()),
        ("lens:50mm", "lens", ("EF 50mm f/1.8 STM",)),
        ("tag:ete", "keywords", ("Été",)),
        ("folder:holiday", "folders", ("file:///a/holiday",)),
        ('folder:"holiday/My Day"', "folders", ("file:///a/holiday/my%20day",)),
        ("folder:/b/old", "folders", ()),
    ],
)
def test_names_match_by_words_whatever_the_case(
    text: str, field: str, expected: tuple[str, ...]
) -> None:
    assert bind(parse(text).must, lambda name: VALUES[name]) == (AnyOf(field, expected),)


def test_a_name_that_nothing_holds_is_answered_with_what_there_is() -> None:
    said = parse("camera:leica lens:50mm iso:100 format:tiff").must
    values = {**VALUES, "format": {}}
    assert list(unmatched(said, lambda name: values[name])) == [
        "No camera here is called leica; there are canon eos r5, canon powershot, nikon d750.",
        "No format here is called tiff; no image says one.",
    ]


def test_tags_are_found_whole_within_the_words() -> None:
    assert tagged("a blue sky at Sea", VALUES["keywords"]) == ("blue sky", "sea")
    assert tagged("seaside", VALUES["keywords"]) == ()
    assert tagged("l'été", VALUES["keywords"]) == ("Été",)


def test_words_that_tell_nothing_are_told_apart() -> None:
    assert telling("a Red dog on the Été") == "red dog ete"
    assert telling("of the") == ""
