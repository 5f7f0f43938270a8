"""The tensors of a model folder, a few at a time."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from pdray.errors import ModelUnavailable
from pdray.models import layout


class Weights:
    """Reads float32 copies. What lies between two readings is held by nobody: mapped files count
    as memory of the process for as long as they are open. The copies are on `device`.
    """

    def __init__(self, folder: Path, device: torch.device | str = "cpu") -> None:
        self._folder, self._device = folder, device

    def read(self, shapes: Mapping[str, tuple[int, ...]], prefix: str = "") -> dict[str, Tensor]:
        """Tensors by name without the prefix; ModelUnavailable where one is missing, of another
        shape, or its file damaged.
        """
        found: dict[str, Tensor] = {}
        for path, names in self._by_file([prefix + name for name in shapes]).items():
            found |= self._open(path, names)
        result = {}
        for name, shape in shapes.items():
            tensor = found.get(prefix + name)
            if tensor is None or tuple(tensor.shape) != shape:
                state = "lack" if tensor is None else f"hold, as {tuple(tensor.shape)},"
                raise ModelUnavailable(
                    f"The weights in {self._folder} {state} the tensor {prefix}{name} of {shape} "
                    "that config.json asks for: fetch the model again."
                )
            result[name] = tensor
        return result

    def _by_file(self, names: list[str]) -> dict[Path, list[str]]:
        paths = layout.weights(self._folder)
        if len(paths) == 1:
            return {paths[0]: names}
        grouped: dict[Path, list[str]] = {}
        for name in names:
            if name in self._shards:
                grouped.setdefault(self._folder / self._shards[name], []).append(name)
        return grouped

    @cached_property
    def _shards(self) -> dict[str, str]:
        text = (self._folder / layout.SAFE_INDEX).read_text(encoding="utf-8")
        return dict(json.loads(text)["weight_map"])

    def _open(self, path: Path, names: list[str]) -> dict[str, Tensor]:
        try:
            if path.suffix == ".bin":
                stored = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
                return {name: self._copy(stored[name]) for name in names if name in stored}
            with safe_open(path, framework="pt") as file:
                there = set(file.keys())
                return {name: self._copy(file.get_tensor(name)) for name in names if name in there}
        # safetensors' own error is a plain Exception, and a damaged pickle raises what it likes.
        except Exception as error:
            raise ModelUnavailable(
                f"The model file {path} can't be read ({error}): fetch it again."
            ) from error

    def _copy(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, torch.float32, copy=True)
