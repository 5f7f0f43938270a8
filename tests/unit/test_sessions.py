"""What holds for a whole session of tests, in one process and with workers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TESTS = """
import os
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


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one", "two"])
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


_WHERE = """
import os
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(3))
def test_it(number):
    Path({folder!r}, os.environ["PYTEST_XDIST_WORKER"] + f"-{room}-{name}-{{number}}").touch()
"""


def test_tests_that_share_a_costly_fixture_stay_in_one_worker(tmp_path: Path) -> None:
    places = [("e2e", "one"), ("e2e", "two"), ("unit", "three"), ("unit", "four")]
    for room, name in places:
        (tmp_path / room).mkdir(exist_ok=True)
        code = _WHERE.format(folder=str(tmp_path), room=room, name=name)
        (tmp_path / room / f"test_{name}.py").write_text(code)
    code, said = session(tmp_path, "", "-n", "2", "--no-loadscope-reorder")
    assert code == pytest.ExitCode.OK, said
    ran = [path.name.split("-") for path in tmp_path.glob("gw*")]
    assert len(ran) == 3 * len(places)
    workers = {
        what: {worker for worker, *rest in ran if what in rest} for what in ("e2e", "three", "four")
    }
    assert [len(each) for each in workers.values()] == [1, 1, 1]
    assert len(set.union(*workers.values())) == 2
