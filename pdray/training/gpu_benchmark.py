"""What a device reaches with pdray's models, beside what its matrix products allow.

Needs torch, transformers, Pillow and numpy, no Ray, no catalog and no settings: the machine with
the card may be bare. Weights are random, of the published sizes: what they compute costs the same.
In this room because it needs torch beside images and samples, which models/ may not know.

    ceiling   one product of two large bf16 matrices, again and again: operations a second
    forward   pixels that are on the device already, to features: images a second
    share     forward's operations, as the published model has them, over the ceiling
    encode    pixels of the host to vectors on the host, as ingestion calls it: images a second
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from pdray.errors import UsageError
from pdray.images.examine import decode_pixels
from pdray.models.blip import Blip
from pdray.models.captioners import resolve_captioner
from pdray.models.encoder import DualEncoder
from pdray.models.image_tower import Shape
from pdray.models.measuring import agreement, measure
from pdray.models.precision import choose_device
from pdray.models.random_weights import (
    ARCHITECTURES,
    write_random_blip,
    write_random_clip,
    write_random_so400m,
)
from pdray.models.resolve import folder_of, resolve
from pdray.records import ModelSpec, Preprocessing
from pdray.samples.photos import photo

SO400M, BLIP = "SigLIP 2 So400m/14", "BLIP base"
MODELS = ("ViT-B/32", "ViT-L/14", SO400M)
TOKENS = 20  # of each caption: random weights never end one
_MATRIX = {"cuda": 8192, "cpu": 1024}
_PHOTOS, _SIZE, _BYTES = 32, (1024, 768), 150_000


def run(
    work: Path,
    *,
    models: Sequence[str] = MODELS,
    quantised: str | None = "ViT-L/14",
    captioner: bool = True,
    device: str = "auto",
    batch: int = 256,
    seconds: float = 2.0,
    saved: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measures all of it and returns the figures as one document for JSON, which `saved` has after
    each part. `work` keeps the models; `quantised` names the one whose weights are rounded; `say`
    takes a line for each figure. UsageError for a model or device that isn't there, and for a batch
    that the device's memory doesn't take.
    """
    if batch < 1 or seconds <= 0:
        raise UsageError(f"A batch of {batch} for {seconds:g} s measures nothing: give more.")
    device = choose_device(device)
    named = [*models, *([quantised] if quantised else []), *([BLIP] if captioner else [])]
    folders = {name: _written(work, name) for name in named}

    def keep() -> None:
        if saved:
            _save(found, saved)

    kind = torch.device(device).type
    found: dict[str, Any] = {"machine": _machine(device), "batch": batch}
    say(f"{found['machine']['device']}, {found['machine']['cores']} cores of the CPU")
    found["ceiling"] = ceiling(device, seconds)
    say(f"bf16 matrix product: {found['ceiling'] / 1e12:.1f} TFLOP/s")
    found["forward"] = []
    for name in models:
        for compiled in (False, True) if kind == "cuda" else (False,):
            one = _alone(_forward, folders[name], device, batch, seconds, compiled)
            one = {"model": name, **one, "share": one["operations"] / found["ceiling"]}
            found["forward"].append(one)
            say(
                f"{name}{', compiled' if compiled else ''}: {one['forward']:.0f} images/s forward, "
                f"{100 * one['share']:.0f}% of the ceiling, {one['encode']:.0f} from the host, "
                f"ready in {one['ready']:.1f} s"
            )
            keep()
    found["decode"] = decoding(device, resolve(str(folders[models[0]])), seconds, say)
    for way, rate in found["decode"].items():
        say(f"decode 1024x768, {way}: {rate:.0f} images/s")
    keep()
    if captioner:
        found["captions"] = _alone(_captions, folders[BLIP], device, seconds)
        say(f"{BLIP}: {found['captions']['rate']:.1f} captions/s of {TOKENS} tokens")
        keep()
    if quantised:
        found["memory"] = _memory(resolve(str(folders[quantised])), device, say)
        keep()
    return found


def ceiling(device: str, seconds: float) -> float:
    """Operations a second of bf16 products of square matrices: the median of turns of ten."""
    side = _MATRIX[torch.device(device).type]
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in "ab")
    return 2 * side**3 * _rate(lambda: left @ right, device, seconds)


def operations(shape: Shape, class_tokens: int) -> int:
    """Multiplications and additions of the matrix products of one image, all tokens through all
    layers as published: pdray itself computes of the last layer only what is looked at. CLIP has a
    class token, SigLIP none; what comes after the layers is left out.
    """
    tokens = shape.patches + class_tokens
    products = 4 * shape.width**2 + 2 * shape.width * shape.inner
    layer = tokens * products + 2 * tokens**2 * shape.width
    return 2 * (shape.patches * 3 * shape.patch**2 * shape.width + shape.layers * layer)


def decoding(
    device: str, spec: ModelSpec, seconds: float, say: Callable[[str], None]
) -> dict[str, float]:
    """Images a second from a photograph's JPEG to the pixels of a model: by pdray on all cores, and
    on a GPU by torchvision's nvJPEG, where that is installed.
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    rule, found = spec.preprocessing, {}
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        jpegs = list(pool.map(photo, range(_PHOTOS), [_SIZE] * _PHOTOS, [_BYTES] * _PHOTOS))
        counts = [pool.submit(_decode_for, jpegs, rule, seconds) for _ in range(cores)]
        found[f"{cores} cores"] = sum(count.result() for count in counts)
    if device != "cpu" and (once := _by_nvjpeg(jpegs, rule, device)):
        try:
            found["nvJPEG"] = len(jpegs) * _rate(once, device, seconds, of=1)
        except RuntimeError as error:  # torchvision can be built without it
            say(f"nvJPEG not measured: {error}")
    return found


def _decode_for(jpegs: list[bytes], rule: Preprocessing, seconds: float) -> float:
    decode_pixels(jpegs[0], rule)
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        decode_pixels(jpegs[done % len(jpegs)], rule)
        done += 1
    return done / (time.perf_counter() - began)


def _by_nvjpeg(
    jpegs: list[bytes], rule: Preprocessing, device: str
) -> Callable[[], torch.Tensor] | None:
    try:
        from torchvision.io import (  # type: ignore[import-not-found,unused-ignore]
            ImageReadMode,
            decode_jpeg,
        )
    except ImportError:
        return None
    read = [torch.frombuffer(bytearray(jpeg), dtype=torch.uint8) for jpeg in jpegs]
    width, height = _SIZE
    wide = round(rule.edge * width / height)

    def once() -> torch.Tensor:
        pictures = torch.stack(decode_jpeg(read, mode=ImageReadMode.RGB, device=device)).float()
        small = torch.nn.functional.interpolate(
            pictures, (rule.edge, wide), mode="bicubic", antialias=True
        )
        left = (wide - rule.width) // 2
        return small[..., left : left + rule.width].clamp(0, 255).round().byte()

    return once


def _forward(
    folder: Path, device: str, batch: int, seconds: float, compiled: bool
) -> dict[str, Any]:
    spec = resolve(str(folder))
    began = time.perf_counter()
    encoder = DualEncoder(spec, device=device, precision="bf16", towers="image", compile=compiled)
    shape, pixels = Shape.of(folder_of(spec), spec), _noise(batch, spec.preprocessing)
    uploaded = torch.from_numpy(pixels).to(encoder.device)
    try:
        encoder.features(uploaded)
    except torch.OutOfMemoryError:
        raise UsageError(
            f"The GPU does not take {batch} images at once: give --batch less."
        ) from None
    _wait(device)
    ready = time.perf_counter() - began
    forward = batch * _rate(lambda: encoder.features(uploaded), device, seconds, of=3)
    encode = batch * _rate(lambda: encoder.encode_pixels(pixels, batch), device, seconds, of=3)
    return {
        "compiled": compiled,
        "ready": ready,
        "forward": forward,
        "encode": encode,
        "operations": forward * operations(shape, 0 if spec.model_type == "siglip" else 1),
    }


def _captions(folder: Path, device: str, seconds: float) -> dict[str, float]:
    spec = resolve_captioner(str(folder), longest=TOKENS)
    captioner = Blip(spec, device=device)
    batch = 64 if captioner.device.type == "cuda" else 4
    pixels = _noise(batch, spec.preprocessing)
    rate = batch * _rate(lambda: captioner.caption(pixels, batch), device, seconds, of=1)
    return {"rate": rate, "batch": batch, "tokens": TOKENS}


def _memory(spec: ModelSpec, device: str, say: Callable[[str], None]) -> list[dict[str, Any]]:
    pixels = _noise(64, spec.preprocessing)
    found: list[dict[str, Any]] = []
    exact = None
    for precision in ("fp32", "bf16", "int8", "nf4"):
        try:
            one = measure(spec, precision, pixels, device=device, batch=64)
        except UsageError as error:  # bitsandbytes is not there, or this CPU has no int8
            say(f"{precision} not measured: {error}")
            continue
        exact = one.vectors if exact is None else exact
        mean, least = agreement(exact, one.vectors)
        figures = {"precision": precision, "peak": one.peak, "held": one.held, "rate": one.rate}
        found.append({**figures, "cosine_mean": mean, "cosine_least": least})
        say(
            f"{precision}: {one.held / 2**20:.0f} MiB held, {one.peak / 2**20:.0f} at the peak, "
            f"{one.rate:.0f} images/s, cosine to fp32 {mean:.5f}, at least {least:.5f}"
        )
    return found


def _alone(measured: Callable[..., dict[str, Any]], *given: object) -> dict[str, Any]:
    """In a process of its own: what torch has compiled for one model makes it compile the next for
    any size, and what one held of the card another would lack.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, *given).result()


def _noise(count: int, rule: Preprocessing) -> NDArray[np.uint8]:
    shape = (count, rule.height, rule.width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _written(work: Path, name: str) -> Path:
    folder = work / "".join(letter for letter in name.lower() if letter.isalnum())
    if not (folder / "preprocessor_config.json").exists():
        if name == SO400M:
            write_random_so400m(folder)
        elif name == BLIP:
            write_random_blip(folder)
        elif name in ARCHITECTURES:
            write_random_clip(folder, architecture=name)
        else:
            raise UsageError(f"There is no model {name} here: name some of {', '.join(MODELS)}.")
    return folder


def _rate(call: Callable[[], object], device: str, seconds: float, of: int = 10) -> float:
    """Calls a second: the median of turns of `of`, after two calls that build what others use."""
    for _ in range(2):
        call()
    _wait(device)
    turns: list[float] = []
    end = time.perf_counter() + seconds
    while not turns or time.perf_counter() < end:
        began = time.perf_counter()
        for _ in range(of):
            call()
        _wait(device)
        turns.append(of / (time.perf_counter() - began))
    return statistics.median(turns)


def _wait(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def _machine(device: str) -> dict[str, Any]:
    gpu = torch.device(device).type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if gpu else "cpu",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _save(found: dict[str, Any], path: Path) -> None:
    try:
        path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}. Name another file.") from None
