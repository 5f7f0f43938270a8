"""The ledger only ever grows, by whole files, and any process sees every mark."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest

from pdray.errors import IndexUnavailable
from pdray.index.ledger import Ledger


def test_nothing_is_applied_before_the_first_mark(tmp_path: Path) -> None:
    assert Ledger(str(tmp_path / "none")).applied() == set()
    assert not (tmp_path / "none").exists()


def test_marks_of_every_process_are_seen(tmp_path: Path) -> None:
    mine, other = Ledger(str(tmp_path / "l")), Ledger(str(tmp_path / "l"))
    mine.mark(["a", "b"])
    other.mark(["c", 'odd "name"\nü'])
    mine.mark(["d"])
    assert mine.applied() == other.applied() == {"a", "b", "c", "d", 'odd "name"\nü'}


def test_marking_again_writes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path))
    ledger.mark(["a", "b"])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    ledger.mark(["b", "a"])
    ledger.mark([])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert len(before) == 1


def test_the_index_is_flushed_before_anything_is_noted(tmp_path: Path) -> None:
    seen: list[list[Path]] = []
    ledger = Ledger(str(tmp_path), before_mark=lambda: seen.append(list(tmp_path.iterdir())))
    ledger.mark(["a"])
    assert seen == [[]]


def test_a_flush_that_fails_leaves_no_mark(tmp_path: Path) -> None:
    def fail() -> None:
        raise IndexUnavailable("The disk is full.")

    with pytest.raises(IndexUnavailable):
        Ledger(str(tmp_path), before_mark=fail).mark(["a"])
    assert Ledger(str(tmp_path)).applied() == set()


def test_a_ledger_lies_on_any_filesystem() -> None:
    ledger = Ledger("memory://workspace/projections/space/uid")
    ledger.mark(["a"])
    assert Ledger("memory://workspace/projections/space/uid").applied() == {"a"}
    ledger.forget()
    assert ledger.applied() == set()
    assert not fsspec.filesystem("memory").exists("/workspace/projections/space/uid")


def test_a_mark_that_returned_survives_a_kill(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pdray.index.ledger import Ledger\n"
        "Ledger(sys.argv[1]).mark(['a', 'b'])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert Ledger(str(tmp_path)).applied() == {"a", "b"}


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(os.urandom(64))
    with pytest.raises(IndexUnavailable, match="rebuild"):
        Ledger(str(tmp_path)).applied()
