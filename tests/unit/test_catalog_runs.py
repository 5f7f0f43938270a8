"""Records of runs."""

import uuid

import pytest

from pdray.catalog import runs
from pdray.catalog.catalog import Catalog


@pytest.fixture
def catalog() -> Catalog:
    return Catalog.open(f"memory://{uuid.uuid4().hex}", create=True)


def test_a_run_is_recorded_when_it_starts_and_when_it_ends(catalog: Catalog) -> None:
    assert runs.last(catalog, "c") is None
    runs.start(catalog, "1", {"collection": "c", "sources": ["a"]})
    begun = runs.last(catalog, "c")
    assert begun is not None
    assert (begun["sources"], begun["report"]) == (["a"], None)
    runs.end(catalog, "1", {"seen": 3})
    ended = runs.last(catalog, "c")
    assert ended is not None
    assert ended["report"]["seen"] == 3
    assert ended["report"]["ended_at"] >= ended["started_at"]


def test_the_last_run_is_that_of_the_collection(catalog: Catalog) -> None:
    for run_id, collection in (("1", "c"), ("2", "d"), ("3", "e")):
        runs.start(catalog, run_id, {"collection": collection})
    catalog.store.create("runs/4/other.json", b"")  # killed before its first record
    found = runs.last(catalog, "d")
    assert found is not None
    assert found["run_id"] == "2"


def test_run_ids_are_distinct_and_sort_by_time() -> None:
    ids = [runs.new_run_id() for _ in range(200)]
    assert len(set(ids)) == 200
    times = [run_id.split("Z")[0] for run_id in ids]
    assert times == sorted(times)
    assert all(len(run_id) == len("20250102T030405.678Z-abcdef") for run_id in ids)
