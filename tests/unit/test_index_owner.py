"""One owner at a time, named to whoever has to wait."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdray.errors import IndexUnavailable
from pdray.index.owner import OWNER_FILE, own, read_owner

HOLD = """
import sys
from pathlib import Path
from pdray.index.owner import own
held = own(Path(sys.argv[1]), label="pdray index of a test")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_one_who_waits_in_vain_learns_who_holds_it(
    tmp_path: Path, holder: "subprocess.Popen[str]"
) -> None:
    with pytest.raises(IndexUnavailable) as caught:
        own(tmp_path, wait_seconds=0.05)
    assert f"process {holder.pid} (pdray index of a test)" in str(caught.value)


def test_the_wait_is_bounded_and_backs_off(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    now, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    with pytest.raises(IndexUnavailable):
        own(tmp_path, wait_seconds=10, clock=lambda: now[0], sleep=sleep)
    assert sum(pauses) == pytest.approx(10)
    assert len(pauses) < 40


def test_a_holder_that_is_killed_lets_go(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    holder.kill()
    holder.communicate()
    own(tmp_path, wait_seconds=0).release()


def test_the_wait_ends_when_the_holder_ends(
    tmp_path: Path, holder: "subprocess.Popen[str]"
) -> None:
    def sleep(seconds: float) -> None:
        holder.kill()
        holder.communicate()

    own(tmp_path, wait_seconds=10, sleep=sleep).release()


def test_the_owner_file_says_who_and_hides_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pdray", "index", "--api-key", "secret"])
    owner = own(tmp_path)
    said = read_owner(tmp_path)
    assert said is not None
    assert (said["pid"], said["command"]) == (os.getpid(), "pdray index")
    assert "secret" not in (tmp_path / OWNER_FILE).read_text()
    owner.release()
    owner.release()


def test_a_longer_note_of_an_earlier_owner_leaves_nothing_behind(tmp_path: Path) -> None:
    own(tmp_path, label="x" * 500).release()
    own(tmp_path, label="short").release()
    assert json.loads((tmp_path / OWNER_FILE).read_text())["command"] == "short"


def test_an_unreadable_note_still_refuses_in_words(tmp_path: Path) -> None:
    owner = own(tmp_path)
    (tmp_path / OWNER_FILE).write_text("{half")
    with pytest.raises(IndexUnavailable, match="another process"):
        own(tmp_path, wait_seconds=0)
    owner.release()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexUnavailable, match="file/index"):
        own(tmp_path / "file" / "index")
