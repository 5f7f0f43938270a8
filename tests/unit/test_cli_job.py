"""A job's options: every setting but the secrets, and exit codes as of the command line."""

import runpy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from ray.runtime_env import RuntimeEnv

ROOT = Path(__file__).parents[2]
JOBS = sorted(path.name for path in (ROOT / "jobs").glob("*.py"))


@dataclass(frozen=True, slots=True)
class Said:
    code: object
    out: str
    err: str


Job = Callable[..., Said]


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Job:
    """Runs a file of jobs/ as Python runs a script, in this process."""

    def run(name: str, *words: str) -> Said:
        monkeypatch.setattr(sys, "argv", [name, *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / "jobs" / name), run_name="__main__")
        if isinstance(ended.value.code, str):  # Python prints it and exits with 1
            print(ended.value.code, file=sys.stderr)
            ended.value.code = 1
        return Said(ended.value.code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("name", JOBS)
def test_a_job_says_what_it_takes(name: str, job: Job) -> None:
    said = job(name, "--help")
    assert said.code == 0
    assert f"python jobs/{name}" in said.out
    assert name == "benchmark_gpu.py" or "--qdrant-url" in said.out  # that one has no settings
    assert "--qdrant-api-key " not in said.out


def test_a_secret_is_refused_where_all_can_see_it(job: Job) -> None:
    said = job("verify.py", "--qdrant-api-key", "hidden")
    assert said.code == 2
    assert "set PDRAY_QDRANT_API_KEY on the nodes" in said.err
    assert "hidden" not in said.err


# Each file's own lines run, up to where the work can't begin.
IMPOSSIBLE = {
    "backup.py": ("copy", "--workspace", "none"),
    "benchmark.py": ("--parts", "none"),
    "benchmark_gpu.py": ("--models", "none"),
    "caption.py": ("--workspace", "none"),
    "compact.py": ("--workspace", "none"),
    "finetune.py": ("none.jsonl", "out"),
    "ingest.py": ("none", "--workspace", "none"),
    "rebuild.py": ("--workspace", "none"),
    "switch.py": ("builtin", "--workspace", "none"),
    "verify.py": ("--workspace", "none"),
}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_that_cannot_says_so_in_one_sentence(
    name: str, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = job(name, *IMPOSSIBLE[name])
    assert said.code in (1, 2)
    assert said.err.startswith("pdray: ")
    assert said.err.count("\n") == 1
    assert "none" in said.err


def test_the_runtime_environment_is_what_ray_takes_with_its_other_line_too() -> None:
    text = (ROOT / "jobs" / "runtime_env.yaml").read_text("utf-8")
    (more,) = [line for line in text.splitlines() if line.startswith("# pip:")]
    document = yaml.safe_load(f"{text}\n{more.removeprefix('# ')}\n")
    taken = RuntimeEnv(**document)
    assert int(taken["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"]) > 3
    (packages,) = taken["pip"]["packages"]
    place = "${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}/"
    assert (ROOT / packages.removeprefix(f"-r {place}")).is_file()
