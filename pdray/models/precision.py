"""Which device and which number format to run a model with, and why in words."""

import functools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from pdray.errors import UsageError
from pdray.models.quantised import require

Precision = Literal["fp32", "bf16", "fp16", "int8", "nf4"]

_DTYPES: dict[str, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
_NAMES = (*_DTYPES, "int8", "nf4")
# bitsandbytes' int8 multiplies outliers in this.
_HALF = torch.float16
# Below this gain bf16's lost digits buy nothing, and a noisy probe must not tip the choice.
_WORTH = 1.3
_AMX = "amx_bf16"
_VECTOR_BF16 = ("avx512_bf16", "bf16")  # x86, Arm
# Products of unsigned and signed bytes that add up in 32 bits. Without, they overflow in 16.
_VNNI = ("avx512_vnni", "avx_vnni", "amx_int8")


@dataclass(frozen=True, slots=True)
class Choice:
    """A number format and the reason for it, a clause that `pdray doctor` prints."""

    precision: Precision
    why: str
    # Of what is between the products of rounded weights.
    between: torch.dtype | None = None

    @property
    def dtype(self) -> torch.dtype:
        """The torch type of weights and activations; with int8 and nf4 of what is between the
        products."""
        return self.between or _DTYPES[self.precision]

    @property
    def by_library(self) -> bool:
        """Whether bitsandbytes rounds (models/quantised.py), not our own towers."""
        return self.precision == "nf4" or (self.precision == "int8" and self.between is _HALF)


def choose_device(device: str = "auto") -> str:
    """ "auto" takes the first GPU where there is one; UsageError where a named one is missing."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(
            f"The device {device} was asked for and torch sees no GPU: run `pdray doctor`, or use "
            "the device cpu."
        )
    return device


def check_compile(device: str) -> None:
    """Raises UsageError where a model is to be compiled for a device that gains nothing by it."""
    if choose_device(device) == "cpu":
        raise UsageError("Compiling is for GPUs and gains nothing on CPUs: unset compile.")


def choose(device: str = "auto", precision: str = "auto") -> Choice:
    """The number format for a device; UsageError for a precision that does not exist.

    bf16 is taken where it is faster: on GPUs that compute it, on CPUs with AMX (four times fp32 for
    ViT-B/32), and on CPUs with AVX512-BF16 only where a probe of 0.2 s says so. That flag alone
    means little: AMD's cores double their rate with it, Intel's without AMX multiply bf16 on half
    their ports, and there ViT-B/32 ran at 0.6 of fp32.

    int8 (models/int8.py) must be asked for: 1.7 times bf16 and 3.5 times fp32 for ViT-B/32 on a CPU
    with VNNI, at a mean cosine of 0.9996 to fp32, where bf16 keeps 0.99995. On GPUs int8, and nf4
    anywhere, save memory and no time (models/quantised.py).
    """
    if precision == "int8":
        return _choose_int8(choose_device(device))
    if precision == "nf4":
        return _choose_nf4(choose_device(device))
    if precision in _DTYPES:
        return Choice(precision, "asked for")  # type: ignore[arg-type]
    if precision != "auto":
        raise UsageError(f"There is no precision {precision}: use auto, {', '.join(_NAMES)}.")
    where = choose_device(device)
    if where.startswith("cuda"):
        return _choose_cuda(where)
    if where != "cpu":
        return Choice("fp32", f"bf16 was not tried on {where}")
    flags = cpu_flags()
    if _AMX in flags:
        return Choice("bf16", "this CPU has AMX")
    if not flags.intersection(_VECTOR_BF16):
        return Choice("fp32", "this CPU has no bf16 instructions")
    gain = bf16_gain()
    if gain >= _WORTH:
        return Choice("bf16", f"this CPU multiplies bf16 {gain:.1f} times as fast as fp32")
    return Choice("fp32", f"this CPU multiplies bf16 only {gain:.1f} times as fast as fp32")


def has_int8() -> bool:
    """Whether this CPU multiplies bytes fast and without overflow."""
    return bool(cpu_flags().intersection(_VNNI))


def _choose_int8(where: str) -> Choice:
    if where.startswith("cuda"):
        require()
        return Choice("int8", "asked for", _HALF)
    if where != "cpu":
        raise UsageError(f"Precision int8 is for CPUs and CUDA; on {where} use auto.")
    if not has_int8():
        raise UsageError("This CPU has no VNNI, which int8 needs: use precision fp32 or auto.")
    return Choice("int8", "asked for", _between())


def _choose_nf4(where: str) -> Choice:
    if not where.startswith(("cpu", "cuda")):
        raise UsageError(f"Precision nf4 is for CPUs and CUDA; on {where} use auto.")
    require()
    if where != "cpu":
        native = _choose_cuda(where).precision == "bf16"
        return Choice("nf4", "asked for", torch.bfloat16 if native else _HALF)
    return Choice("nf4", "asked for", _between())


def _between() -> torch.dtype:
    fast = cpu_flags().intersection((_AMX, *_VECTOR_BF16))
    return torch.bfloat16 if fast else torch.float32


@functools.cache
def cpu_flags() -> frozenset[str]:
    """The CPU's feature flags as Linux names them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def bf16_gain() -> float:
    """How many times as fast as fp32 this CPU multiplies bf16 matrices of a ViT-B's shape.

    Best of several interleaved turns, so that what else the machine does falls on both.
    """
    layers = {dtype: _probe_layer(dtype) for dtype in (torch.float32, torch.bfloat16)}
    best = dict.fromkeys(layers, float("inf"))
    with torch.inference_mode():
        for turn in range(5):
            for dtype, (layer, rows) in layers.items():
                begin = time.perf_counter()
                layer(rows)
                if turn > 0:  # the first builds kernels
                    best[dtype] = min(best[dtype], time.perf_counter() - begin)
    return best[torch.float32] / best[torch.bfloat16]


def _probe_layer(dtype: torch.dtype) -> tuple[torch.nn.Linear, torch.Tensor]:
    layer = torch.nn.Linear(768, 3072, dtype=dtype).requires_grad_(False)
    return layer, torch.ones(800, 768, dtype=dtype)


def _choose_cuda(device: str) -> Choice:
    name = torch.cuda.get_device_name(device)
    with torch.cuda.device(device):
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    if native:
        return Choice("bf16", f"{name} computes bf16")
    return Choice("fp32", f"{name} does not compute bf16")


def gpu_memory() -> int | None:
    """Bytes of the first GPU that this process sees; None for none."""
    if not torch.cuda.is_available():
        return None
    return int(torch.cuda.get_device_properties(0).total_memory)
