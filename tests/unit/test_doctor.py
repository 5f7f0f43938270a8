"""What the doctor finds on this machine, and what it advises for machines that are not here."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pdray.cli import machine
from pdray.cli.advice import GIB, advise, match_gpu, size
from pdray.cli.doctor import describe, examine
from pdray.config import load

CPU_BUILD = {"version": "2.13.0+cpu", "cuda": None, "sees_gpu": False}
CUDA_BUILD = {"version": "2.13.0+cu130", "cuda": "13.0", "sees_gpu": True}


def gpu(**changes: Any) -> dict[str, Any]:
    card = {"name": "NVIDIA L4", "memory": 24 * GIB, "compute": "8.9"}
    return {
        "gpus": [card],
        "driver": "580.82",
        "driver_cuda": "13.0",
        "problem": None,
        "on_bus": 1,
        **changes,
    }


def facts(**changes: Any) -> dict[str, Any]:
    """A machine with which nothing is wrong."""
    return {
        "packages": {"torch": "2.13.0"},
        "model": {"name": "a/b", "available": True, "reason": None},
        "hub": {"reachable": True, "reason": None},
        "gpu": gpu(),
        "torch": CUDA_BUILD,
        "memory": {"total": 64 * GIB, "available": 32 * GIB},
        "disk": [{"path": "/w", "free": 100 * GIB}],
        "shared_memory": {"total": 32 * GIB, "free": 32 * GIB},
        **changes,
    }


def test_nothing_is_wrong_with_a_machine_that_fits() -> None:
    assert advise(facts()) == []


@pytest.mark.parametrize(
    ("found", "torch", "what", "do"),
    [
        (gpu(), CPU_BUILD, "a build without CUDA", "GPU=1"),
        (gpu(driver="535.1", driver_cuda="12.2"), CUDA_BUILD, "up to 12.2", "580.65"),
        (gpu(), {**CUDA_BUILD, "sees_gpu": False}, "doesn't see it", "CUDA_VISIBLE_DEVICES"),
        (gpu(problem="Driver/library version mismatch"), CUDA_BUILD, "mismatch", "Restart"),
        (gpu(gpus=[], driver=None), CPU_BUILD, "no driver", "Install the NVIDIA driver"),
        (
            gpu(gpus=[{"name": "Tesla V100", "memory": None, "compute": "7.0"}]),
            CUDA_BUILD,
            "Tesla V100",
            "CUDA 12",
        ),
    ],
)
def test_a_gpu_that_does_not_fit_is_said_with_what_to_do(
    found: dict[str, Any], torch: dict[str, Any], what: str, do: str
) -> None:
    (problem,) = match_gpu(found, torch)
    assert what in problem.what
    assert do in problem.do


@pytest.mark.parametrize(
    ("found", "torch"),
    [
        (gpu(driver_cuda="13.2"), CUDA_BUILD),
        (gpu(driver_cuda="12.4"), {**CUDA_BUILD, "cuda": "12.8"}),  # one generation serves itself
        (gpu(driver_cuda=None), CUDA_BUILD),
        (gpu(gpus=[], on_bus=0), CPU_BUILD),
        (gpu(gpus=[], on_bus=0), CUDA_BUILD),
        (gpu(), {**CUDA_BUILD, "sees_gpu": None}),  # torch is broken, which is said elsewhere
    ],
)
def test_a_gpu_that_fits_or_is_not_there_is_no_problem(
    found: dict[str, Any], torch: dict[str, Any]
) -> None:
    assert match_gpu(found, torch) == []


@pytest.mark.parametrize(
    ("change", "what", "do"),
    [
        ({"memory": {"total": GIB, "available": GIB}}, "1.0 GiB of memory", "ENCODERS"),
        ({"disk": [{"path": "/w", "free": 5}]}, "5 B are free at /w", "--workspace"),
        ({"shared_memory": {"total": 64 << 20, "free": 64 << 20}}, "64.0 MiB", "--shm-size=19g"),
        ({"packages": {"ray": None, "torch": "2"}}, "Not installed here: ray.", "make install"),
        (
            {
                "model": {"name": "a/b", "available": False, "reason": None},
                "hub": {"reachable": False, "reason": "the hub can't be reached (ConnectError)"},
            },
            "a/b is not on this machine and the hub can't be reached",
            "--model builtin",
        ),
        (
            {"model": {"name": "/x", "available": False, "reason": "There is no folder /x."}},
            "no folder /x",
            "--model",
        ),
    ],
)
def test_every_shortage_comes_with_what_to_do(change: dict[str, Any], what: str, do: str) -> None:
    (problem,) = advise(facts(**change))
    assert what in problem.what
    assert do in problem.do


def test_a_model_that_can_be_fetched_is_no_problem() -> None:
    assert advise(facts(model={"name": "a/b", "available": False, "reason": None})) == []


def test_a_table_of_two_gpus_is_read() -> None:
    table = "NVIDIA H200, 143771, 9.0, 570.1\nNVIDIA X, [N/A], 9.0, 570.1\n\n"
    assert machine.parse_gpus(table) == {
        "gpus": [
            {"name": "NVIDIA H200", "memory": 143771 << 20, "compute": "9.0"},
            {"name": "NVIDIA X", "memory": None, "compute": "9.0"},
        ],
        "driver": "570.1",
    }


def test_a_containers_quota_limits_cores_and_memory(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text(f"{64 << 20}\n")
    (tmp_path / "memory.current").write_text(f"{24 << 20}\n")
    assert machine.usable_cores(tmp_path) == 0.5
    assert machine.memory(tmp_path) == {"total": 64 << 20, "available": 40 << 20}


def test_no_quota_means_the_machines_own_figures(tmp_path: Path) -> None:
    plain = machine.usable_cores(tmp_path), machine.memory(tmp_path)["total"]
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert (machine.usable_cores(tmp_path), machine.memory(tmp_path)["total"]) == plain
    assert plain[0] >= 1


def test_torchs_build_is_read_without_importing_it() -> None:
    code = "import sys; from pdray.cli.machine import torch_build as t; print(t()['version'])"
    code += "; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == machine.packages()["torch"]


def test_free_disk_is_told_for_a_folder_that_is_yet_to_be_made(tmp_path: Path) -> None:
    assert machine.free_disk(tmp_path / "not/yet") is not None


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB")]
)
def test_sizes_are_in_binary_units(count: int, words: str) -> None:
    assert size(count) == words


def rendered(found: dict[str, Any]) -> str:
    page = io.StringIO()
    Console(width=1000, file=page).print(describe(found))
    return page.getvalue()


def test_this_machine_is_examined_and_told(tmp_path: Path) -> None:
    environ = {"PDRAY_OFFLINE": "1", "PDRAY_MODEL": str(tmp_path / "none")}
    settings = load({"workspace": str(tmp_path / "w")}, environ=environ, cwd=tmp_path)
    found = examine(settings)
    assert json.loads(json.dumps(found)) == found
    assert found["precision"]["device"] == ("cuda" if found["torch"]["sees_gpu"] else "cpu")
    assert found["cpu"]["usable_cores"] <= found["cpu"]["cores"]
    assert found["hub"]["reachable"] is False
    text = rendered(found)
    for problem in found["problems"]:
        assert problem["what"] in text
        assert problem["do"] in text
    assert f"{tmp_path}/none" in text
    assert "it was asked for" in text


def test_the_collections_model_comes_before_the_default(tmp_path: Path) -> None:
    settings = load({"collection": "trips"}, environ={"PDRAY_OFFLINE": "1"}, cwd=tmp_path)
    model = examine(settings, collection_model="me/own")["model"]
    assert (model["name"], model["why"]) == ("me/own", "the collection trips was indexed with it")


def test_a_device_that_is_not_here_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    found = examine(load({"device": "cuda"}, environ={"PDRAY_OFFLINE": "1"}, cwd=tmp_path))
    assert "cuda" in found["problems"][0]["what"]
    assert found["precision"]["precision"] is None
    assert "unknown" in rendered(found)
