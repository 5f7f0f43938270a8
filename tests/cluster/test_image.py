"""The image's own steps, carried out in an empty folder: no container engine is needed for that."""

import fnmatch
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.conftest import ROOT
from tests.cluster.dockerfile import Instruction, Stage, stages

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]
_CACHES = ("__pycache__", "*.pyc", "node_modules", "dist")
# Folders of the image that steps name; here each lies below the test's own.
_PLACES = ("/src", "/wheels", "/opt/pdray", "/app", "/data", "/home/pdray")


class Builder:
    """Carries out stages below a folder, which all share: a COPY between them is there already."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PDRAY_", "RAY", "PYTHON", "VIRTUAL_ENV"))
        }
        # The interpreter that runs the tests stands for the base image's.
        (root / "bin").mkdir(parents=True)
        base = Path(sys.base_prefix) / "bin" / "python3"
        (root / "bin" / "python").write_text(f'#!/bin/sh\nexec {base} "$@"\n')
        (root / "bin" / "python").chmod(0o755)
        self.environment["PATH"] = f"{root / 'bin'}:{os.environ['PATH']}"

    def build(self, stage: Stage, **arguments: str) -> None:
        """Every step, in order."""
        folder, given = self.root, {}
        for step in stage.steps:
            if step.name == "ARG":
                name, _, default = step.words.partition("=")
                given[name] = arguments.get(name, default)
            elif step.name == "WORKDIR":
                folder = self._inside(step.words)
                folder.mkdir(parents=True, exist_ok=True)
            elif step.name == "COPY":
                self._copy(step, folder)
            elif step.name == "RUN" and "useradd" not in step.words:
                self.run(step.words, folder, **given)

    def run(self, words: str, folder: Path, **more: str) -> str:
        """A shell's line, as the image's shell runs it."""
        for place in _PLACES:
            words = words.replace(place, str(self.root / place[1:]))
        done = subprocess.run(
            ["/bin/sh", "-ec", words],
            cwd=folder,
            env=self.environment | more,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def _inside(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def _copy(self, step: Instruction, folder: Path) -> None:
        stage, what, where = step.copied
        if stage is not None:
            return
        for name in what:
            target = folder / where / name if where == "./" else folder / where
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target, ignore=_ignored)
            else:
                shutil.copy(ROOT / name, target)


def _ignored(folder: str, names: list[str]) -> set[str]:
    return {name for name in names for glob in _CACHES if fnmatch.fnmatch(name, glob)}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """The CPU image, built."""
    builder, found = Builder(tmp_path_factory.mktemp("image")), stages(ROOT / "Dockerfile")
    builder.build(found["wheel"])
    # Whatever index this machine's pip knows has the build for CPUs too.
    builder.build(found["cpu-packages"], TORCH_INDEX="")
    builder.build(found["base"])
    return builder


def test_the_built_image_indexes_searches_and_has_page_and_jobs(image: Builder) -> None:
    app = image.root / "app"
    path = {"PATH": f"{image.root / 'opt/pdray/bin'}:{image.environment['PATH']}"}
    image.run("pdray samples /data/photos --count 12 --max-side 400", app, **path)
    place = {"PDRAY_WORKSPACE": str(image.root / "data" / "workspace"), **path}
    image.run("pdray index /data/photos --model builtin", app, **place)
    assert "scene-" in image.run("pdray search 'a red circle' --json", app, **place)
    assert "12 images" in image.run("pdray verify", app, **place)
    assert "SOURCE" in image.run("python jobs/ingest.py --help", app, **path)
    (page,) = (image.root / "opt/pdray").glob("lib/python3*/site-packages/pdray/ui/dist/index.html")
    assert page.stat().st_size
    # What is imported is the image's, not the checkout's.
    where = image.run("python -c 'import pdray; print(pdray.__file__)'", app, **path)
    assert where.startswith(str(image.root / "opt"))
    assert not list((image.root / "opt/pdray").glob("**/site-packages/pytest"))
