"""Eight bits on a CPU, four ways: pdray's own, torchao, ONNX Runtime and bitsandbytes, beside fp32,
bf16 and nf4, over one image tower and the same pictures.

    pip install torchao onnx onnxscript onnxruntime bitsandbytes
    python benchmarks/eight_bits.py MODEL IMAGES [--images 48] [--threads N] [--save FILE]

Each way runs in a process of its own. Its rate is the best of five passes over all images, in
batches of 16, the passes of all ways taken in turns; "start" is from the empty process to the first
vectors (compilation included), "memory" the most it held by then less what an empty one holds.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Encode = Callable[[Pixels], Any]
_BATCH, _PASSES = 16, 5


def own(precision: str) -> Callable[[Path], Encode]:
    """pdray's encoder."""

    def build(folder: Path) -> Encode:
        import torch

        from pdray.models.encoder import DualEncoder
        from pdray.models.resolve import resolve

        encoder = DualEncoder(
            resolve(str(folder)),
            precision=precision,
            threads=torch.get_num_threads(),
            towers="image",
        )
        return lambda pixels: encoder.encode_pixels(pixels, batch_size=_BATCH)

    return build


def _tower(folder: Path, dtype: str = "float32") -> Any:
    import torch
    from transformers import CLIPVisionModelWithProjection

    model = CLIPVisionModelWithProjection.from_pretrained(folder, dtype=getattr(torch, dtype))
    return model.eval()


def _through(model: Callable[[Any], Any], dtype: str = "float32") -> Encode:
    """Batches of normalised pixels through a transformers tower."""
    import torch

    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)

    def encode(pixels: Pixels) -> Any:
        found = []
        with torch.inference_mode():
            for start in range(0, len(pixels), _BATCH):
                whole = torch.from_numpy(pixels[start : start + _BATCH]).permute(0, 3, 1, 2)
                batch = ((whole.float() / 255 - mean) / std).to(getattr(torch, dtype))
                found.append(torch.as_tensor(model(batch)).float())
        return torch.nn.functional.normalize(torch.cat(found), dim=1).numpy()

    return encode


def torchao(kind: str, compiled: bool) -> Callable[[Path], Encode]:
    """torchao's quantisation of transformers' tower."""

    def build(folder: Path) -> Encode:
        import torch
        from torchao import quantization as q

        model = _tower(folder, "bfloat16")
        config = {
            "dynamic": q.Int8DynamicActivationInt8WeightConfig,
            "weights": q.Int8WeightOnlyConfig,
        }[kind]()
        q.quantize_(model, config)
        forward = torch.compile(model) if compiled else model
        return _through(lambda batch: forward(pixel_values=batch).image_embeds, "bfloat16")

    return build


def onnx(per_channel: bool) -> Callable[[Path], Encode]:
    """ONNX Runtime's dynamic quantisation of the exported tower."""

    def build(folder: Path) -> Encode:
        import onnxruntime
        import torch
        from onnxruntime.quantization import QuantType, quantize_dynamic

        class Tower(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = _tower(folder)

            def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
                found: torch.Tensor = self.inner(pixel_values=pixel_values).image_embeds
                return found

        with tempfile.TemporaryDirectory() as place:
            whole, small = Path(place, "whole.onnx"), Path(place, "small.onnx")
            torch.onnx.export(
                Tower().eval(), (torch.zeros(_BATCH, 3, 224, 224),), str(whole), dynamo=True,
                input_names=["pixel_values"], external_data=False, verbose=False,
            )  # fmt: skip
            quantize_dynamic(
                whole, small, per_channel=per_channel, weight_type=QuantType.QInt8,
                op_types_to_quantize=["MatMul", "Gemm"],
            )  # fmt: skip
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            session = onnxruntime.InferenceSession(small, options, ["CPUExecutionProvider"])

        def forward(batch: Any) -> Any:
            return torch.from_numpy(session.run(None, {"pixel_values": batch.numpy()})[0])

        return _through(forward)

    return build


def bitsandbytes(folder: Path) -> Encode:
    """LLM.int8() (Dettmers et al. 2022) of transformers' tower."""
    import torch
    from transformers import BitsAndBytesConfig, CLIPVisionModelWithProjection

    model = CLIPVisionModelWithProjection.from_pretrained(
        folder, quantization_config=BitsAndBytesConfig(load_in_8bit=True), dtype=torch.bfloat16
    ).eval()
    return _through(lambda batch: model(pixel_values=batch).image_embeds, "bfloat16")


WAYS: dict[str, Callable[[Path], Encode]] = {
    "fp32, pdray": own("fp32"),
    "bf16, pdray": own("bf16"),
    "int8, pdray": own("int8"),
    "int8, torchao, dynamic, compiled": torchao("dynamic", compiled=True),
    "int8, torchao, weights only, compiled": torchao("weights", compiled=True),
    "int8, ONNX Runtime, dynamic, a channel": onnx(per_channel=True),
    "int8, ONNX Runtime, dynamic, a tensor": onnx(per_channel=False),
    "int8, bitsandbytes": bitsandbytes,
    "nf4, pdray by bitsandbytes": own("nf4"),
}


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _serve(way: str, folder: Path, threads: int, pixels: Pixels, line: Connection) -> None:
    """A process: builds, says what it took, then makes a pass whenever it is asked."""
    import torch

    torch.set_num_threads(threads)
    before, started = _peak(), time.perf_counter()
    try:
        encode = WAYS[way](folder)
        vectors = encode(pixels)
    except Exception as error:  # a way that can't be had here is said, and the others go on
        line.send(f"{type(error).__name__}: {str(error)[:200]}")
        return
    line.send((time.perf_counter() - started, _peak() - before, np.asarray(vectors)))
    while line.recv():
        started = time.perf_counter()
        encode(pixels)
        line.send(time.perf_counter() - started)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--images", dest="count", type=int, default=48)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--ways", default=";".join(WAYS), help="By semicolons.")
    parser.add_argument("--save", type=Path, help="As `pdray benchmark --save`.")
    said = parser.parse_args()
    from pdray.cli import record
    from pdray.images.examine import decode_pixels
    from pdray.models.resolve import resolve

    prepared = resolve(str(said.model)).preprocessing
    files = sorted(said.images.glob("*.jpg"))[: said.count]
    pixels = np.stack([decode_pixels(file.read_bytes(), prepared) for file in files])
    context = multiprocessing.get_context("spawn")
    lines: dict[str, Connection] = {}
    found: dict[str, dict[str, Any]] = {}
    vectors: dict[str, NDArray[np.float32]] = {}
    for way in said.ways.split(";"):
        ours, theirs = context.Pipe()
        arguments = (way, said.model.resolve(), said.threads, pixels, theirs)
        context.Process(target=_serve, args=arguments, daemon=True).start()
        theirs.close()
        told = ours.recv()
        if isinstance(told, str):
            found[way] = {"refused": told}
            continue
        lines[way], (start, memory, vectors[way]) = ours, told
        found[way] = {"start_seconds": start, "memory_bytes": memory, "passes": []}
    for _ in range(_PASSES):
        for way, line in lines.items():
            line.send(True)
            found[way]["passes"].append(len(pixels) / line.recv())
    for way, line in lines.items():
        line.send(False)
        one, passes = found[way], found[way].pop("passes")
        one |= {"best": max(passes), "median": statistics.median(passes)}
        base = vectors.get("fp32, pdray")
        if base is not None:
            cosines = (vectors[way] * base).sum(1)
            one |= {"cosine": float(cosines.mean()), "least": float(cosines.min())}
            one["ten"] = _overlap(vectors[way], base)
    if said.save:
        load = record.load_average()
        command = f"python benchmarks/eight_bits.py ... --images {said.count}"
        record.save(record.document(command, said.images, {"eight-bits": found}, load), said.save)
    print("| | images/s | start, s | memory, MB | cosine to fp32, mean and least | ten nearest |")
    print("|---|---|---|---|---|---|")
    for way, one in found.items():
        if "refused" in one:
            print(f"| {way} | {one['refused']} | | | | |")
            continue
        agrees = f"{one['cosine']:.5f}, {one['least']:.5f} | {one['ten']:.3f}"
        print(
            f"| {way} | {one['best']:.1f} | {one['start_seconds']:.1f} | "
            f"{one['memory_bytes'] / 1e6:.0f} | {agrees} |"
        )


def _overlap(vectors: NDArray[np.float32], base: NDArray[np.float32]) -> float:
    """The share of each image's ten nearest that are the same."""

    def nearest(of: NDArray[np.float32]) -> NDArray[np.int64]:
        scores = of @ of.T
        np.fill_diagonal(scores, -2)
        return np.argsort(-scores, axis=1)[:, :10]

    pairs = zip(nearest(vectors), nearest(base), strict=True)
    return float(np.mean([len(set(a) & set(b)) / 10 for a, b in pairs]))


if __name__ == "__main__":
    main()
