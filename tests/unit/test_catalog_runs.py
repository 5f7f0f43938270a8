"""Records of runs, and the commands left for them."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pdray.catalog import lease, runs
from pdray.catalog.catalog import Catalog
from pdray.errors import UsageError


@pytest.fixture(params=["folder", "object store"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Catalog:
    url = str(tmp_path) if request.param == "folder" else f"memory://{uuid.uuid4().hex}"
    return Catalog.open(url, create=True)


def _state(catalog: Catalog, run_id: str) -> str:
    found = runs.read(catalog, run_id)
    assert found is not None
    return found.state


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


def test_the_newest_runs_come_first_and_no_more_than_asked_for(catalog: Catalog) -> None:
    for number in range(5):
        runs.start(catalog, str(number), {"collection": "ab"[number % 2]})
    assert [run.run_id for run in runs.recent(catalog, 3)] == ["4", "3", "2"]
    assert [run.run_id for run in runs.recent(catalog, 9, "b")] == ["3", "1"]


def test_a_run_lives_as_long_as_it_holds_its_collection(catalog: Catalog) -> None:
    with lease.hold(catalog, "c", "1"):
        runs.start(catalog, "1", {"collection": "c"})
        assert _state(catalog, "1") == "running"
        runs.publish(catalog, "1", {"state": "paused", "done": 7})
        assert _state(catalog, "1") == "paused"
    assert _state(catalog, "1") == "died"
    with lease.hold(catalog, "c", "2"):
        assert _state(catalog, "1") == "died"


@pytest.mark.parametrize("state", ["completed", "cancelled", "failed"])
def test_the_report_tells_how_a_run_ended(catalog: Catalog, state: str) -> None:
    runs.start(catalog, "1", {"collection": "c"})
    runs.publish(catalog, "1", {"state": "running"})
    runs.end(catalog, "1", {"state": state})
    assert _state(catalog, "1") == state


def test_a_run_of_an_earlier_version_that_ended_was_completed(catalog: Catalog) -> None:
    runs.start(catalog, "1", {"collection": "c"})
    runs.end(catalog, "1", {"seen": 1})
    assert _state(catalog, "1") == "completed"


def test_progress_is_what_was_published_last(catalog: Catalog) -> None:
    runs.start(catalog, "1", {"collection": "c"})
    for done in (1, 2):
        runs.publish(catalog, "1", {"done": done})
    found = runs.read(catalog, "1")
    assert found is not None
    assert found.progress is not None
    assert found.progress["done"] == 2
    names = [path.rsplit("/", 1)[-1] for path in catalog.store.list("runs/1")]
    assert names == ["progress.json", "start.json"]


def test_commands_are_read_in_the_order_they_were_given_and_once(catalog: Catalog) -> None:
    runs.start(catalog, "1", {"collection": "c"})
    assert runs.asked(catalog, "1") == []
    for command in ("pause", "resume"):
        runs.ask(catalog, "1", command)
    assert runs.asked(catalog, "1") == [(1, "pause"), (2, "resume")]
    runs.ask(catalog, "1", "cancel")
    assert runs.asked(catalog, "1", after=2) == [(3, "cancel")]


def test_two_who_ask_at_once_are_both_heard(catalog: Catalog) -> None:
    runs.start(catalog, "1", {"collection": "c"})
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: runs.ask(catalog, "1", "pause"), range(16)))
    assert sorted(numbers) == list(range(1, 17))
    assert len(runs.asked(catalog, "1")) == 16


def test_an_unknown_command_is_refused(catalog: Catalog) -> None:
    with pytest.raises(UsageError, match="pause, resume, cancel"):
        runs.ask(catalog, "1", "hurry")


def test_a_run_is_found_by_the_start_of_its_id_or_of_its_last_digits(catalog: Catalog) -> None:
    first, second = "20260102T030405.678Z-abc123", "20260102T030405.900Z-abd456"
    for run_id in (first, second):
        runs.start(catalog, run_id, {"collection": "c"})
    assert runs.find(catalog, "20260102T030405.6").run_id == first
    assert runs.find(catalog, "abd").run_id == second
    assert runs.find(catalog, second).run_id == second
    with pytest.raises(UsageError, match="fits 2 runs"):
        runs.find(catalog, "ab")
    for unknown in ("abe", "123", ""):
        with pytest.raises(UsageError, match="no run"):
            runs.find(catalog, unknown)


def test_run_ids_are_distinct_and_sort_by_time() -> None:
    ids = [runs.new_run_id() for _ in range(200)]
    assert len(set(ids)) == 200
    times = [run_id.split("Z")[0] for run_id in ids]
    assert times == sorted(times)
    assert all(len(run_id) == len("20250102T030405.678Z-abcdef") for run_id in ids)
