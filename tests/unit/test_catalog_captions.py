"""Captions as a derived family: written once, found by content, merged, copied and forgotten."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from pdray.catalog import captions
from pdray.catalog.catalog import Catalog
from pdray.catalog.sweeping import Sweeper
from pdray.records import CaptionerSpec, Preprocessing, content_id

SPEC = CaptionerSpec("m", "m", None, "blip", "weights", Preprocessing(8, 8, "exact", 8))
A, B, C = content_id(b"a"), content_id(b"b"), content_id(b"c")


def test_the_first_attempt_at_a_unit_counts(tmp_path: Path) -> None:
    catalog = Catalog.open(str(tmp_path), create=True)
    assert captions.write(catalog, SPEC, "u1", [A], ["a star"])
    assert not captions.write(catalog, SPEC, "u1", [A], ["something else"])
    assert captions.Captions(catalog, SPEC).of([A, B]) == {A: "a star"}


def test_an_empty_caption_is_known_and_not_shown(tmp_path: Path) -> None:
    catalog = Catalog.open(str(tmp_path), create=True)
    captions.write(catalog, SPEC, "u1", [A], [""])
    assert captions.known(catalog, SPEC.key).find(A)
    assert captions.Captions(catalog, SPEC).of([A]) == {}


def test_other_beams_make_another_family() -> None:
    assert replace(SPEC, beams=4).key != SPEC.key
    assert CaptionerSpec.from_json(SPEC.to_json()) == SPEC


def test_a_collection_shows_the_captioner_that_it_was_told_last(tmp_path: Path) -> None:
    catalog = Catalog.open(str(tmp_path), create=True)
    assert captions.serving(catalog, "c") is None
    for spec in (SPEC, replace(SPEC, name="other"), SPEC, SPEC):
        captions.serve(catalog, "c", spec)
    assert captions.serving(catalog, "c") == SPEC
    assert len(catalog.store.list("collections/c/captioner", ".json")) == 3


def test_a_sweep_merges_captions_and_drops_those_of_forgotten_contents(tmp_path: Path) -> None:
    catalog = Catalog.open(str(tmp_path), create=True)
    for unit, content, words in (("u1", A, "a star"), ("u2", B, "a ring"), ("u3", C, "a heart")):
        captions.write(catalog, SPEC, unit, [content], [words])
    used = pa.table(
        {
            "content_id": pa.array([bytes.fromhex(A), bytes.fromhex(B)], pa.binary(16)),
            "thumb_pack": pa.array([None, None], pa.string()),
        }
    )
    with Sweeper(
        catalog, [used.to_reader()], grace_seconds=0, forgotten={bytes.fromhex(C)}
    ) as sweeper:
        sweeper.write()
        sweeper.delete()
    parts = captions.parts(catalog, SPEC.key)
    assert len(parts) == 1
    assert captions.read(catalog, parts[0]) == {A: "a star", B: "a ring"}
    assert captions.Captions(catalog, SPEC).of([A, B, C]) == {A: "a star", B: "a ring"}
