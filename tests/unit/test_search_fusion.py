"""Reciprocal rank fusion against figures worked out by hand, and its properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdray.search import reciprocal_rank_fusion

rankings = st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True), max_size=4)


def test_scores_are_those_of_the_formula() -> None:
    fused = reciprocal_rank_fusion([["a", "b", "c"], ["c", "a"]])
    assert [key for key, _ in fused] == ["a", "c", "b"]
    assert dict(fused) == pytest.approx({"a": 1 / 61 + 1 / 62, "c": 1 / 63 + 1 / 61, "b": 1 / 62})


def test_weights_shift_the_order() -> None:
    lists = [["a", "b"], ["b", "a"]]
    assert reciprocal_rank_fusion(lists, weights=[2, 1])[0][0] == "a"
    assert reciprocal_rank_fusion(lists, weights=[1, 2])[0][0] == "b"


def test_an_id_named_twice_counts_where_it_stands_first() -> None:
    assert reciprocal_rank_fusion([["a", "b", "a"]]) == reciprocal_rank_fusion([["a", "b"]])


def test_ties_go_to_the_better_rank_and_then_to_the_smaller_id() -> None:
    assert [key for key, _ in reciprocal_rank_fusion([["b"], ["a"]])] == ["a", "b"]
    # Without damping, first and third in one list each: 1/6 + 1/6 ties with 1/3.
    six = ["p", "q", "r", "s", "t"]
    fused = reciprocal_rank_fusion([[*six, "a"], [*six, "a"], ["u", "v", "b"]], k=0)
    assert [key for key, score in fused if score == pytest.approx(1 / 3)] == ["b", "a"]


def test_weights_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="as many weights"):
        reciprocal_rank_fusion([["a"]], weights=[1, 2])


@given(rankings)
def test_every_id_comes_once_and_the_order_of_the_lists_does_not_matter(
    lists: list[list[str]],
) -> None:
    fused = reciprocal_rank_fusion(lists)
    assert sorted(key for key, _ in fused) == sorted({key for ranking in lists for key in ranking})
    assert [s for _, s in fused] == sorted((s for _, s in fused), reverse=True)
    assert dict(reciprocal_rank_fusion(lists[::-1])) == pytest.approx(dict(fused))


@given(st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_one_list_keeps_its_order(ranking: list[str]) -> None:
    assert [key for key, _ in reciprocal_rank_fusion([ranking])] == ranking
