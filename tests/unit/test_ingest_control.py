"""Pause, resume, cancel; what a run tells of itself meanwhile. No Ray."""

import os
import signal
import threading
import uuid

import pytest
import typer

from pdray.catalog import lease, runs
from pdray.catalog.catalog import Catalog
from pdray.cli.interrupt import interruptible
from pdray.config import load
from pdray.errors import RunCancelled, SourceError
from pdray.ingest.control import Control
from pdray.ingest.recorder import Recorder, recorded
from pdray.ingest.report import Progress, Report
from pdray.ingest.tally import Folders, Outcome, Tally
from pdray.records import Failure, ImageRecord
from tests.waiting import until


@pytest.fixture
def catalog() -> Catalog:
    return Catalog.open(f"memory://{uuid.uuid4().hex}", create=True)


def _recorder(catalog: Catalog, control: Control) -> Recorder:
    recorder = Recorder(catalog, "1", Tally(Report("1", "c", "m")), control)
    recorder.poll_every = recorder.publish_every = 0.0
    return recorder


def _row(uri: str, failure: Failure | None = None) -> ImageRecord:
    return ImageRecord(uri, 1, "v", 1, "failed" if failure else "ok", "1", failure=failure)


def test_a_paused_run_waits_at_its_safe_points_until_it_is_resumed() -> None:
    control = Control()
    control.heed("pause")
    passed = threading.Event()

    def run() -> None:
        control.check()
        passed.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert not passed.wait(0.3)
    control.heed("resume")
    assert passed.wait(10)
    thread.join()


def test_a_cancelled_run_ends_at_its_next_safe_point_even_if_it_was_paused() -> None:
    control = Control()
    control.heed("pause")
    control.heed("cancel")
    with pytest.raises(RunCancelled):
        control.check()
    control.heed("resume")  # too late
    assert control.cancelled


def test_a_command_of_a_newer_version_changes_nothing() -> None:
    control = Control()
    control.heed("hurry")
    control.check()


def test_commands_reach_a_run_and_its_answer_can_be_read(catalog: Catalog) -> None:
    control, heard = Control(), list[str]()
    with lease.hold(catalog, "c", "1"):
        runs.start(catalog, "1", {"collection": "c"})

        def state() -> str | None:
            run = runs.read(catalog, "1")
            return run.state if run else None

        with control.told(heard.append), _recorder(catalog, control):
            for command, expected in (
                ("pause", "paused"), ("resume", "running"), ("cancel", "cancelling"),
            ):  # fmt: skip
                runs.ask(catalog, "1", command)
                until(lambda expected=expected: state() == expected)
    fresh = [one for n, one in enumerate(heard) if n == 0 or heard[n - 1] != one]
    assert fresh == ["running", "paused", "running", "cancelling"]


def test_what_a_run_was_paused_counts_in_no_rate(catalog: Catalog) -> None:
    tally = Tally(Report("1", "c", "m"))
    tally.show(Progress("indexing", 100, 0, 1000))
    tally.passed(10, paused=False)
    tally.show(Progress("indexing", 200, 3, 1000))
    tally.passed(500, paused=True)
    told = tally.snapshot("paused")
    assert (told["rate"], told["eta_seconds"], told["paused_seconds"]) == (10.0, 80.0, 500)
    assert (told["done"], told["total"], told["failed"]) == (200, 1000, 3)


def test_a_failed_run_records_its_sentence_and_a_stopped_one_that_it_was_stopped(
    catalog: Catalog,
) -> None:
    settings = load({"workspace": catalog.store.url})
    for run_id, error, state, sentence in (
        ("1", SourceError("The bucket is gone."), "failed", "The bucket is gone."),
        ("2", ZeroDivisionError("odd"), "failed", "ZeroDivisionError: odd"),
        ("3", KeyboardInterrupt(), "cancelled", "It was stopped at once."),
    ):
        runs.start(catalog, run_id, {"collection": "c"})
        report = Report(run_id, "c", "m")
        with (
            pytest.raises(type(error)),
            recorded(settings, catalog, report, Tally(report), Control()),
        ):
            raise error
        found = runs.read(catalog, run_id)
        assert found is not None
        assert found.report is not None
        assert (found.state, found.report["error"]) == (state, sentence)


def test_an_outcome_counts_by_folder_and_keeps_the_first_failures() -> None:
    bad = [Failure(f"file:///a/y/{n}.jpg", "decode", "broken", "No JPEG.") for n in range(30)]
    rows = [_row("file:///a/x/1.jpg"), *(_row(f.uri, f) for f in bad)]
    tally = Tally(Report("1", "c", "m"))
    tally.add(Outcome.of(rows))
    tally.add(Outcome.of(rows))
    told = tally.snapshot("running")
    assert told["folders"] == [
        {"folder": "file:///a/x", "done": 2, "failed": 0},
        {"folder": "file:///a/y", "done": 60, "failed": 60},
    ]
    assert told["failure_kinds"] == {"broken": 60}
    assert [one["uri"] for one in told["failures"]] == [f.uri for f in bad[:20]]


def test_many_folders_are_joined_where_their_paths_first_differ() -> None:
    folders = Folders()
    for year in range(2000, 2010):
        for day in range(100):
            folders.add({f"file:///photos/all/{year}/{day:03d}/raw": (2, 1)})
    told = folders.to_json()
    assert [one["folder"] for one in told] == [
        f"file:///photos/all/{year}" for year in range(2000, 2010)
    ]
    assert {(one["done"], one["failed"]) for one in told} == {(200, 100)}


def test_a_thousand_siblings_are_fifty_and_the_others() -> None:
    folders = Folders()
    for number in range(1000):
        folders.add({f"s3://bucket/{number:04d}": (1, 0)})
    told = folders.to_json()
    assert len(told) <= 50
    assert sum(one["done"] for one in told) == 1000
    assert told[0]["folder"] == "(others)"


def test_twenty_thousand_folders_stay_small_and_none_is_lost() -> None:
    folders = Folders()
    for number in range(20_000):
        folders.add({f"s3://bucket/{number % 7}/{number}/deep": (1, 0)})
    told = folders.to_json()
    assert len(told) <= 50
    assert sum(one["done"] for one in told) == 20_000


def test_ctrl_c_once_cancels_and_twice_stops(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)

    def run() -> None:
        with interruptible() as control:
            os.kill(os.getpid(), signal.SIGINT)
            until(lambda: control.cancelled)
            os.kill(os.getpid(), signal.SIGINT)
            until(lambda: False)

    with pytest.raises(typer.Exit) as stopped:
        run()
    assert stopped.value.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is before
    said = capfd.readouterr().err
    assert "once more to stop now" in said
    assert "pdray: Stopped." in said


def test_sigterm_is_as_ctrl_c_once_however_often_it_comes(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with interruptible() as control:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        until(lambda: control.cancelled)
    assert capfd.readouterr().err.count("finishing the units in flight") == 1
