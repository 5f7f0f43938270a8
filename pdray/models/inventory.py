"""Which models are on this machine, and what their weights take in each number format. No torch."""

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from pdray.errors import ModelUnavailable
from pdray.models import layout
from pdray.models.hub import Hub, cached, is_hub_name
from pdray.models.resolve import BUILTIN, resolve
from pdray.records import ModelSpec

_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
_LONGEST_HEADER = 100 << 20


@dataclass(frozen=True, slots=True)
class Known:
    """A model by the name that a user gives it. `spec` is None where its files aren't here; then
    `reason` says why, unless a run would fetch them. `weights` is bytes by number format.
    """

    name: str
    spec: ModelSpec | None = None
    reason: str | None = None
    parameters: int | None = None
    weights: Mapping[str, int] = field(default_factory=dict)


def cached_names() -> list[str]:
    """Names of the models that the hub's local cache has begun to hold, sorted."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    entries = folder.iterdir() if folder.is_dir() else ()
    mark = "models--"
    return sorted(
        entry.name.removeprefix(mark).replace("--", "/")
        for entry in entries
        if entry.name.startswith(mark)
    )


def known(name: str) -> Known:
    """What this machine knows of a model; asks no network."""
    try:
        spec = resolve(name, offline=True)
    except ModelUnavailable as error:
        fetchable = is_hub_name(name) and not Path(name).expanduser().is_dir()
        return Known(name, reason=None if fetchable else str(error))
    folder = folder_of_cached(spec)
    weights = weights_of(folder)
    count = weights["fp32"] // 4 if weights else None
    return Known(name, spec, None, count, weights)


def weights_of(folder: Path) -> Mapping[str, int]:
    """Bytes of a model's weights by number format; empty where they are no safetensors."""
    tensors = list(_tensors(folder))
    if not tensors:
        return {}
    count = sum(prod(shape) for _, shape in tensors)
    weights = {precision: size * count for precision, size in _BYTES.items()}
    return {**weights, "int8": _in_bytes(tensors), "nf4": _in_nibbles(tensors)}


def folder_of_cached(spec: ModelSpec) -> Path:
    """Where the files of a model lie that is on this machine."""
    if spec.location == BUILTIN:
        return Path(__file__).with_name(BUILTIN)
    here = Path(spec.location)
    return here if here.is_dir() else cached(spec.location, spec.revision, Hub()) or here


@functools.lru_cache(maxsize=64)
def _header(path: Path, size: int) -> Mapping[str, object]:
    """The table at the front of a safetensors file: eight bytes of its length, then JSON."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        found = json.loads(file.read(length)) if length <= min(size, _LONGEST_HEADER) else {}
    return found if isinstance(found, dict) else {}


def _tensors(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """(name, shape) of all; none where the weights are in another format."""
    for path in layout.weights(folder):
        if path.suffix == ".safetensors":
            for name, about in _header(path, path.stat().st_size).items():
                if name != "__metadata__" and isinstance(about, dict):
                    yield name, about["shape"]


def _in_bytes(tensors: list[tuple[str, list[int]]]) -> int:
    """As models/int8.py rounds: a byte for the matrices of the image tower's layers, two else."""
    return sum(
        prod(shape) * (1 if len(shape) == 2 and "vision_model.encoder" in name else 2)
        for name, shape in tensors
    )


def _in_nibbles(tensors: list[tuple[str, list[int]]]) -> int:
    """As models/quantised.py rounds: four bits for the matrices of all layers, two bytes else."""
    return sum(
        _rounded(prod(shape))
        if len(shape) == 2 and ".encoder." in f".{name}" and name.endswith("weight")
        else 2 * prod(shape)
        for name, shape in tensors
    )


def _rounded(count: int) -> int:
    """Four bits each, a byte a block of 64, and a number for 256 of those."""
    blocks = -(-count // 64)
    return count // 2 + blocks + 4 * -(-blocks // 256)
