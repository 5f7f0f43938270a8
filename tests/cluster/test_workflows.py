"""The workflows: what reads them finds nothing wrong, and what they call exists."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.cluster.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_actionlint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("actionlint")
    # Without shellcheck, which is not there everywhere: the answer must not hang on that.
    words = [str(program), "-shellcheck=", "-pyflakes=", *map(str, WORKFLOWS)]
    ended = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_calls_what_there_is(path: Path) -> None:
    text = path.read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    called = set(re.findall(r"\bmake ([a-z-]+)", text))
    listed = re.findall(r"target: \[(.*)\]", text)
    if "make ${{ matrix.target }}" in text:
        called |= {name.strip() for name in listed[0].split(",")}
    assert called <= targets
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    marks = {one.split(":")[0] for one in settings["tool"]["pytest"]["ini_options"]["markers"]}
    assert set(re.findall(r"pytest -m (\w+)", text)) <= marks
    for script in re.findall(r"bash (\S+)", text):
        assert (ROOT / script).is_file()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read_unless_it_says_why_it_writes(path: Path) -> None:
    document = yaml.safe_load(path.read_text("utf-8"))
    assert document["permissions"] == {"contents": "read"}
    for job in document["jobs"].values():
        assert "timeout-minutes" in job or len(job["steps"]) <= 2
        writes = {name for name, right in job.get("permissions", {}).items() if right == "write"}
        assert writes <= {"packages", "id-token"}


def test_the_images_that_are_published_are_targets_of_the_dockerfile() -> None:
    release = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8"))
    targets = release["jobs"]["image"]["strategy"]["matrix"]["target"]
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert targets
    for target in targets:
        assert re.search(rf"^FROM \S+ AS {target}$", text, re.MULTILINE)


def test_a_change_is_tested_on_every_python_that_the_package_promises() -> None:
    document = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    versions = document["jobs"]["test"]["strategy"]["matrix"]["python"]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    least = settings["project"]["requires-python"].removeprefix(">=")
    assert versions[0] == least
    assert versions == [f"3.{minor}" for minor in range(11, 11 + len(versions))]
