"""Which embedding space serves."""

import uuid
from dataclasses import replace

import pytest

from pdray.catalog import pointer
from pdray.catalog.catalog import Catalog
from pdray.records import ModelSpec, Preprocessing

SPEC = ModelSpec("m", "m", "abc", "clip", 4, "w", Preprocessing(8, 8, "exact", 8))


@pytest.fixture
def catalog() -> Catalog:
    return Catalog.open(f"memory://{uuid.uuid4().hex}", create=True)


def test_a_collection_that_was_never_indexed_has_no_pointer(catalog: Catalog) -> None:
    assert pointer.current(catalog, "c") is None


def test_the_last_pointer_counts_and_says_the_whole_model(catalog: Catalog) -> None:
    pointer.advance(catalog, "c", SPEC)
    other = replace(SPEC, fingerprint="x")
    made = pointer.advance(catalog, "c", other)
    assert made == pointer.Pointer(2, other) == pointer.current(catalog, "c")
    assert pointer.current(catalog, "d") is None


def test_advancing_to_the_same_model_changes_nothing(catalog: Catalog) -> None:
    first = pointer.advance(catalog, "c", SPEC)
    assert pointer.advance(catalog, "c", SPEC) == first
    assert len(catalog.store.list("collections/c/pointer")) == 1


def test_generations_are_counted_beyond_nine(catalog: Catalog) -> None:
    for number in range(1, 13):
        pointer.advance(catalog, "c", replace(SPEC, fingerprint=str(number)))
    assert pointer.current(catalog, "c") == pointer.Pointer(12, replace(SPEC, fingerprint="12"))
