"""Weighted mixes as directions and lists."""

import numpy as np
import pytest

from pdray.search.mixing import Vector, directions


def at(degrees: float) -> Vector:
    turn = np.deg2rad(degrees)
    return np.array([np.cos(turn), np.sin(turn)], np.float32)


def degrees(vector: Vector) -> float:
    return float(np.rad2deg(np.arctan2(vector[1], vector[0])))


def test_what_is_of_one_kind_becomes_one_direction_by_weight() -> None:
    (found,) = directions([(1.0, at(0)), (1.0, at(90))], [])
    assert degrees(found.vector) == pytest.approx(45, abs=1e-3)
    assert found.weight == 2
    (found,) = directions([(3.0, at(0)), (1.0, at(90))], [])
    assert degrees(found.vector) == pytest.approx(np.rad2deg(np.arctan2(1, 3)), abs=1e-3)


def test_what_is_unwanted_turns_the_direction_of_its_kind() -> None:
    (found,) = directions([(1.0, at(0)), (-1.0, at(90))], [])
    assert degrees(found.vector) == pytest.approx(-np.rad2deg(np.arctan(0.5)), abs=1e-3)
    (more,) = directions([(1.0, at(0)), (-2.0, at(90))], [])
    assert degrees(more.vector) < degrees(found.vector)


def test_unwanted_words_count_against_a_wanted_image() -> None:
    words, images = [(-1.0, at(10))], [(2.0, at(80))]
    wanted, against = directions(words, images)
    assert (degrees(wanted.vector), wanted.weight) == (pytest.approx(80, abs=1e-3), 2)
    assert (degrees(against.vector), against.weight) == (pytest.approx(10, abs=1e-3), -1)


def test_what_is_unwanted_alone_leads_away_from_it() -> None:
    (found,) = directions([(-1.0, at(30))], [])
    assert degrees(found.vector) == pytest.approx(-150, abs=1e-3)


def test_opposites_leave_the_first() -> None:
    (found,) = directions([(1.0, at(0)), (1.0, at(180))], [])
    assert degrees(found.vector) == pytest.approx(0, abs=1e-3)
    (found,) = directions([(1.0, at(20)), (-2.0, at(20))], [])
    assert degrees(found.vector) == pytest.approx(20, abs=1e-3)
    assert directions([], []) == []
