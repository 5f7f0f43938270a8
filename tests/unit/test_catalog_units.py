"""Cutting and naming units."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdray.catalog.units import (
    LAST_IMAGES,
    MAX_FILE_BYTES,
    MAX_IMAGES,
    MAX_PIXEL_BYTES,
    Item,
    cut,
    unit_id,
    unit_images,
)

SIZES = st.lists(st.integers(0, MAX_FILE_BYTES * 2), max_size=60)


def items(sizes: list[int]) -> list[Item]:
    return [Item(f"file:///{n:04d}", size, "v", 1, 0) for n, size in enumerate(sizes)]


@given(SIZES, st.integers(1, 20))
def test_every_item_is_in_one_unit_in_order_and_within_the_limits(
    sizes: list[int], images: int
) -> None:
    made = items(sizes)
    units = list(cut(made, collection="c", pipeline="1", images=images))
    assert [item for unit in units for item in unit.items] == made
    for unit in units:
        assert 1 <= len(unit.items) <= images
        total = sum(item.size for item in unit.items)
        assert total <= MAX_FILE_BYTES or len(unit.items) == 1
    assert len({unit.unit_id for unit in units}) == len(units)


@given(st.permutations(items([1, 2, 3, 4])))
def test_a_units_name_does_not_depend_on_order(order: list[Item]) -> None:
    assert unit_id("c", "1", order) == unit_id("c", "1", items([1, 2, 3, 4]))


def test_a_units_name_depends_on_what_it_holds_and_on_what_it_supersedes() -> None:
    made = items([1, 2])
    first = made[0]
    others = [
        unit_id("d", "1", made),
        unit_id("c", "2", made),
        unit_id("c", "1", made[:1]),
        unit_id("c", "1", [replace(first, seq=2), made[1]]),
        unit_id("c", "1", [replace(first, version="w"), made[1]]),
        unit_id("c", "1", [replace(first, uri="file:///x"), made[1]]),
    ]
    assert len({unit_id("c", "1", made), *others}) == len(others) + 1


def test_a_units_name_does_not_depend_on_the_order_of_sources() -> None:
    made = items([1, 2])
    moved = [replace(item, source=1) for item in made]
    assert unit_id("c", "1", made) == unit_id("c", "1", moved)


@given(st.integers(1, 10**9), st.integers(1, 1000), st.integers(1, 2**28))
def test_units_stay_within_memory_and_give_every_worker_some(
    total: int, workers: int, pixel_bytes: int
) -> None:
    images = unit_images(total, workers, pixel_bytes)
    assert 1 <= images <= MAX_IMAGES
    assert images * pixel_bytes <= MAX_PIXEL_BYTES or images == 1
    if images > 16:
        assert total / images > 7 * workers


def test_the_user_can_have_units_of_one() -> None:
    assert unit_images(10**6, 2, 1, most=1) == 1


@pytest.mark.parametrize(("total", "workers", "images"), [(20_000, 2, 512), (6000, 8, 128)])
def test_the_last_units_are_small_so_that_workers_end_together(
    total: int, workers: int, images: int
) -> None:
    made = items([1] * total)
    named = {"collection": "c", "pipeline": "1"}
    units = list(cut(made, images=images, total=total, workers=workers, **named))
    sizes = [len(unit.items) for unit in units]
    assert [one for unit in units for one in unit.items] == made
    assert sizes[0] == images
    assert sizes[:-1] == sorted(sizes[:-1], reverse=True)
    assert sizes[-1] <= LAST_IMAGES
    # Whoever is free takes the next: so long one waits for the others at the end.
    ends = [0.0] * workers
    for size in sizes:
        first = min(range(workers), key=ends.__getitem__)
        ends[first] += size
    assert max(ends) - min(ends) <= LAST_IMAGES
    assert len(sizes) < total / images + 12 * workers
