"""Captions for what is indexed already: no image is embedded again, and nothing is described twice.

What is to do is what the collection's live rows hold and the captioner has not described. A unit's
captions are one part, written once, so a run that is killed goes on where it was. An image that
can't be read now, or whose file has changed, is counted and left for a later run.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from pdray.catalog import attempts, captions, lease, pointer, runs
from pdray.catalog.catalog import Catalog, new_attempt
from pdray.catalog.units import LEAST_IMAGES, Item, Unit, cut, unit_images
from pdray.catalog.view import KnownContents
from pdray.config import DEFAULT_CAPTIONER, Settings
from pdray.errors import CatalogError, RunCancelled
from pdray.ingest.catching_up import catch_up
from pdray.ingest.control import Control, signals_kept
from pdray.ingest.current import Options, Run, Watch
from pdray.ingest.deriving import count, lacking, reach
from pdray.ingest.looking import look_at
from pdray.ingest.placement import place
from pdray.ingest.reading import read
from pdray.ingest.recorder import recorded
from pdray.ingest.report import Progress, Report
from pdray.ingest.spilled import Spilled
from pdray.ingest.stages import Job, begin, failed_row
from pdray.ingest.streaming import make_job
from pdray.ingest.tally import Outcome, Tally
from pdray.models.captioners import Captioner, resolve_captioner
from pdray.records import CaptionerSpec, Failure, ImageRecord

if TYPE_CHECKING:
    from pdray.ingest.compose import Cluster


@dataclass(frozen=True, slots=True)
class Described:
    """The summary of a unit whose captions are in the catalog. `changed`: their files are no longer
    what was indexed."""

    images: int
    captioned: int
    failed: int
    changed: int
    seconds: dict[str, float]
    began: float  # seconds since the epoch, by the workers' clocks
    ended: float
    outcome: Outcome = field(default_factory=Outcome)


def choose_captioner(settings: Settings, catalog: Catalog) -> CaptionerSpec:
    """The captioner asked for, else the one that the collection shows, else the default."""
    asked = settings.captions
    serving = captions.serving(catalog, settings.collection)
    if asked.model is None and serving:
        return replace(serving, beams=asked.beams, longest=asked.longest)
    return resolve_captioner(
        asked.model or DEFAULT_CAPTIONER,
        beams=asked.beams,
        longest=asked.longest,
        offline=settings.offline,
    )


def caption(
    settings: Settings,
    watch: Watch = lambda p: None,
    control: Control | None = None,
) -> Report:
    """Describes what the collection holds and its captioner has not described. Idempotent; raises
    PdrayError where it can't go on. A cancelled run ends with a report that says so.
    """
    began, started = time.time(), time.perf_counter()
    catalog = Catalog.open(settings.workspace)
    serving = pointer.current(catalog, settings.collection)
    if serving is None:
        raise CatalogError(
            f"Collection {settings.collection!r} of {catalog.store.url} is empty. "
            "Fill it with `pdray index FOLDER`."
        )
    captioner = choose_captioner(settings, catalog)
    report = Report(runs.new_run_id(), settings.collection, captioner.name)
    tally, control = Tally(report), control or Control()
    run = Run(
        settings, Options(), catalog, (), serving.spec, report, watch, control, tally, began,
        captioner=captioner,
    )  # fmt: skip
    with ExitStack() as stack:
        stack.enter_context(run.memory)
        run.held = stack.enter_context(lease.hold(catalog, settings.collection, report.run_id))
        run.left = attempts.left(catalog, settings.collection)
        record = {
            "collection": settings.collection,
            "sources": [],
            "model": captioner.name,
            "captions": captioner.key,
        }
        runs.start(catalog, report.run_id, record)
        stack.enter_context(recorded(settings, catalog, report, tally, control))
        try:
            describe(run)
        except RunCancelled:
            report.state = "cancelled"
        catch_up(run, final=True)
        report.seconds = time.perf_counter() - started
        report.peak_bytes = run.memory.look()
        report.images_per_second = report.read / (report.seconds - tally.paused)
    return report


def describe(run: Run) -> None:
    """Describes what a run's captioner has not; Ray is started only where there is any."""
    assert run.captioner is not None
    run.show(Progress("listing"))
    items = reach(run, undescribed(run))
    if captions.serving(run.catalog, run.collection) is None:
        captions.serve(run.catalog, run.collection, run.captioner)
    if len(items):
        run.show(Progress("starting", 0, 0, len(items)))
        with signals_kept():
            from pdray.ingest import compose  # Ray takes seconds to import
        with compose.cluster(
            run.settings.ray_address, run.settings.state_dir / "ray.log"
        ) as cluster:
            _stream(run, cluster, items)
    run.control.check()
    # Only now does another captioner than before show: it has described all that it could.
    captions.serve(run.catalog, run.collection, run.captioner)


def undescribed(run: Run) -> Iterator[Item]:
    """One live row of each content that the run's captioner has not described, by uri."""
    assert run.captioner is not None
    return lacking(run, captions.known(run.catalog, run.captioner.key))


def _stream(run: Run, cluster: "Cluster", items: Spilled) -> None:
    assert run.captioner is not None
    settings, report = run.settings, run.report
    shape = place(
        cluster.cpus,
        0 if settings.device == "cpu" else cluster.gpus,
        encoders=settings.captions.workers or settings.ingest.encoders,
        threads=settings.ingest.threads,
        free=cluster.free,
        units=-(-len(items) // LEAST_IMAGES),
    )
    size = run.captioner.preprocessing.pixel_bytes
    images = unit_images(len(items), shape.encoders, size, settings.ingest.unit_size)
    units = cut(
        items, collection=run.collection, pipeline=f"captions-{run.captioner.key}", images=images
    )
    done = Progress("captioning", 0, 0, len(items))
    began, ended, changed = float("inf"), 0.0, 0
    job = make_job(run, shape.threads, run.captioner)
    with closing(cluster.describe(job, units, shape, run.control)) as stream:
        for unit in stream:
            report.read += unit.images
            report.captioned += unit.captioned
            report.failed += unit.failed
            changed += unit.changed
            for stage, seconds in unit.seconds.items():
                report.stages[stage] = report.stages.get(stage, 0.0) + seconds
            began, ended = min(began, unit.began), max(ended, unit.ended)
            report.startup_seconds = began - run.began
            report.steady_seconds = ended - began
            done.done += unit.images
            done.failed += unit.failed
            run.tally.add(unit.outcome)
            run.show(done)
            if done.done >= len(items):
                run.memory.look()
    if changed:
        run.note(f"{changed} files changed since they were indexed: index them anew, then caption.")


class Describer:
    """Reads, describes and commits units in one process."""

    def __init__(self, job: Job, captioner: Captioner) -> None:
        self.job, self.captioner = job, captioner

    def process(self, unit: Unit) -> Described:
        """The whole way of a unit."""
        from pdray.models.resizing import fast_resize

        job, started = self.job, time.perf_counter()
        assert job.captioner is not None
        attempt, clock = new_attempt(), time.time()
        looked = look_at(
            read(job.sources, unit.items),
            [(job.captioner.preprocessing, KnownContents.none())],
            None,
            thumbnail_side=job.thumbnail_side,
            max_pixels=job.max_pixels,
            resize=fast_resize(),
            limits=job.limits,
            deaths=begin(job, unit, attempt),
        )
        contents, pixels, rows, changed = [], [], [], 0
        for item, found in zip(unit.items, looked, strict=True):
            if isinstance(found, Failure):
                rows.append(failed_row(job.run_id, item, found))
                continue
            rows.append(ImageRecord(item.uri, 0, item.version, item.seq, "ok", job.run_id))
            if found.examined.content_id != item.content_id:
                changed += 1
                continue
            contents.append(found.examined.content_id)
            pixels.append(found.examined.pixels[job.captioner.preprocessing.pixel_key])
        decoded = time.perf_counter()
        said = self.captioner.caption(np.stack(pixels)) if pixels else []
        spoken = time.perf_counter()
        if contents:
            captions.write(job.catalog, job.captioner, unit.unit_id, contents, said)
        attempts.end(job.catalog, job.collection, unit.unit_id)
        seconds = {
            "decode": decoded - started,
            "caption": spoken - decoded,
            "commit": time.perf_counter() - spoken,
        }
        failed = len(rows) - len(contents) - changed
        return Described(
            len(rows), len(contents), failed, changed, seconds, clock, time.time(),
            Outcome.of(rows),
        )  # fmt: skip


def remaining(run: Run) -> Iterator[str]:
    """A sentence where images of the collection have no caption by the run's captioner."""
    if run.captioner is not None and (left := count(undescribed(run))):
        yield f"{left} images of the collection have no caption yet: `pdray caption` adds them."
