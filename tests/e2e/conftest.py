"""The command line as a user has it, and one small indexed collection that many tests share."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.command import Done, environment, forked, started, words
from tests.ray_head import ray_head

SCENES = 150


@dataclass(frozen=True, slots=True)
class Collection:
    """An indexed folder: what `index` reported and said, and every hit by uri as `search` tells."""

    photos: Path
    workspace: Path
    report: dict[str, Any]
    said: str
    ids: dict[str, str]
    captions: dict[str, str]


Pdray = Callable[..., Done]


def call(*arguments: object, expect: int = 0, cwd: Path | None = None, **more: str) -> Done:
    """Runs pdray to its end. Whatever happens, a user never sees a traceback."""
    said_to_us_alone = all(name.startswith(("PDRAY_", "RAY_")) for name in more)
    run = forked if said_to_us_alone else started
    done = run(arguments, environment(**more), cwd)
    said = f"{' '.join(map(str, arguments))}\n{done.out}\n{done.err}"
    assert "Traceback" not in done.err, said
    assert done.code == expect, said
    return done


@pytest.fixture(scope="session")
def pdray() -> Pdray:
    """`pdray(*arguments, expect=exit_code, cwd=..., **environment) -> Done`."""
    return call


@pytest.fixture(scope="session")
def one_ray() -> Iterator[dict[str, str]]:
    """What makes runs join one Ray: for tests that are about neither its start nor a run's process
    tree.
    """
    with ray_head() as joined:
        yield joined


@pytest.fixture(scope="session")
def starting() -> Callable[..., "subprocess.Popen[str]"]:
    """The same, not waited for."""

    def start(*arguments: object, cwd: Path | None = None, **more: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            words(*arguments),
            env=environment(**more),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture(scope="session")
def without(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """An environment in which importing a package ends the command: `without("torch")`.

    The stand-in raises no ImportError, which a caller could take for "not installed".
    """

    def shadow(package: str) -> dict[str, str]:
        folder = tmp_path_factory.mktemp("shadow") / package
        folder.mkdir()
        (folder / "__init__.py").write_text(f"raise SystemExit('{package} was imported')\n")
        return {"PYTHONPATH": str(folder.parent)}

    return shadow


@pytest.fixture(scope="session")
def ids_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], dict[str, str]]:
    """Image ids by uri of all that a workspace can find."""

    def ids(workspace: Path) -> dict[str, str]:
        found = call("search", "a scene", "-w", workspace, "--limit", 10_000, "--json").document
        listed = {hit["uri"]: hit["id"] for hit in found["hits"]}
        assert len(listed) == len(found["hits"]), "an image was found twice"
        return listed

    return ids


@pytest.fixture(scope="session")
def indexed(
    tmp_path_factory: pytest.TempPathFactory, ids_of: Callable[[Path], dict[str, str]]
) -> Collection:
    """Scenes, indexed for the first time. Nobody may change folder or workspace: copy them."""
    home = tmp_path_factory.mktemp("indexed")
    photos, workspace = home / "photos", home / "workspace"
    call("samples", photos, "--count", SCENES, "--seed", 77, "--max-side", 400)
    done = call("index", photos, "-w", workspace, "--model", "builtin", "--json")
    lines = (photos / "captions.jsonl").read_text("utf-8").splitlines()
    captions = {line["file"]: line["caption"] for line in map(json.loads, lines)}
    return Collection(photos, workspace, done.document, done.err, ids_of(workspace), captions)


@pytest.fixture
def copied(indexed: Collection, tmp_path: Path) -> Collection:
    """The workspace of `indexed` to do with as one likes; it still knows the same folder."""
    workspace = tmp_path / "workspace"
    shutil.copytree(indexed.workspace, workspace)
    return replace(indexed, workspace=workspace)
