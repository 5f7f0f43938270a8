"""A job's options: every setting but the secrets, and exit codes as of the command line."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOBS = sorted(path.name for path in (ROOT / "jobs").glob("*.py"))


def job(name: str, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(ROOT / "jobs" / name), *words],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", JOBS)
def test_a_job_says_what_it_takes(name: str) -> None:
    said = job(name, "--help")
    assert said.returncode == 0, said.stderr
    assert f"python jobs/{name}" in said.stdout
    assert "--qdrant-url" in said.stdout
    assert "--qdrant-api-key " not in said.stdout


def test_a_secret_is_refused_where_all_can_see_it() -> None:
    said = job("verify.py", "--qdrant-api-key", "hidden")
    assert said.returncode == 2
    assert "set PDRAY_QDRANT_API_KEY on the nodes" in said.stderr
    assert "hidden" not in said.stderr


def test_a_job_that_cannot_says_so_in_one_sentence(tmp_path: Path) -> None:
    said = job("verify.py", "--workspace", str(tmp_path / "none"))
    assert said.returncode == 1
    assert said.stderr.startswith("pdray: ")
    assert "Traceback" not in said.stderr
