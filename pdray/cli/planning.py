"""`pdray plan`: a sample is run, and what follows for all of it is shown."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.markup import escape

from pdray.cli.indexing import loaded, progress
from pdray.cli.output import console, duration, memory, print_json, stderr, table
from pdray.errors import UsageError
from pdray.index.layout import Layout, choose
from pdray.ingest import predicting, sampling
from pdray.ingest.control import Control
from pdray.ingest.origins import open_sources
from pdray.ingest.predicting import Machine, Prediction, Range
from pdray.ingest.run import choose_model
from pdray.models import cards

_CARD = "a100"  # where nobody names one, and none is here to measure
_KNOWN = 0.1  # to either side of a rate that someone gives


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of the command."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]
    gpus: int
    gpu: str | None
    gpu_rate: float | None
    cpus: int | None
    images: int | None
    hourly: float | None
    sample: int
    seconds: float
    most: int | None


def run_plan(flags: dict[str, Any], locations: list[str], asked: Asked, as_json: bool) -> None:
    """The command."""
    if not asked.gpus and (asked.gpu or asked.gpu_rate):
        raise UsageError("How many GPUs are meant? Add --gpus N.")
    if asked.gpu and asked.gpu.lower() not in cards.TFLOPS:
        raise UsageError(
            f"The card {asked.gpu} is not known: name one of {', '.join(cards.TFLOPS)}, or give "
            "--gpu-rate, the images a second that it embeds."
        )
    settings = loaded(flags)
    sources = open_sources(settings, locations, asked.include, asked.exclude)
    spec = choose_model(settings, None)  # before the listing: it may be misspelt
    with progress(Control()) as watch:
        drawn = sampling.draw(sources, asked.sample, asked.most, watch)
        measured = sampling.measure(settings, sources, drawn, asked.seconds, watch)
    images = asked.images or drawn.images
    forward, told = None, "measured here"
    if asked.gpus and (asked.gpu or asked.gpu_rate or measured.device == "cpu"):
        forward, told = _forward(spec, asked)
    cores = predicting.default_cpus(asked.gpus) if asked.gpus else measured.cores
    machine = Machine(asked.gpus, asked.cpus or cores, forward, told, asked.hourly)
    layout = choose(images)
    found = predicting.predict(
        drawn, measured, machine, layout, images, graph=settings.qdrant.url is None
    )
    if as_json:
        print_json(_document(drawn, measured, machine, layout, found))
    else:
        _show(drawn, measured, machine, layout, found)


def _forward(spec: Any, asked: Asked) -> tuple[Range, str]:
    """Images a second that one GPU embeds, and where that is from."""
    if asked.gpu_rate:
        rate = asked.gpu_rate
        return ((1 - _KNOWN) * rate, rate, (1 + _KNOWN) * rate), "as given"
    card = (asked.gpu or _CARD).lower()
    flops = cards.flops_of_an_image(spec)
    if flops is None:
        raise UsageError(
            f"What {spec.name} takes of a GPU can't be worked out from its configuration: give "
            "--gpu-rate, the images a second that one embeds."
        )
    low, likely, high = (share * 1e12 * cards.TFLOPS[card] / flops for share in cards.EFFICIENCY)
    words = f"{100 * cards.EFFICIENCY[1]:.0f}% of {card.upper()}'s peak, not measured"
    return (low, likely, high), words


def _document(
    drawn: sampling.Drawn,
    measured: sampling.Measured,
    machine: Machine,
    layout: Layout,
    found: Prediction,
) -> dict[str, Any]:
    listed = {
        name: getattr(drawn, name) for name in ("images", "size", "unlisted", "seconds", "complete")
    }
    return {
        "listed": listed,
        "sample": asdict(measured),
        "machine": asdict(machine),
        "index": asdict(layout),
        "prediction": asdict(found),
    }


def _show(
    drawn: sampling.Drawn,
    measured: sampling.Measured,
    machine: Machine,
    layout: Layout,
    found: Prediction,
) -> None:
    rate = drawn.images / max(1e-6, drawn.seconds)
    whole = "" if drawn.complete else ", and there are more"
    console.print(
        f"{drawn.images:,} images of {memory(drawn.size)} listed in {duration(drawn.seconds)} "
        f"({rate:,.0f} a second){whole}. A sample of {measured.images:,} ran at "
        f"{measured.steady:,.1f} images a second on {_counted(measured.cores, 'core')} here, "
        f"{measured.failed:,} failed; model {escape(measured.model)}."
    )
    where = _counted(machine.cpus, "core")
    if machine.gpus:
        where = f"{_counted(machine.gpus, 'GPU')} and {where}"
    rows = table("stage", f">images a second on {where}", ">from", ">to", "")
    for name, (low, likely, high) in found.stages.items():
        binds = "sets the pace" if machine.gpus else "takes the most"
        words = [binds] if name == found.binds else []
        if name == "embed" and machine.gpus:
            words.append(machine.told)
        if name == "index":
            words.append("one process")
        rows.add_row(
            name, f"{likely:,.0f}", f"{low:,.0f}", f"{high:,.0f}", escape("; ".join(words))
        )
    console.print(rows)
    low, likely, high = found.seconds
    console.print(
        f"[bold]{found.images:,} images take {duration(likely)}[/] ({duration(low)} to "
        f"{duration(high)}), {found.steady[1]:,.0f} images a second once it runs."
    )
    parts = [f"{name} {duration(value)}" for name, value in found.phases.items() if value >= 0.05]
    console.print(f"Of which {', '.join(parts)}.")
    kept = [f"{name} {memory(round(size))}" for name, size in found.storage.items()]
    console.print(
        f"Catalog: {memory(round(sum(found.storage.values())))} ({', '.join(kept)}). Index: "
        f"{memory(round(found.qdrant_memory))} of memory and {memory(round(found.qdrant_disk))} of "
        f"disk for vectors and graph in {_counted(layout.shards, 'shard')}, payload beside it."
    )
    if found.cost:
        low, likely, high = found.cost
        console.print(f"Cost: {likely:,.2f} ({low:,.2f} to {high:,.2f}).")
    for note in found.notes:
        stderr.print(f"[yellow]Note:[/] {escape(note)}")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
