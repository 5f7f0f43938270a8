"""What a sample of the real sources costs on this machine: listed, read, and run as any run is.

The sample goes the whole way of a run, Ray, commits and index included, into a workspace that is
thrown away. So nothing is modelled that can be measured: what the processes take from each other,
a bucket's latency, and the time before the first and after the last image are all in it.
"""

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from pdray.catalog.catalog import Catalog
from pdray.catalog.units import MAX_IMAGES, Item, Unit, cut
from pdray.catalog.view import KnownContents
from pdray.config import QdrantSettings, Settings
from pdray.errors import SourceError
from pdray.ingest import streaming
from pdray.ingest.catching_up import catch_up
from pdray.ingest.control import Control, signals_kept
from pdray.ingest.current import Options, Run, Watch
from pdray.ingest.describing import choose_captioner
from pdray.ingest.project import Projector
from pdray.ingest.report import Progress, Report
from pdray.ingest.run import choose_model
from pdray.ingest.stages import Committed
from pdray.ingest.tally import Tally
from pdray.records import ImageRef
from pdray.sources.protocol import Source

# Neighbours in the listing that are drawn together: images of one shard or folder are read
# together in a run too.
BLOCK = 16
_UNITS_A_WORKER = 4  # at least, so that their spread tells something
_STEP = 1000
_READ_IMAGES, _READ_SECONDS = 128, 5.0
_END = object()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A listing, and a sample of it: `blocks` of neighbours, each entry with its source's number.

    `images` and `size` (bytes) are of all that was listed in `seconds`; `complete` says whether
    that is all there is.
    """

    images: int
    size: int
    unlisted: int  # entries that are no readable image, and folders that could not be listed
    seconds: float
    complete: bool
    blocks: list[list[tuple[int, ImageRef]]]


@dataclass(frozen=True, slots=True)
class UnitCost:
    """Seconds of one unit in its worker, by stage."""

    images: int
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """What the sample cost. Sizes are bytes an image."""

    model: str
    dim: int
    device: str  # "cpu" or "gpu": where the model ran
    cores: int
    workers: int  # processes that each did a unit's whole work; of GPUs, those with the model
    threads: int  # of each
    images: int
    failed: int
    units: list[UnitCost]
    read_seconds: float  # an image, one after the other
    read_bytes: float
    index_seconds: float  # an image, on one core, into the embedded index
    startup_seconds: float  # until the first unit began
    finish_seconds: float  # from the last commit on
    steady: float  # images a second of the sample itself
    stored: dict[str, float]


def draw(
    sources: Sequence[Source], wanted: int, most: int | None, watch: Watch, seed: int = 0
) -> Drawn:
    """Lists up to `most` entries (None: all) and draws about `wanted` of the images. Raises
    SourceError where there is none.
    """
    chance = random.Random(seed)
    kept = _Reservoir(max(1, -(-wanted // BLOCK)), chance)
    images = size = unlisted = 0
    started = time.perf_counter()
    listing = _entries(sources)
    block: list[tuple[int, ImageRef]] = []
    for entry in islice(listing, most):
        if entry is None:
            unlisted += 1
            continue
        images += 1
        size += max(0, entry[1].size)
        block.append(entry)
        if len(block) == BLOCK:
            kept.add(block)
            block = []
        if images % _STEP == 0:
            watch(Progress("listing", images))
    if block:
        kept.add(block)
    seconds = time.perf_counter() - started
    if not images:
        places = ", ".join(source.root for source in sources)
        raise SourceError(
            f"There are no images in {places}. Is the folder the right one, and mounted?"
        )
    complete = most is None or next(listing, _END) is _END
    chance.shuffle(kept.blocks)
    return Drawn(images, size, unlisted, seconds, complete, kept.blocks)


class _Reservoir:
    """A few of a stream's blocks, each as likely as any (Vitter 1985, algorithm R)."""

    def __init__(self, room: int, chance: random.Random) -> None:
        self.blocks: list[list[tuple[int, ImageRef]]] = []
        self._seen, self._room, self._chance = 0, room, chance

    def add(self, block: list[tuple[int, ImageRef]]) -> None:
        self._seen += 1
        if len(self.blocks) < self._room:
            self.blocks.append(block)
        elif (place := self._chance.randrange(self._seen)) < self._room:
            self.blocks[place] = block


def _entries(sources: Sequence[Source]) -> Iterator[tuple[int, ImageRef] | None]:
    """Every image with its source's number; None for what is no image that can be read."""
    for number, source in enumerate(sources):
        for entry in source.list():
            yield (number, entry) if isinstance(entry, ImageRef) else None


def measure(
    settings: Settings, sources: tuple[Source, ...], drawn: Drawn, seconds: float, watch: Watch
) -> Measured:
    """Runs the sample. No unit begins once the stages have worked for `seconds`. Raises PdrayError
    where a run would.
    """
    items = [
        Item(ref.uri, ref.size, ref.version, 1, number, place=ref.place)
        for block in drawn.blocks
        for number, ref in block
    ]
    with signals_kept():
        from pdray.ingest import compose  # Ray takes seconds to import
    spill = settings.state_dir / "tmp"
    spill.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="plan-", dir=spill) as folder:
        run = _run(settings, sources, Path(folder), watch)
        read_seconds, read_bytes = _read_alone(sources, items)
        heard = _Heard(run.control, seconds)
        run.heard = heard
        run.show(Progress("starting", 0, 0, len(items)))
        began = time.time()
        run.began = began
        # Always here: what a cluster would do is worked out from what a core does.
        with compose.cluster(None, run.settings.state_dir / "ray.log") as cluster:
            shape = streaming.shape(run.settings, cluster, len(items), run.captioner is not None)
            most = len(items) // (_UNITS_A_WORKER * shape.workers)
            units = iter(_units(items, min(MAX_IMAGES, max(BLOCK, most))))
            streaming.stream(run, cluster, KnownContents.none(), units, shape, len(items))
            device, cores = "gpu" if shape.gpus else "cpu", cluster.cpus
        catch_up(run, final=True)
        ended = time.time()
        report = run.report
        if not heard.units:
            raise SourceError("Not one image of the sample was read; nothing can be said.")
        return Measured(
            model=run.spec.name,
            dim=run.spec.dim,
            device=device,
            cores=cores,
            workers=shape.encoders,
            threads=shape.threads,
            images=report.read,
            failed=report.failed,
            units=heard.units,
            read_seconds=read_seconds,
            read_bytes=read_bytes,
            index_seconds=_index_alone(run, Path(folder) / "again"),
            startup_seconds=report.startup_seconds,
            finish_seconds=max(0.0, ended - began - report.startup_seconds - report.steady_seconds),
            steady=report.read / max(1e-9, report.steady_seconds),
            stored=_stored(Path(folder) / "workspace", report.read),
        )


class _Heard:
    """Hears of each commit; lets no unit begin after a while."""

    def __init__(self, control: Control, seconds: float) -> None:
        self.units: list[UnitCost] = []
        self._control, self._seconds = control, seconds
        self._began = float("inf")

    def __call__(self, committed: Committed) -> None:
        self.units.append(UnitCost(committed.images, dict(committed.seconds)))
        self._began = min(self._began, committed.began)
        if committed.ended - self._began > self._seconds:
            self._control.interrupt()


def _run(settings: Settings, sources: tuple[Source, ...], folder: Path, watch: Watch) -> Run:
    """A run like any, into a workspace of its own."""
    ours = replace(
        settings,
        workspace=str(folder / "workspace"),
        state_dir=folder / "state",
        qdrant=QdrantSettings(),
        ray_address=None,
    )
    ours.state_dir.mkdir()
    catalog = Catalog.open(ours.workspace, create=True)
    spec = choose_model(ours, None)
    report, control = Report("plan", ours.collection, spec.name), Control()
    captioner = choose_captioner(ours, catalog) if ours.captions.index else None
    return Run(
        ours, Options(), catalog, sources, spec, report, watch, control, Tally(report),
        time.time(), captioner=captioner,
    )  # fmt: skip


def _units(items: list[Item], images: int) -> list[Unit]:
    """Units of whole blocks, each in the order of uris, as sources want them."""
    cut_at = range(0, len(items), max(BLOCK, images // BLOCK * BLOCK))
    found: list[Unit] = []
    step = cut_at.step
    for start in cut_at:
        some = sorted(items[start : start + step], key=lambda item: (item.source, item.uri))
        found += cut(some, collection="plan", pipeline="plan", images=step)
    return found


def _read_alone(sources: Sequence[Source], items: Sequence[Item]) -> tuple[float, float]:
    """Seconds and bytes an image of reading alone, one after the other."""
    started = time.perf_counter()
    images = total = 0
    for item in items[:_READ_IMAGES]:
        try:
            total += len(sources[item.source].read(item.uri, item.place))
        except OSError:
            continue
        images += 1
        if time.perf_counter() - started > _READ_SECONDS:
            break
    return (time.perf_counter() - started) / max(1, images), total / max(1, images)


def _index_alone(run: Run, folder: Path) -> float:
    """Seconds of a core that an image takes the process that writes the index."""
    folder.mkdir()
    projector = Projector.open(run.catalog, replace(run.target, state_dir=folder), run.spec)
    try:
        started, points = time.process_time(), 0
        for part in run.catalog.parts(run.collection):
            points += projector.apply(part)
        return (time.process_time() - started) / max(1, points)
    finally:
        projector.close()


def _stored(workspace: Path, images: int) -> dict[str, float]:
    """Bytes an image of what the catalog keeps, by what it is."""
    kinds = {"thumbs": "thumbnails", "collections": "rows", "embeddings": "vectors"}
    kinds["captions"] = "captions"
    found: dict[str, float] = {}
    for folder, name in kinds.items():
        size = sum(path.stat().st_size for path in (workspace / folder).rglob("*.*"))
        if size:
            found[name] = size / max(1, images)
    return found
