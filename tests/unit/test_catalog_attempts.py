"""What the marks of dead attempts say."""

import uuid

import pytest

from pdray.catalog import attempts
from pdray.catalog.catalog import Catalog
from pdray.catalog.units import Item, Unit, unit_id


@pytest.fixture(params=["local", "memory"])
def catalog(request: pytest.FixtureRequest, tmp_path) -> Catalog:
    url = f"memory://{uuid.uuid4().hex}" if request.param == "memory" else str(tmp_path / "w")
    return Catalog.open(url, create=True)


def unit_of(*names: str, version: str = "v") -> Unit:
    items = tuple(Item(f"file:///{name}", 1, version, 1, 0) for name in names)
    return Unit(unit_id("c", "p", items), items)


def test_a_first_attempt_knows_no_deaths(catalog: Catalog) -> None:
    assert attempts.begin(catalog, "c", "run", unit_of("a", "b"), "1", {}) == ({}, 0)


def test_a_retry_of_the_unit_finds_the_mark_of_the_dead(catalog: Catalog) -> None:
    unit = unit_of("a", "b")
    attempts.begin(catalog, "c", "run", unit, "1", {})
    deaths, lost = attempts.begin(catalog, "c", "run", unit, "2", {})
    assert (deaths, lost) == ({"file:///a": 1, "file:///b": 1}, 1)
    deaths, lost = attempts.begin(catalog, "c", "run", unit, "3", {})
    assert (deaths, lost) == ({"file:///a": 2, "file:///b": 2}, 2)


def test_a_unit_that_is_committed_leaves_nothing(catalog: Catalog) -> None:
    unit, other = unit_of("a"), unit_of("b")
    attempts.begin(catalog, "c", "run", unit, "1", {})
    attempts.begin(catalog, "c", "run", unit, "2", {})
    attempts.begin(catalog, "c", "run", other, "1", {})
    attempts.end(catalog, "c", unit.unit_id)
    assert set(attempts.left(catalog, "c").deaths) == {("file:///b", "v")}


def test_the_next_run_counts_on_with_units_that_are_cut_anew(catalog: Catalog) -> None:
    attempts.begin(catalog, "c", "first", unit_of("a", "b"), "1", {})
    first = attempts.left(catalog, "c")
    assert dict(first.deaths) == {("file:///a", "v"): 1, ("file:///b", "v"): 1}
    deaths, lost = attempts.begin(catalog, "c", "second", unit_of("b", "c"), "1", first.deaths)
    assert (deaths, lost) == ({"file:///b": 1}, 0)
    second = attempts.left(catalog, "c").deaths
    assert second[("file:///b", "v")] == 2
    assert second[("file:///a", "v")] == second[("file:///c", "v")] == 1


def test_a_file_that_changed_is_no_suspect(catalog: Catalog) -> None:
    attempts.begin(catalog, "c", "first", unit_of("a"), "1", {})
    before = attempts.left(catalog, "c").deaths
    assert attempts.begin(catalog, "c", "next", unit_of("a", version="w"), "1", before) == ({}, 0)


def test_another_collection_is_not_concerned(catalog: Catalog) -> None:
    attempts.begin(catalog, "c", "run", unit_of("a"), "1", {})
    assert attempts.left(catalog, "d").paths == ()


def test_what_was_left_can_be_removed(catalog: Catalog) -> None:
    attempts.begin(catalog, "c", "run", unit_of("a"), "1", {})
    attempts.left(catalog, "c").remove()
    assert attempts.left(catalog, "c").paths == ()
