"""What holds for a whole session of tests, in one process and with workers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TESTS = """
import pytest
from tests.faults.trials import counted

def test_one():
    pytest.skip("needs a GPU")

def test_other():
    counted("a disk pulled out").kills = 3
    {last}
"""


def session(folder: Path, last: str, *options: str, **environ: str) -> tuple[int, str]:
    """Exit code and output of a session of its own."""
    (folder / "test_it.py").write_text(_TESTS.format(last=last))
    kept = {key: value for key, value in os.environ.items() if key != "CI"}
    words = ["pytest", "-c", os.devnull, "-p", "tests.sessions", *options, str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=kept | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "2", "--dist", "loadgroup")], ids=["one", "two"])
def test_a_skip_that_an_installation_could_mend_fails_a_session_under_ci(
    tmp_path: Path, workers: tuple[str, ...]
) -> None:
    code, said = session(tmp_path, "pytest.skip('redis is not there')", *workers, CI="1")
    assert code == pytest.ExitCode.TESTS_FAILED, said
    assert "Skipped, though this machine should run them" in said
    assert "redis is not there" in said.split("though this machine")[1]
    assert "needs a GPU" not in said.split("though this machine")[1].split("===")[0]


def test_any_other_skip_and_any_skip_elsewhere_fails_none(tmp_path: Path) -> None:
    assert session(tmp_path, "", "-n", "2", CI="1")[0] == pytest.ExitCode.OK
    assert session(tmp_path, "pytest.skip('redis is not there')")[0] == pytest.ExitCode.OK


def test_the_fault_trials_of_all_workers_are_one_table(tmp_path: Path) -> None:
    code, said = session(tmp_path, "", "-n", "2")
    assert code == pytest.ExitCode.OK, said
    (line,) = [line for line in said.splitlines() if line.startswith("a disk pulled out")]
    assert line.split()[4:6] == ["1", "3"]
