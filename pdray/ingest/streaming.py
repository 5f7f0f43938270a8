"""The images that must be read: cut into units, streamed through Ray, counted as they come back."""

import logging
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from pdray import log, tracing
from pdray.catalog import captions
from pdray.catalog.plan import Plan
from pdray.catalog.planner import Planner
from pdray.catalog.units import LEAST_IMAGES, Item, Unit, cut, unit_images
from pdray.catalog.view import KnownContents
from pdray.config import Settings
from pdray.ingest.catching_up import left_to
from pdray.ingest.control import signals_kept
from pdray.ingest.current import Run
from pdray.ingest.guarded import Limits
from pdray.ingest.moves import Moves
from pdray.ingest.placement import Placement, place
from pdray.ingest.report import Progress, Report
from pdray.ingest.spilled import Spilled
from pdray.ingest.stages import Committed, Job
from pdray.records import CaptionerSpec

if TYPE_CHECKING:
    from pdray.ingest.compose import Cluster

_log = log.get("ingest")
# Part of every unit's name: raise it when the same bytes would give other rows.
PIPELINE = "1"


def read(run: Run, planner: Planner, planned: Plan, moved: Moves, known: KnownContents) -> None:
    """Reads, embeds and commits what is new or changed. Starts Ray only where there is any."""
    todo = planned.work - len(moved.pairs)
    if todo == planned.retries and not _readable(run, planner.items(retries=True)):
        run.report.failed += todo  # as before: their rows say it already
        return
    _check(run.settings)
    with signals_kept():
        from pdray.ingest import compose  # Ray takes seconds to import: only where it has work

    run.show(Progress("starting", 0, 0, todo))
    settings = run.settings
    log = settings.state_dir / "ray.log"
    with compose.cluster(settings.ray_address, log, known.nbytes) as cluster:
        run.second_pass = _too_large(run, cluster)
        placement = shape(settings, cluster, todo, _beside(run) is not None)
        units = _cut(run, moved.rest(planner.items()), todo, placement)
        stream(run, cluster, known, units, placement, todo)


def embed(run: Run, items: Spilled) -> None:
    """Embeds images that the catalog knows by a model that doesn't know them yet."""
    _check(run.settings)
    with signals_kept():
        from pdray.ingest import compose  # Ray takes seconds to import

    run.vectors_only, known = True, KnownContents.none()
    run.show(Progress("starting", 0, 0, len(items)))
    log = run.settings.state_dir / "ray.log"
    with compose.cluster(run.settings.ray_address, log) as cluster:
        placement = shape(run.settings, cluster, len(items), False)
        units = _cut(run, iter(items), len(items), placement)
        stream(run, cluster, known, units, placement, len(items))


def _beside(run: Run) -> CaptionerSpec | None:
    """The captioner that works beside the encoders."""
    return None if run.second_pass else run.captioner


def _too_large(run: Run, cluster: "Cluster") -> bool:
    """Whether encoder and captioner don't fit into one GPU together."""
    if run.captioner is None or not cluster.gpus or run.settings.device == "cpu":
        return False
    from pdray.models.memory import fit, needs

    memory = cluster.gpu_memory()
    return memory is not None and not fit(memory, *needs(run.spec, run.captioner))


def _readable(run: Run, items: Iterator[Item]) -> bool:
    """Whether any of these can be read now. Stops at the first: Ray is started for no less."""
    for item in items:
        try:
            run.read_item(item)
        except OSError:
            continue
        return True
    return False


def _check(settings: Settings) -> None:
    """Refuses here, in words, what each worker would refuse. On a cluster only they can tell."""
    if settings.compile and not settings.ray_address:
        from pdray.models.precision import check_compile  # torch takes seconds to import

        check_compile(settings.device)


def shape(settings: Settings, cluster: "Cluster", todo: int, described: bool) -> Placement:
    """The shape of a run over `todo` images, `described` in it or not."""
    ingest = settings.ingest
    return place(
        cluster.cpus,
        0 if settings.device == "cpu" else cluster.gpus,
        encoders=ingest.encoders,
        decoders=ingest.decode_workers,
        threads=ingest.threads,
        free=cluster.free,
        units=-(-todo // LEAST_IMAGES),
        captions=described,
    )


def _cut(run: Run, items: Iterator[Item], todo: int, placement: Placement) -> Iterator[Unit]:
    ingest, spec = run.settings.ingest, run.spec
    rules = [one.preprocessing for one in (spec, _beside(run)) if one]
    size = sum({rule.pixel_key: rule.pixel_bytes for rule in rules}.values())
    images = unit_images(todo, placement.workers, size, ingest.unit_size)
    pipeline = f"{PIPELINE}-{spec.space}-{ingest.thumbnail_side}"
    if run.vectors_only:
        pipeline = f"vectors-{pipeline}"
    whole: dict[str, Any] = {"total": todo, "workers": placement.workers}
    return cut(items, collection=run.collection, pipeline=pipeline, images=images, **whole)


def stream(
    run: Run,
    cluster: "Cluster",
    known: KnownContents,
    units: Iterator[Unit],
    placement: Placement,
    todo: int,
) -> None:
    """Sends units through the cluster and the index beside it; counts them as they come back."""
    captioner = _beside(run)
    job = make_job(run, placement.threads, captioner)
    beside = not (run.vectors_only or left_to(run))
    projection = cluster.projection(job, run.target) if beside else None
    exporter = cluster.exporter(run.collection)
    done = Progress("indexing", 0, 0, todo)
    began, ended = float("inf"), 0.0
    described = captions.known(run.catalog, captioner.key) if captioner else None
    with closing(cluster.run(job, known, units, placement, run.control, described)) as coming:
        for committed in coming:
            if projection:
                projection.apply(committed.part)
                run.tally.waiting = projection.waiting
                run.report.index_retries = projection.retries
            _add(run.report, committed)
            began, ended = min(began, committed.began), max(ended, committed.ended)
            run.report.startup_seconds = began - run.began
            run.report.steady_seconds = ended - began
            done.done += committed.images
            done.failed += committed.counts["failed"]
            run.tally.add(committed.outcome)
            _write(run, committed)
            exporter.tell(run.figures)
            run.heard(committed)
            run.show(done)
            if done.done >= todo:
                run.memory.look()  # its own looks are rare, and now the workers go
    if projection:
        projection.close()
        run.tally.waiting, run.report.index_retries = 0, projection.retries
    exporter.tell(run.figures, now=True)


def _write(run: Run, committed: Committed) -> None:
    """A span for a unit, and lines in the log for it and for what failed in it."""
    seconds = {name: round(value, 3) for name, value in committed.seconds.items()}
    unit: dict[str, Any] = {"images": committed.images, "failed": committed.counts["failed"]}
    spent = {f"seconds.{name}": value for name, value in seconds.items()}
    tracing.record("unit", committed.began, committed.ended, **unit, **spent)
    if not _log.isEnabledFor(logging.INFO):
        return
    said = {"run_id": run.report.run_id, "collection": run.collection}
    _log.info(
        "unit committed", extra=log.fields(**said, part=committed.part, **unit, seconds=seconds)
    )
    for one in committed.outcome.failures:
        failed = {"uri": one.uri, "stage": one.stage, "kind": one.kind, "reason": one.reason}
        _log.info("image failed", extra=log.fields(**said, **failed))


def _add(report: Report, committed: Committed) -> None:
    report.add(committed.counts)
    report.read += committed.images
    report.bytes_read += committed.bytes_read
    report.gpu_bytes = max(report.gpu_bytes, committed.gpu_bytes)
    batches = [size for size in (report.batch_size, committed.batch_size) if size]
    report.batch_size = min(batches, default=0)
    for stage, seconds in committed.seconds.items():
        report.stages[stage] = report.stages.get(stage, 0.0) + seconds


def make_job(run: Run, threads: int, captioner: CaptionerSpec | None) -> Job:
    """What every worker of the run needs to know."""
    settings = run.settings
    return Job(
        catalog=run.catalog,
        collection=run.collection,
        run_id=run.report.run_id,
        spec=run.spec,
        sources=run.sources,
        captioner=captioner,
        vectors_only=run.vectors_only,
        max_pixels=settings.ingest.max_pixels,
        limits=Limits(settings.ingest.image_seconds, settings.ingest.image_memory),
        suspects=run.left.deaths if run.left else {},
        set_aside=run.set_aside,
        thumbnail_side=settings.ingest.thumbnail_side,
        device=settings.device,
        precision=settings.precision,
        captions_precision=settings.captions.precision or settings.precision,
        batch_size=settings.ingest.batch_size,
        threads=threads,
        compile=settings.compile,
    )
