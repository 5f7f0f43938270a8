"""What a model really takes and gives, measured in a process of its own: memory can only be told
apart there, and a peak only rises.
"""

import multiprocessing
import re
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pdray.records import ModelSpec

_SECONDS = 2.0  # of encoding, at least, for a rate


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes and seconds of one model in one number format. `peak` is of the process on a CPU, less
    what it held before the model, and torch's own count on a GPU; `held` is what it holds once it
    is loaded, counted alike. `rate` is images a second,
    forward pass alone; `vectors` (n, dim) those of the images, in order.
    """

    precision: str
    device: str
    load_seconds: float
    peak: int
    held: int
    rate: float
    vectors: NDArray[np.float32]


def measure(
    spec: ModelSpec,
    precision: str,
    pixels: NDArray[np.uint8],
    *,
    device: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
) -> Measured:
    """Measures a model's image tower over these pixels (n, height, width, 3), in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_measure, spec, precision, pixels, device, threads, batch).result()


def _measure(
    spec: ModelSpec,
    precision: str,
    pixels: NDArray[np.uint8],
    device: str,
    threads: int | None,
    batch: int | None,
) -> Measured:
    import torch

    from pdray.models.encoder import DualEncoder
    from pdray.models.precision import choose_device

    where = choose_device(device)
    before, held_before, began = _peak(), _held(where), time.perf_counter()
    encoder = DualEncoder(spec, device=device, precision=precision, threads=threads, towers="image")
    loaded = time.perf_counter() - began
    held = _held(where) - held_before
    encoder.warm_up()
    vectors = encoder.encode_pixels(pixels, batch)
    peak = _peak() - before
    if encoder.device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(encoder.device)
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < _SECONDS:
        encoder.encode_pixels(pixels, batch)
        done += len(pixels)
    rate = done / (time.perf_counter() - began)
    return Measured(encoder.precision.precision, where, loaded, peak, held, rate, vectors)


def _peak() -> int:
    # The system's count of a child begins with its parent's where that was larger, except here.
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _held(device: str) -> int:
    if device.startswith("cuda"):
        import torch

        return torch.cuda.memory_allocated(device)
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * resource.getpagesize() if status.exists() else 0


def agreement(one: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[float, float]:
    """Mean and least cosine of the rows of two models' vectors of the same images."""
    cosines = (one * other).sum(axis=1)
    return float(cosines.mean()), float(cosines.min())


def overlap(one: NDArray[np.float32], other: NDArray[np.float32], at: int = 10) -> float:
    """How many of the `at` nearest images of each image are the same to both, as a share."""
    at = min(at, len(one) - 1)
    if at < 1:
        return 1.0
    near = []
    for vectors in (one, other):
        scores = vectors @ vectors.T
        np.fill_diagonal(scores, -np.inf)
        near.append(np.argsort(-scores, axis=1)[:, :at])
    same = [len(np.intersect1d(a, b)) for a, b in zip(*near, strict=True)]
    return float(np.mean(same)) / at
