"""One indexing run a collection."""

import json
import logging
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest

from pdray.catalog import lease
from pdray.catalog.catalog import Catalog
from pdray.errors import LeaseHeld


@pytest.fixture
def catalog() -> Catalog:
    return Catalog.open(f"memory://{uuid.uuid4().hex}", create=True)


def claim(catalog: Catalog, number: int = 1, **changed: Any) -> None:
    """A claim as another process would have written it."""
    document = {
        "run_id": "theirs",
        "host": "elsewhere",
        "pid": 1,
        "process_started": 0.0,
        "at": time.time(),
        **changed,
    }
    path = f"leases/c/{number:08d}.json"
    catalog.store.create(path, json.dumps(document).encode())


def finished_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_second_run_is_refused_by_name_and_may_come_afterwards(catalog: Catalog) -> None:
    with lease.hold(catalog, "c", "first"):
        refused = pytest.raises(LeaseHeld, match=r"Run first .* is indexing collection 'c' now")
        with refused, lease.hold(catalog, "c", "second"):
            pass
        with lease.hold(catalog, "other", "third"):
            pass
    with lease.hold(catalog, "c", "second") as held:
        assert held.valid()


def test_a_run_that_failed_gives_its_lease_back(catalog: Catalog) -> None:
    with pytest.raises(RuntimeError), lease.hold(catalog, "c", "first"):
        raise RuntimeError
    with lease.hold(catalog, "c", "second"):
        pass


def test_a_killed_run_on_this_machine_blocks_nobody(catalog: Catalog) -> None:
    claim(catalog, host=socket.gethostname(), pid=finished_process())
    with lease.hold(catalog, "c", "mine") as held:
        assert held.number == 2


def test_a_living_process_on_this_machine_holds_however_old_its_beat(catalog: Catalog) -> None:
    here = psutil.Process()
    claim(
        catalog, host=socket.gethostname(), pid=here.pid, process_started=here.create_time(), at=0
    )
    with pytest.raises(LeaseHeld), lease.hold(catalog, "c", "mine"):
        pass


@pytest.mark.parametrize(("age", "blocks"), [(0.0, True), (lease.STALE_SECONDS + 1, False)])
def test_another_start_under_the_same_process_id_is_told_by_its_beat(
    catalog: Catalog, age: float, blocks: bool
) -> None:
    here = psutil.Process()
    claim(
        catalog, host=socket.gethostname(), pid=here.pid, process_started=0.0, at=time.time() - age
    )
    if blocks:
        with pytest.raises(LeaseHeld), lease.hold(catalog, "c", "mine"):
            pass
    else:
        with lease.hold(catalog, "c", "mine"):
            pass


def test_a_run_elsewhere_holds_while_its_heart_beats(catalog: Catalog) -> None:
    claim(catalog, at=0)
    catalog.store.replace("leases/c/00000001.beat", json.dumps({"at": time.time()}).encode())
    with pytest.raises(LeaseHeld, match="elsewhere"), lease.hold(catalog, "c", "mine"):
        pass


def test_a_run_elsewhere_without_a_beat_is_taken_over_and_may_not_delete(catalog: Catalog) -> None:
    with lease.hold(catalog, "c", "slow") as slow:
        catalog.store.delete("leases/c/00000001.json")
        claim(catalog, at=0)  # the same claim, as it looks from another machine, a minute later
        with lease.hold(catalog, "c", "mine") as mine:
            assert mine.valid()
            assert not slow.valid()


def test_claims_are_counted_beyond_nine(catalog: Catalog) -> None:
    for number in range(1, 13):
        with lease.hold(catalog, "c", f"run {number}") as held:
            assert held.number == number


def test_a_lease_beats(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.01)
    with lease.hold(catalog, "c", "mine"):
        deadline = time.monotonic() + 30
        while not catalog.store.list("leases/c", ".beat"):
            assert time.monotonic() < deadline
    assert catalog.store.list("leases/c", ".released")


def test_a_lease_works_in_a_folder(tmp_path: Path) -> None:
    catalog = Catalog.open(str(tmp_path), create=True)
    with (
        lease.hold(catalog, "c", "first"),
        pytest.raises(LeaseHeld),
        lease.hold(catalog, "c", "second"),
    ):
        pass


def test_behind_the_gate_nobody_starts_and_who_is_at_work_is_seen(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    logger = logging.getLogger("pdray.catalog")
    monkeypatch.setattr(logger, "handle", lambda record: told.append(record.getMessage()))
    with lease.hold(catalog, "c", "run"):
        with lease.alone(catalog, "tidy", []) as other:
            assert other == "c"
        with lease.alone(catalog, "tidy", ["c"]) as other:
            assert other is None
    started = threading.Event()

    def run() -> None:
        with lease.hold(catalog, "d", "run"):
            started.set()

    thread = threading.Thread(target=run)
    with lease.alone(catalog, "tidy", []) as other:
        assert other is None
        with (
            pytest.raises(LeaseHeld, match="tidies the workspace up"),
            lease.alone(catalog, "x", []),
        ):
            pass
        thread.start()
        assert not started.wait(0.5)
    assert started.wait(10)
    thread.join()
    assert [words[:19] for words in told] == ["Waiting until tidy "]
