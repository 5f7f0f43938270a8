"""From what a sample cost here to what a whole run will cost, here or on a machine with GPUs.

On the machine that was measured a run is the sample drawn out:

    seconds = list + plan + start + images x (a worker's seconds an image) / workers + end

With GPUs the stages are processes of their own, and the slowest of them sets the pace:

    images a second = min(decoders / decode, GPUs x forward, committers / commit, 1 / index)

Every figure is an interval, (low, likely, high). What it holds: how much units of the sample differ
(bootstrap over units, Efron 1979, 95%), and how far one and the same work drifts on a shared
machine. What it can't: that other cores are faster than these.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pdray.index.edge import OPTIMISE_FROM
from pdray.index.layout import Layout
from pdray.ingest.placement import place
from pdray.ingest.sampling import Drawn, Measured, UnitCost

Range = tuple[float, float, float]  # low, likely, high

_DRAWS = 2000
# Plain stage functions, measured three times in three minutes, differed by up to a fifth (README,
# Figures); half of that to either side.
_DRIFT = 0.1
# Planning 10^7 images against an empty or a full catalog takes 97 s (README, Figures).
_PLAN_SECONDS = 1e-5  # an image
# Between its units a worker waits for the next one, and for the gate.
_BUSY = 0.98
_GRAPH_SECONDS = 6e-4  # an image of 512 dimensions, in the embedded index
_CPUS_A_GPU = 12  # cloud machines have 8 to 24


@dataclass(frozen=True, slots=True)
class Machine:
    """What the run is wanted on. `forward` is images a second that one GPU embeds, and `told` where
    that figure is from; `hourly` is the price of all of it.
    """

    gpus: int
    cpus: int
    forward: Range | None = None
    told: str = ""
    hourly: float | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the run will take. Seconds, images a second, bytes; `stages` are images a second that
    each stage could reach alone, `binds` the one that sets the pace.
    """

    images: int
    seconds: Range
    steady: Range
    stages: dict[str, Range]
    binds: str
    phases: dict[str, float]  # likely seconds
    storage: dict[str, float]
    qdrant_memory: float
    qdrant_disk: float
    cost: Range | None
    notes: list[str] = field(default_factory=list)


def default_cpus(gpus: int) -> int:
    """CPU cores to reckon with where nobody says."""
    return _CPUS_A_GPU * gpus


def predict(
    drawn: Drawn,
    measured: Measured,
    machine: Machine,
    layout: Layout,
    images: int,
    *,
    graph: bool,
) -> Prediction:
    """The whole run over `images`, of which the drawn ones are a sample. `graph`: whether the
    embedded index is meant, whose graph is built at the end; a server builds its own meanwhile.
    """
    stages = _alone(measured, machine)
    if machine.gpus:
        binds = min(stages, key=lambda name: stages[name][1])
        steady = stages[binds]
    else:
        binds = max(
            (name for name in stages if name != "index"), key=lambda name: 1 / stages[name][1]
        )
        steady = _together(measured, machine)
    phases = {
        "listing": images * drawn.seconds / max(1, drawn.images),
        "planning": images * _PLAN_SECONDS,
        "starting": measured.startup_seconds,
        "indexing": images / steady[1],
        "ending": measured.finish_seconds,
    }
    if graph and images >= OPTIMISE_FROM:
        phases["graph"] = images * _GRAPH_SECONDS * measured.dim / 512
    rest = sum(phases.values()) - phases["indexing"]
    seconds = tuple(rest + images / rate for rate in reversed(steady))
    hours = tuple(second / 3600 for second in seconds)
    return Prediction(
        images=images,
        seconds=(seconds[0], seconds[1], seconds[2]),
        steady=steady,
        stages=stages,
        binds=binds,
        phases=phases,
        storage={name: images * size for name, size in measured.stored.items()},
        qdrant_memory=layout.memory(images, measured.dim),
        qdrant_disk=layout.disk(images, measured.dim),
        cost=None
        if machine.hourly is None
        else (hours[0] * machine.hourly, hours[1] * machine.hourly, hours[2] * machine.hourly),
        notes=_notes(drawn, measured, machine, images, graph=graph),
    )


def _notes(
    drawn: Drawn, measured: Measured, machine: Machine, images: int, *, graph: bool
) -> list[str]:
    """What the figures leave out, or stand on."""
    found = []
    if machine.gpus and measured.device == "cpu":
        found.append(
            "No GPU is here: what one embeds is arithmetic, and no stage waits for copies."
        )
    if machine.gpus:
        found.append("The cores are taken to be as fast as those here, and to reach files as fast.")
    if graph and images >= OPTIMISE_FROM:
        found.append(
            "The embedded index builds its graph at the end, and searches wait for it: for so many "
            "images a Qdrant server (PDRAY_QDRANT_URL) is meant."
        )
    if not graph:
        found.append("Index writes were measured into the embedded index, not your Qdrant server.")
    if not drawn.complete and images == drawn.images:
        found.append("The listing was cut short: say with --images how many there are.")
    if drawn.unlisted:
        found.append(
            f"{drawn.unlisted} entries are no images that can be read, or can't be listed."
        )
    return found


def _together(measured: Measured, machine: Machine) -> Range:
    """Images a second where each worker does all of a unit's work."""
    low, likely, high = _seconds(measured.units, None)
    more = machine.cpus / measured.cores
    workers = measured.workers * more * _BUSY
    return (workers / high, workers / likely, workers / low)


def _alone(measured: Measured, machine: Machine) -> dict[str, Range]:
    """Images a second of each stage, by itself on what it has."""
    names = list(dict.fromkeys(name for unit in measured.units for name in unit.seconds))
    if not machine.gpus:
        processes = dict.fromkeys(names, measured.workers * machine.cpus / measured.cores)
    else:
        shape = place(machine.cpus, machine.gpus, captions="caption" in names)
        # Threads here, processes there: a core's work is the same.
        processes = {"decode": shape.decoders / measured.threads}
        processes |= {"embed": shape.encoders, "caption": shape.captioners}
        processes |= {"commit": max(1, shape.encoders)}
    found: dict[str, Range] = {}
    for name in names:
        low, likely, high = _seconds(measured.units, name)
        number = processes[name]
        found[name] = (number / high, number / likely, number / low)
    if machine.gpus and machine.forward:
        low, likely, high = (machine.gpus * rate for rate in machine.forward)
        found["embed"] = (low, likely, high)
    if measured.index_seconds:
        rate = 1 / measured.index_seconds
        found["index"] = (rate / (1 + _DRIFT), rate, rate * (1 + _DRIFT))
    return found


def _seconds(units: Sequence[UnitCost], stage: str | None) -> Range:
    """A worker's seconds an image, of one stage or of all: the ratio of sums, with its interval."""
    pairs = [(_of(unit.seconds, stage), unit.images) for unit in units]
    likely = _ratio(pairs)
    chance = random.Random(0)
    drawn = sorted(_ratio(chance.choices(pairs, k=len(pairs))) for _ in range(_DRAWS))
    low, high = drawn[int(0.025 * _DRAWS)], drawn[int(0.975 * _DRAWS)]
    below, above = ((likely - low) ** 2, (high - likely) ** 2)
    drift = (_DRIFT * likely) ** 2
    least = 1e-9  # a stage that did nothing
    return (
        max(least, likely - (below + drift) ** 0.5),
        max(least, likely),
        max(least, likely + (above + drift) ** 0.5),
    )


def _of(seconds: Mapping[str, float], stage: str | None) -> float:
    return sum(seconds.values()) if stage is None else seconds.get(stage, 0.0)


def _ratio(pairs: Sequence[tuple[float, int]]) -> float:
    return sum(second for second, _ in pairs) / max(1, sum(images for _, images in pairs))
