"""What is measured of retrieval: ranks, figures, intervals, and the files they are read from."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pdray.errors import UsageError
from pdray.evaluation.intervals import difference, estimate
from pdray.evaluation.metrics import alike, figures, ranks
from pdray.evaluation.neighbours import Nearest, recall
from pdray.evaluation.reading import read_captions, read_classes

EYE = np.eye(4, dtype=np.float32)


def scored(*rows: list[float]) -> NDArray[np.float32]:
    """Queries over EYE whose scores are these."""
    return np.array(rows, np.float32)


@pytest.mark.parametrize(
    ("scores", "right", "expected"),
    [
        ([0.9, 0.5, 0.1, 0.0], [0], [0]),
        ([0.9, 0.5, 0.1, 0.0], [2], [2]),
        ([0.9, 0.5, 0.1, 0.0], [3, 0], [0, 3]),
        ([0.5, 0.5, 0.5, 0.5], [1], [3]),  # cannot tell: last of all
        ([0.5, 0.5, 0.1, 0.0], [0, 1], [0, 1]),  # right ones don't hinder each other
        ([0.5, 0.5, 0.5, 0.9], [0, 1], [2, 3]),
    ],
)
def test_ranks_count_what_comes_before(
    scores: list[float], right: list[int], expected: list[int]
) -> None:
    assert ranks(scored(scores), EYE, [right])[0].tolist() == expected


def test_ranks_are_those_of_a_plain_sort_however_the_queries_are_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    # Few values, so that many scores are the same.
    queries = rng.integers(-1, 2, (40, 6)).astype(np.float32)
    items = rng.integers(-1, 2, (30, 6)).astype(np.float32)
    right = [sorted(rng.choice(30, rng.integers(1, 5), replace=False).tolist()) for _ in queries]
    monkeypatch.setattr("pdray.evaluation.metrics._HELD", 30 * 7)
    for query, wanted, found in zip(queries, right, ranks(queries, items, right), strict=True):
        scores = items @ query
        order = sorted(range(30), key=lambda at: (-scores[at], at in wanted))
        assert found.tolist() == [at for at, item in enumerate(order) if item in wanted]


def test_neighbours_are_those_of_a_plain_sort_however_the_items_come() -> None:
    rng = np.random.default_rng(4)
    queries, items = rng.standard_normal((9, 8)), rng.standard_normal((50, 8))
    own = np.array([3, -1, 49, 0, -1, -1, 7, 8, -1])
    nearest = Nearest(queries.astype(np.float32), 5, own)
    for some in np.split(rng.permutation(50), (1, 3, 20, 20)):  # one of them empty
        nearest.add(some, items[some].astype(np.float32))
    for at, query in enumerate(queries):
        scores = items @ query
        order = [one for one in np.argsort(-scores).tolist() if one != own[at]][:5]
        assert nearest.numbers[at].tolist() == order
        assert nearest.scores[at] == pytest.approx(scores[order], abs=1e-5)


def test_recall_counts_scores_so_that_a_copy_will_do() -> None:
    query = scored([1.0, 0, 0, 0])
    items = np.zeros((4, 4), np.float32)
    items[:, 0] = (0.9, 0.5, 0.5, 0.1)
    nearest = Nearest(query, 2)
    nearest.add(np.arange(4), items)

    def of(*scores: float) -> float | None:
        return recall([np.array(scores, np.float32)], nearest, 1e-4)

    assert of(0.9, 0.5) == 1
    assert of(0.9, 0.49995) == 1  # rounding
    assert of(0.9, 0.4) == 0.5
    assert of(0.5, 0.5, 0.5) == 1  # never more than all
    assert of() == 0


def test_where_nothing_is_near_there_is_no_recall() -> None:
    nearest = Nearest(scored([1.0, 0, 0, 0], [0, 1.0, 0, 0]), 2, np.array([0, -1]))
    assert recall([np.zeros(0, np.float32)] * 2, nearest, 0) is None
    nearest.add(np.array([0]), EYE[:1])
    # The first query is that item itself; for the second it is the one there is.
    assert nearest.wanted().tolist() == [0, 1]
    assert nearest.numbers.tolist() == [[-1, -1], [0, -1]]
    assert recall([EYE[0, :1], EYE[1, :1]], nearest, 0) == 1


def test_figures_of_known_ranks() -> None:
    found = figures([np.array([0]), np.array([2, 4]), np.array([30])])
    assert found["recall_at_1"].tolist() == [1, 0, 0]
    assert found["recall_at_5"].tolist() == [1, 1, 0]
    assert found["recall_at_10"].tolist() == [1, 1, 0]
    assert found["reciprocal_rank"] == pytest.approx([1, 1 / 3, 1 / 31])
    ideal = 1 + 1 / np.log2(3)
    gained = 1 / np.log2(4) + 1 / np.log2(6)
    assert found["ndcg_at_10"] == pytest.approx([1, gained / ideal, 0])


def test_captions_that_say_the_same_are_right_for_each_other() -> None:
    assert alike(["A red  star", "a blue star", "a red star"]) == [[0, 2], [1], [0, 2]]


def test_intervals_hold_the_true_mean_nineteen_times_of_twenty() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(100):
        # Five values of an image agree: as if there were sixty, not three hundred.
        images = (rng.random(60) < 0.3).astype(np.float64)
        values, groups = np.repeat(images, 5), np.repeat(np.arange(60), 5)
        found = estimate(values, groups, trial)
        held += found.low <= 0.3 <= found.high
    assert 88 <= held <= 100


def test_chance_is_not_taken_for_a_difference_and_a_difference_not_for_chance() -> None:
    rng = np.random.default_rng(2)
    groups = np.arange(200)
    false_alarms = 0
    for trial in range(60):
        first, second = (rng.random((2, 200)) < 0.5).astype(np.float64)
        false_alarms += difference(first, second, groups, trial).p < 0.05
    assert false_alarms <= 8
    worse = (rng.random(200) < 0.5).astype(np.float64)
    found = difference(worse, np.maximum(worse, rng.random(200) < 0.3), groups)
    assert found.p <= 0.001
    assert 0 < found.low < found.mean < found.high


def test_where_there_is_no_difference_every_p_is_as_likely() -> None:
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(20), 3)
    found = []
    for trial in range(200):
        # Three queries of an image move together: singly they would seem three times as many.
        apart = np.repeat(rng.standard_normal(20), 3)
        found.append(difference(np.zeros(60), apart, groups, trial).p)
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.mean(np.array(found) <= share) == pytest.approx(share, abs=0.1)


def test_what_is_the_same_differs_by_nothing() -> None:
    values = np.array([0.0, 1.0, 1.0])
    found = difference(values, values, np.arange(3))
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_captions_are_read_from_lines(tmp_path: Path) -> None:
    file = tmp_path / "captions.jsonl"
    file.write_text(
        '{"file": "a.jpg", "caption": "one"}\n\n{"file": "b.jpg", "captions": ["two", "three"]}\n'
    )
    read = read_captions(file)
    assert read.images == [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    assert (read.texts, read.of) == (["one", "two", "three"], [0, 1, 1])
    assert read_captions(file, Path("/elsewhere"), limit=1).images == [Path("/elsewhere/a.jpg")]


def test_a_line_ends_where_json_lines_end_and_nowhere_else(tmp_path: Path) -> None:
    file = tmp_path / "captions.jsonl"
    said = ["one\u2028two", "three\x85four"]
    lines = [json.dumps({"file": "a.jpg", "caption": one}, ensure_ascii=False) for one in said]
    file.write_text("\ufeff" + "\r\n".join(lines), "utf-8")
    assert read_captions(file).texts == said


def test_captions_are_read_from_a_split_in_karpathys_form(tmp_path: Path) -> None:
    images = [
        {
            "filepath": "val2014", "filename": f"{split}.jpg", "split": split,
            "sentences": [{"raw": f"one of {split}"}, {"raw": f"two of {split}"}],
        }
        for split in ("train", "test")
    ]  # fmt: skip
    file = tmp_path / "dataset.json"
    file.write_text(json.dumps({"images": images}))
    read = read_captions(file, split="test")
    assert read.images == [tmp_path / "val2014" / "test.jpg"]
    assert (read.texts, read.of) == (["one of test", "two of test"], [0, 0])
    assert len(read_captions(file).images) == 2
    with pytest.raises(UsageError, match="no captions of split 'val'"):
        read_captions(file, split="val")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"file": "a.jpg", "caption": "x"}\nrubbish', "Line 2 of"),
        ("a.jsonl", '{"file": "a.jpg"}', "Line 1 of"),
        ("a.jsonl", '{"file": 3, "caption": "x"}', "Line 1 of"),
        ("a.jsonl", '{"file": "a.jpg", "caption": "  "}', "Line 1 of"),
        ("a.jsonl", '{"file": "a.jpg", "captions": []}', "Line 1 of"),
        ("a.jsonl", '{"file": "a.jpg", "caption": "\\ud800"}', "Line 1 of"),
        ("a.jsonl", '{"file": "a\\u0000.jpg", "caption": "x"}', "Line 1 of"),
        ("a.jsonl", "[]", "Line 1 of"),
        ("a.jsonl", "", "has no captions"),
        ("a.json", "{}", 'no JSON with "images"'),
        ("a.json", '{"images": 3}', 'no JSON with "images"'),
        ("a.json", '{"images": [{"sentences": []}]}', "Image 1 of"),
        ("a.json", '{"images": [{"filename": "a.jpg", "sentences": []}]}', "Image 1 of"),
        ("a.json", '{"images": [3]}', "Image 1 of"),
    ],
)
def test_captions_that_are_none_are_told_by_line(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=said):
        read_captions(tmp_path / name)


def test_classes_are_folders_with_images(tmp_path: Path) -> None:
    for file in ("red_fox/b.JPG", "red_fox/deep/a.png", "hare/c.webp", "hare/x.txt", "none/y.txt"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"")
    read = read_classes(tmp_path)
    assert read.classes == ["hare", "red fox"]
    assert read.label == [0, 1, 1]
    assert len(read_classes(tmp_path, limit=1).images) == 2
    with pytest.raises(UsageError, match="0 folders with images"):
        read_classes(tmp_path / "hare")
