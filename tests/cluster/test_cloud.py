"""The launcher's files against Ray's schema, and the GPU page against what the doctor says."""

import copy
import re
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from pdray.cli.advice import GIB, advise
from tests.cluster.conftest import ROOT

CLOUDS = sorted((ROOT / "cluster" / "cloud").glob("*.yaml"))
GPU = {"gpus": [], "driver": None, "driver_cuda": None, "problem": None, "on_bus": 1}
L4 = {"gpus": [{"name": "NVIDIA L4", "memory": 24 * GIB, "compute": "8.9"}], "driver": "580.65"}
V100 = {"gpus": [{"name": "Tesla V100", "memory": 16 * GIB, "compute": "7.0"}], "driver": "580.65"}
CUDA = {"version": "2.13.0", "cuda": "13.0", "sees_gpu": True}
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch"
SICK: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, CUDA),
    ({"problem": MISMATCH}, CUDA),
    (L4, {"version": "2.13.0+cpu", "cuda": None}),
    ({**L4, "driver": "535.54", "driver_cuda": "12.2"}, CUDA),
    ({**V100, "driver_cuda": "13.0"}, CUDA),
    ({**L4, "driver_cuda": "13.0"}, {**CUDA, "sees_gpu": False}),
]


@pytest.fixture(params=CLOUDS, ids=lambda path: path.stem)
def launcher(request: pytest.FixtureRequest) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(request.param.read_text("utf-8"))
    return document


def test_ray_takes_the_file_and_fills_in_the_rest(launcher: dict[str, Any]) -> None:
    prepared = prepare_config(copy.deepcopy(launcher))
    validate_config(prepared)
    with pytest.raises(Exception, match="head_start_ray_command'"):
        validate_config({**prepared, "head_start_ray_command": []})
    assert set(prepared["available_node_types"]) >= {"head", "cpu", "gpu"}
    # Its own defaults don't bring another kind of head or worker along.
    assert set(launcher["available_node_types"]) == {"head", "cpu", "gpu"}


def test_workers_are_on_the_spot_market_and_the_head_is_not(launcher: dict[str, Any]) -> None:
    kinds = launcher["available_node_types"]
    for name, kind in kinds.items():
        spot = "spot" in str(kind["node_config"]).lower()
        assert spot == (name != "head"), name
    assert kinds["gpu"]["resources"]["GPU"] == 1
    assert launcher["head_node_type"] == "head"


def test_every_machine_has_the_keys_and_asks_for_the_token(launcher: dict[str, Any]) -> None:
    (mounted,) = launcher["file_mounts"]
    for place in ("head_start_ray_commands", "worker_start_ray_commands"):
        (command,) = [line for line in launcher[place] if "ray start" in line]
        assert "RAY_AUTH_MODE=token" in command
        files = re.findall(rf"{mounted}/(\S+)", command)
        assert set(files) == {"ray-token", "qdrant-key", "write-key", "read-key"}
    made = (ROOT / "cluster/compose/make_keys.py").read_text("utf-8")
    assert all(f'"{name}"' in made for name in files)


def facts(gpu: dict[str, Any], torch: dict[str, Any], shared: int = 8 * GIB) -> dict[str, Any]:
    """A machine with nothing wrong but this."""
    return {
        "packages": {"torch": "2.13.0"},
        "model": {"available": True},
        "hub": {"reachable": True},
        "gpu": {**GPU, **gpu},
        "torch": torch,
        "disk": [],
        "memory": {"available": 32 * GIB, "total": 32 * GIB},
        "shared_memory": {"free": shared, "total": shared},
    }


def test_the_gpu_page_has_every_complaint_of_the_doctor_with_its_cure() -> None:
    page = (ROOT / "cluster" / "gpu.md").read_text("utf-8")
    wrong = [facts(gpu, torch) for gpu, torch in SICK]
    wrong.append(facts({"on_bus": 0}, CUDA, shared=64 << 20))
    for one in wrong:
        (problem,) = advise(one)
        assert f"| {problem.what} | {problem.do} |" in page
