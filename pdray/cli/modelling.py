"""`pdray models list`, `memory` and `compare`."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from pdray.cli.output import console, memory, print_json, stderr, table
from pdray.errors import UsageError
from pdray.models.inventory import cached_names, folder_of_cached
from pdray.models.memory import need
from pdray.models.recommended import KNOWN
from pdray.models.resolve import BUILTIN, resolve
from pdray.records import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PRECISIONS = ("fp32", "bf16", "fp16", "int8", "nf4")


def run_list(as_json: bool) -> None:
    """The command `models list`."""
    here = [BUILTIN, *cached_names()]
    if as_json:
        print_json({"known": [asdict(model) for model in KNOWN], "here": here})
        return
    for does, title in (("find", "Find"), ("describe", "Describe")):
        rows = table(title, ">dim", ">pixels", ">in bf16", "languages", "licence", ">score")
        for model in (one for one in KNOWN if one.does == does):
            rows.add_row(
                model.name,
                str(model.dim or ""),
                str(model.edge),
                memory(model.parameters * 2_000_000),
                model.languages,
                model.licence,
                "" if model.score is None else f"{model.score:.1f}",
            )
        console.print(rows)
    for model in (one for one in KNOWN if one.need):
        console.print(f"[bold]{model.name}[/]: {model.need}.")
    console.print(
        "Score: of what finds, R@1 in percent of MSCOCO's captions looking for their image, "
        "without training on it; of what describes, CIDEr on MSCOCO, after training on it. Taken "
        f"from {'; '.join(dict.fromkeys(model.source for model in KNOWN))}."
    )
    console.print(f"On this machine: {escape(', '.join(here))}.")


@dataclass(frozen=True, slots=True)
class Line:
    """One model in one number format. Bytes; `measured` of the image tower's process, less what it
    held before, or None."""

    model: str
    precision: str
    weights: int
    batch: int
    activations: int
    measured: int | None = None
    note: str | None = None


def run_memory(
    names: list[str], batch: int, precisions: str, measured: bool, device: str, as_json: bool
) -> None:
    """The command `models memory`."""
    lines = []
    for name in names:
        spec = resolve(name)
        found = need(folder_of_cached(spec), batch)
        if not found.weights:
            raise UsageError(
                f"The weights of {name} are no safetensors, whose front says what they take: save "
                "the model with transformers' save_pretrained."
            )
        for precision in chosen(precisions):
            peak, note = _peak(spec, precision, batch, device) if measured else (None, None)
            weights, passing = found.weights[precision], found.activations[precision]
            lines.append(Line(name, precision, weights, batch, passing, peak, note))
    if as_json:
        print_json([asdict(line) for line in lines])
        return
    rows = table("model", "precision", ">weights", f">{batch} images", ">together", ">measured")
    for line in lines:
        both = line.weights + line.activations
        sizes = [memory(size) for size in (line.weights, line.activations, both)]
        seen = "" if line.measured is None else memory(line.measured)
        rows.add_row(escape(line.model), line.precision, *sizes, seen)
    console.print(rows)
    for note in dict.fromkeys(line.note for line in lines if line.note):
        stderr.print(f"[yellow]Note:[/] {escape(note)}")
    if measured:
        console.print(
            "[dim]Measured: the image tower alone, loading included; on a CPU the growth of its "
            "process.[/]"
        )


def chosen(precisions: str, among: Sequence[str] = PRECISIONS) -> list[str]:
    """What is named by commas. Raises UsageError for what isn't among these, and for nothing."""
    named = [one.strip() for one in precisions.split(",") if one.strip()]
    for one in named or [precisions]:
        if one not in among:
            raise UsageError(f"There is no precision {one!r}: use {', '.join(among)}.")
    return named


def _peak(
    spec: ModelSpec, precision: str, batch: int, device: str
) -> tuple[int | None, str | None]:
    import numpy as np

    from pdray.models.measuring import measure

    prepared = spec.preprocessing
    pixels = np.zeros((batch, prepared.height, prepared.width, 3), np.uint8)
    try:
        return measure(spec, precision, pixels, device=device, batch=batch).peak, None
    except UsageError as error:  # this device has no such arithmetic
        return None, str(error)


def run_compare(
    names: list[str],
    precisions: str,
    images: Path | None,
    count: int,
    plot: Path | None,
    threads: int | None,
    device: str,
    as_json: bool,
) -> None:
    """The command `models compare`."""
    from pdray.models.measuring import agreement, measure, overlap

    specs = [resolve(name) for name in names]
    variants = [(spec, precision) for spec in specs for precision in chosen(precisions)]
    if (specs[0], "fp32") not in variants:
        variants.insert(0, (specs[0], "fp32"))
    else:
        variants.sort(key=lambda one: one != (specs[0], "fp32"))
    found: list[dict[str, Any]] = []
    reference = None
    with tempfile.TemporaryDirectory() as scratch:
        data = _images(images, count, Path(scratch))
        for spec, precision in variants:
            with stderr.status(f"Measuring {escape(spec.name)} in {precision}"):
                try:
                    got = measure(
                        spec, precision, _pixels(data, spec), device=device, threads=threads
                    )
                except UsageError as error:
                    stderr.print(f"[yellow]Note:[/] {escape(str(error))}")
                    continue
            reference = got.vectors if reference is None else reference
            same = spec.space == specs[0].space
            mean, least = agreement(reference, got.vectors) if same else (None, None)
            found.append(
                {
                    "model": spec.name,
                    "precision": got.precision,
                    "device": got.device,
                    "images_per_second": round(got.rate, 1),
                    "load_seconds": round(got.load_seconds, 2),
                    "peak_bytes": got.peak,
                    "cosine_mean": mean,
                    "cosine_min": least,
                    "top10_overlap": overlap(reference, got.vectors),
                }
            )
    if plot is not None:
        from pdray.cli.plotting import scatter

        scatter(plot, found)
    if as_json:
        print_json({"images": len(data), "variants": found})
        return
    _tell(found, len(data))
    if plot is not None:
        console.print(f"The plot is in {escape(str(plot))}.")


def _tell(found: list[dict[str, Any]], images: int) -> None:
    rows = table(
        "model", "precision", ">images/s", ">loads in", ">memory", ">cosine", ">least", ">top 10"
    )
    for one in found:
        cosines = [
            "" if one[name] is None else f"{one[name]:.5f}"
            for name in ("cosine_mean", "cosine_min")
        ]
        rows.add_row(
            escape(one["model"]),
            one["precision"],
            f"{one['images_per_second']:.1f}",
            f"{one['load_seconds']:.1f} s",
            memory(one["peak_bytes"]),
            *cosines,
            f"{one['top10_overlap']:.3f}",
        )
    console.print(rows)
    console.print(
        f"[dim]{images} images, forward pass alone; cosine and the ten nearest images of each "
        "against the first line.[/]"
    )


def _images(folder: Path | None, count: int, scratch: Path) -> list[bytes]:
    """The bytes of the images to compare with: of a folder, or scenes drawn anew."""
    from pdray.records import ImageRef
    from pdray.sources.opening import open_source

    if folder is None:
        from pdray.samples.collection import write_collection

        write_collection(scratch, count, 0)
        folder = scratch
    source = open_source(str(folder))
    refs = islice((one for one in source.list() if isinstance(one, ImageRef)), count)
    data = [source.read(ref.uri, ref.place) for ref in refs]
    if len(data) < 12:
        raise UsageError(f"{folder} has {len(data)} images: comparing needs 12 or more.")
    return data


def _pixels(data: list[bytes], spec: ModelSpec) -> "NDArray[np.uint8]":
    import numpy as np

    from pdray.images.examine import decode_pixels

    return np.stack([decode_pixels(one, spec.preprocessing) for one in data])
