"""Two at a time: a second run is refused in words, a search answers or says who holds the index."""

import json
import signal
import threading
import time

import psutil
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.ray]

_TICK = threading.Event()


def owner_of(workspace):
    """The living process that owns the index, other than a process of this test's."""
    for path in workspace.glob("state/index/*/owner.json"):
        try:
            owner = psutil.Process(json.loads(path.read_text())["pid"])
            title = " ".join(owner.cmdline())
        except (ValueError, psutil.NoSuchProcess):
            return None
        return owner if "Projecting" in title else None
    return None


@pytest.fixture(scope="module")
def during(indexed, pdray, starting, tmp_path_factory):
    """What other commands say while a run is stopped in its tracks, and how the run ends."""
    workspace = tmp_path_factory.mktemp("concurrent") / "workspace"
    call = ("index", indexed.photos, "-w", workspace, "--model", "builtin", "--json")
    run = starting(*call, PDRAY_INGEST_UNIT_SIZE="16")
    holder = None
    try:
        end = time.monotonic() + 120
        while holder is None:
            assert run.poll() is None, run.communicate()
            assert time.monotonic() < end, "nobody ever wrote the index"
            _TICK.wait(0.01)
            holder = owner_of(workspace)
        holder.send_signal(signal.SIGSTOP)
        said = {
            "holder": holder.pid,
            "driver": run.pid,
            "index": pdray(*call, expect=1).sentence,
            "search": pdray("search", "red", "-w", workspace, expect=1).sentence,
            "status": pdray("status", "-w", workspace, "--json").document,
        }
        holder.send_signal(signal.SIGCONT)
        out, err = run.communicate(timeout=240)
    finally:
        if holder is not None and holder.is_running():
            holder.send_signal(signal.SIGCONT)
        run.kill()
    verified = pdray("verify", "-w", workspace, "--json").document
    return {**said, "code": run.returncode, "out": out, "err": err, "verified": verified}


def test_a_second_run_on_one_collection_is_refused_in_words(during):
    assert str(during["driver"]) in during["index"]
    assert "default" in during["index"]


def test_a_search_meanwhile_says_who_holds_the_index(during):
    assert str(during["holder"]) in during["search"]


def test_status_answers_meanwhile(during):
    (one,) = during["status"]["collections"]
    assert one["points"] is None
    assert str(during["holder"]) in one["note"]
    assert one["last_run"]["report"] is None


def test_the_run_ends_as_if_nobody_had_asked(during):
    assert during["code"] == 0, during["err"]
    assert json.loads(during["out"])["indexed"] == 150
    assert (during["verified"]["agrees"], during["verified"]["points"]) == (True, 150)
