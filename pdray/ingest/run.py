"""An indexing run from end to end: list, plan, catch up, move, index, delete, project, report.

What needs no model never starts Ray: a run that finds nothing new takes as long as its listing.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pdray.catalog import attempts, lease, pointer, runs
from pdray.catalog.catalog import Catalog
from pdray.catalog.plan import Plan
from pdray.catalog.planner import Planner
from pdray.catalog.units import LEAST_IMAGES, Item, Unit, cut, unit_images
from pdray.catalog.view import KnownContents, known_contents
from pdray.config import DEFAULT_MODEL, Settings
from pdray.errors import IndexUnavailable, RunCancelled
from pdray.index.target import IndexTarget
from pdray.ingest import following, moves
from pdray.ingest.control import Control, signals_kept
from pdray.ingest.guarded import Limits
from pdray.ingest.memory import PeakMemory
from pdray.ingest.origins import open_sources
from pdray.ingest.placement import Placement, place
from pdray.ingest.project import Projector
from pdray.ingest.recorder import recorded
from pdray.ingest.report import Progress, Report
from pdray.ingest.stages import Job
from pdray.ingest.tally import Tally
from pdray.models.resolve import resolve
from pdray.records import Failure, ImageRef, ModelSpec
from pdray.sources.bucket import without_credentials
from pdray.sources.protocol import Source

if TYPE_CHECKING:
    from pdray.ingest.compose import Cluster

# Part of every unit's name: raise it when the same bytes would give other rows.
PIPELINE = "1"
_LIST_STEP = 1000


@dataclass(frozen=True, slots=True)
class Options:
    """What one call of `index` asks for, beyond the settings."""

    full: bool = False
    dry_run: bool = False
    allow_deletes: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    retry_failed: bool = False
    run_id: str | None = None  # None: a new one


Watch = Callable[[Progress], None]


def index(
    settings: Settings,
    locations: list[str],
    options: Options,
    watch: Watch = lambda p: None,
    control: Control | None = None,
) -> Report:
    """Indexes what is new or changed under the locations. Raises PdrayError where it can't go on.

    Idempotent. Whatever it had committed when it was killed stays; the next run does the rest.
    A run cancelled by its control or from elsewhere (catalog.runs.ask) ends with a report whose
    state is "cancelled".
    """
    began, started = time.time(), time.perf_counter()
    sources = open_sources(settings, locations, options.include, options.exclude)
    catalog = Catalog.open(settings.workspace, create=not options.dry_run, absent=options.dry_run)
    serving = pointer.current(catalog, settings.collection)
    spec = choose_model(settings, serving)
    run_id = options.run_id or runs.new_run_id()
    report = Report(run_id, settings.collection, spec.name, dry_run=options.dry_run)
    tally, control = Tally(report), control or Control()
    run = _Run(settings, options, catalog, sources, spec, report, watch, control, tally, began)
    with ExitStack() as stack:
        memory = stack.enter_context(PeakMemory())
        if not options.dry_run:
            claim = lease.hold(catalog, settings.collection, report.run_id)
            run.held = stack.enter_context(claim)
            run.left = attempts.left(catalog, settings.collection)
            runs.start(catalog, report.run_id, _start_record(settings, locations, options, spec))
            stack.enter_context(recorded(catalog, report, tally, control))
        spill = settings.state_dir / "tmp"
        planner = Planner(catalog, settings.collection, spec.space, spill)
        run.execute(stack.enter_context(planner))
        report.seconds = time.perf_counter() - started
        report.peak_bytes = memory.look()
        report.images_per_second = report.read / (report.seconds - tally.paused)
    return report


def choose_model(settings: Settings, serving: pointer.Pointer | None) -> ModelSpec:
    """The model asked for, else the collection's own, else the default. Raises ModelUnavailable."""
    if settings.model is None and serving:
        return serving.spec
    return resolve(settings.model or DEFAULT_MODEL, offline=settings.offline)


def index_target(settings: Settings) -> IndexTarget:
    """Where the index of these settings is."""
    qdrant = settings.qdrant
    return IndexTarget(
        state_dir=settings.state_dir,
        workspace=settings.workspace,
        url=qdrant.url,
        api_key=qdrant.api_key.reveal() if qdrant.api_key else None,
        ca=qdrant.ca,
        verify=qdrant.verify,
        timeout=qdrant.timeout,
        prefix=qdrant.prefix,
    )


@dataclass(slots=True)
class _Run:
    """The state of one run; its methods are the phases, in order."""

    settings: Settings
    options: Options
    catalog: Catalog
    sources: tuple[Source, ...]
    spec: ModelSpec
    report: Report
    watch: Watch
    control: Control
    tally: Tally
    began: float  # seconds since the epoch
    held: lease.Lease | None = None
    left: attempts.Left | None = None  # marks of dead attempts
    set_aside: frozenset[tuple[str, str]] = frozenset()  # see Job

    def execute(self, planner: Planner) -> None:
        """All of it, or what had been done when the run was cancelled."""
        try:
            self._phases(planner)
        except RunCancelled:
            self.report.state = "cancelled"
            if self.report.moved or self.report.read:
                self._catch_up(final=True)

    def _phases(self, planner: Planner) -> None:
        plan = self._list(planner)
        report = self.report
        report.seen, report.unchanged, report.retries = plan.seen, plan.unchanged, plan.retries
        if self.options.dry_run:
            self._forecast(planner, plan)
            return
        if pointer.current(self.catalog, self.settings.collection) is None:
            pointer.advance(self.catalog, self.settings.collection, self.spec)
        self.control.check()
        self._catch_up()
        self.control.check()
        known = self._known(plan)
        moved = self._move(planner, plan, known)
        self._note_failures(plan)
        self._read(planner, plan, moved, known)
        self.control.check()
        self._delete(plan, moved)
        self._catch_up(final=True)
        if not report.pending:
            pointer.advance(self.catalog, self.settings.collection, self.spec)
        if self.left is not None:
            # Looked for anew: a node that was lost may have left marks of units done elsewhere.
            attempts.left(self.catalog, self.settings.collection).remove()

    def _show(self, progress: Progress) -> None:
        self.tally.show(progress)
        self.watch(progress)

    def _list(self, planner: Planner) -> Plan:
        seen = 0
        for number, source in enumerate(self.sources):
            listing = source.list()
            found = 0
            for entry in listing:
                if isinstance(entry, ImageRef | Failure):
                    planner.add(entry, number)
                    found += 1
                    if (seen + found) % _LIST_STEP == 0:
                        self._show(Progress("listing", seen + found))
                        self.control.check()
                else:
                    planner.unreadable(entry.prefix)
                    self.report.notes.append(
                        f"{entry.prefix} can't be listed in full: {entry.reason} Nothing under it "
                        "was deleted."
                    )
            planner.listed(source.root)
            seen += found
            self.report.ignored += listing.ignored
            if not found:
                self.report.notes.append(
                    f"There are no images in {source.root}. Is the folder the right one, and "
                    "mounted?"
                )
        plan = planner.plan(
            full=self.options.full, failed=self.options.retry_failed, covers=self._covers
        )
        # What ended processes before is given no chance to do it again.
        self.set_aside = frozenset(planner.deadly())
        return plan

    def _covers(self, uri: str) -> bool:
        return any(source.covers(uri) for source in self.sources)

    def _may_delete(self, plan: Plan, moved: moves.Moves) -> bool:
        doubt = plan.suspicious(moved.left)
        if doubt and not self.options.allow_deletes:
            self.report.notes.append(
                f"Nothing was deleted: {doubt}. If that is meant, run again with --allow-deletes."
            )
        return self.options.allow_deletes or doubt is None

    def _forecast(self, planner: Planner, plan: Plan) -> None:
        """What a run would do, as far as it shows without reading content."""
        report = self.report
        moved = self._moves(planner, plan)
        report.moved = len(moved.pairs)
        report.indexed = plan.new - report.moved + moved.replaced + len(moved.anew)
        report.updated = plan.changed - moved.replaced - len(moved.anew)
        report.unchanged += plan.again
        report.failed = len(plan.failures)
        if self._may_delete(plan, moved):
            left = moved.left
            report.deleted = sum(1 for v in plan.vanished if v.uri not in left)

    def _catch_up(self, final: bool = False) -> None:
        """Applies what is committed but not in the index; a missing index stops no run."""
        collection = self.settings.collection
        if who := self._left_to():
            self.report.pending = 0
            if final:
                self.report.notes.append(f"{who} brings what this run committed into its index.")
            return
        try:
            projector = Projector.open(self.catalog, index_target(self.settings), self.spec)
            try:
                if projector.pending(collection):
                    self._show(Progress("projecting", total=self.tally.progress.total))
                    projector.catch_up(collection)
                self.report.pending = len(projector.pending(collection))
                if final and projector.lacking:
                    self.report.notes.append(_lacking(projector.lacking, self.spec.name))
                if final and self.report.embedded:
                    projector.index.optimise()
            finally:
                projector.close()
        except IndexUnavailable as error:
            self.report.pending = len(self.catalog.parts(collection))
            if final:
                self.report.notes.append(
                    f"{error} Everything is committed; the next `pdray index` brings the index up "
                    "to date."
                )

    def _left_to(self) -> str | None:
        target = index_target(self.settings)
        return following.left_to(self.catalog, target, self.settings.collection, self.spec)

    def _known(self, plan: Plan) -> KnownContents:
        if plan.work:
            return known_contents(self.catalog, self.spec.space)
        return KnownContents.none()

    def _read_item(self, item: Item) -> bytes:
        self.control.check()
        return self.sources[item.source].read(item.uri, item.place)

    def _moves(self, planner: Planner, plan: Plan) -> moves.Moves:
        if not plan.new and not plan.changed:
            return moves.Moves()
        return moves.find(planner, self._read_item)

    def _move(self, planner: Planner, plan: Plan, known: KnownContents) -> moves.Moves:
        moved = self._moves(planner, plan)
        run_id, collection = self.report.run_id, self.settings.collection
        moves.commit(self.catalog, collection, run_id, known, self.spec.space, moved)
        self.report.moved = len(moved.pairs)
        self.report.reused += len(moved.pairs)
        return moved

    def _note_failures(self, plan: Plan) -> None:
        run_id, collection = self.report.run_id, self.settings.collection
        self.report.failed += moves.commit_failures(self.catalog, collection, run_id, plan.failures)

    def _read(
        self,
        planner: Planner,
        plan: Plan,
        moved: moves.Moves,
        known: KnownContents,
    ) -> None:
        todo = plan.work - len(moved.pairs)
        if todo == plan.retries and not self._readable(planner.items(retries=True)):
            self.report.failed += todo  # as before: their rows say it already
            return
        with signals_kept():
            from pdray.ingest import compose  # Ray takes seconds to import: only where it has work

        self._show(Progress("starting", 0, 0, todo))
        with compose.cluster(
            self.settings.ray_address, self.settings.state_dir / "ray.log", known.nbytes
        ) as cluster:
            shape = self._place(cluster, todo)
            units = self._cut(moved.rest(planner.items()), todo, shape)
            self._stream(cluster, self._job(shape.threads), known, units, shape, todo)

    def _readable(self, items: Iterator[Item]) -> bool:
        """Whether any of these can be read now. Stops at the first: Ray is started for no less."""
        for item in items:
            try:
                self._read_item(item)
            except OSError:
                continue
            return True
        return False

    def _place(self, cluster: "Cluster", todo: int) -> Placement:
        ingest = self.settings.ingest
        return place(
            cluster.cpus,
            0 if self.settings.device == "cpu" else cluster.gpus,
            encoders=ingest.encoders,
            decoders=ingest.decode_workers,
            threads=ingest.threads,
            free=cluster.free,
            units=-(-todo // LEAST_IMAGES),
        )

    def _cut(self, items: Iterator[Item], todo: int, shape: Placement) -> Iterator[Unit]:
        ingest = self.settings.ingest
        images = unit_images(
            todo, shape.workers, self.spec.preprocessing.pixel_bytes, ingest.unit_size
        )
        pipeline = f"{PIPELINE}-{self.spec.space}-{ingest.thumbnail_side}"
        return cut(items, collection=self.settings.collection, pipeline=pipeline, images=images)

    def _stream(
        self,
        cluster: "Cluster",
        job: Job,
        known: KnownContents,
        units: Iterator[Unit],
        shape: Placement,
        todo: int,
    ) -> None:
        report = self.report
        target = index_target(self.settings)
        projection = None if self._left_to() else cluster.projection(job, target)
        done = Progress("indexing", 0, 0, todo)
        began, ended = float("inf"), 0.0
        with closing(cluster.run(job, known, units, shape, self.control)) as stream:
            for committed in stream:
                if projection:
                    projection.apply(committed.part)
                report.add(committed.counts)
                report.read += committed.images
                for stage, seconds in committed.seconds.items():
                    report.stages[stage] = report.stages.get(stage, 0.0) + seconds
                began, ended = min(began, committed.began), max(ended, committed.ended)
                report.startup_seconds = began - self.began
                report.steady_seconds = ended - began
                done.done += committed.images
                done.failed += committed.counts["failed"]
                self.tally.add(committed.outcome)
                self._show(done)
        if projection:
            projection.close()

    def _job(self, threads: int) -> Job:
        settings = self.settings
        return Job(
            catalog=self.catalog,
            collection=settings.collection,
            run_id=self.report.run_id,
            spec=self.spec,
            sources=self.sources,
            max_pixels=settings.ingest.max_pixels,
            limits=Limits(settings.ingest.image_seconds, settings.ingest.image_memory),
            suspects=self.left.deaths if self.left else {},
            set_aside=self.set_aside,
            thumbnail_side=settings.ingest.thumbnail_side,
            device=settings.device,
            precision=settings.precision,
            batch_size=settings.ingest.batch_size,
            threads=threads,
            compile=settings.compile,
        )

    def _delete(self, plan: Plan, moved: moves.Moves) -> None:
        left = moved.left
        if all(v.uri in left for v in plan.vanished) or not self._may_delete(plan, moved):
            return
        if self.held is not None and not self.held.valid():
            self.report.notes.append(
                "Nothing was deleted: another run took the collection over meanwhile."
            )
            return
        gone = (v for v in plan.vanished if v.uri not in left)
        run_id, collection = self.report.run_id, self.settings.collection
        self.report.deleted = moves.commit_tombstones(self.catalog, collection, run_id, gone)


def _lacking(images: int, model: str) -> str:
    return (
        f"{images} images of the collection have no embedding by {model} yet: index their folders "
        f"with --model {model} too, and with --full if that leaves any."
    )


def _start_record(
    settings: Settings, locations: list[str], options: Options, spec: ModelSpec
) -> dict[str, object]:
    return {
        "collection": settings.collection,
        "sources": [without_credentials(location) for location in locations],
        "include": list(options.include),
        "exclude": list(options.exclude),
        "model": spec.name,
        "space": spec.space,
        "precision": settings.precision,
        "full": options.full,
        "retry_failed": options.retry_failed,
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
