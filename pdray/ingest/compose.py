"""Places the stages of a run on a cluster (`processes.py`) and streams units through them.

A unit is one row at every stage (`batch_size=1`): Ray splits, merges and mixes blocks as it likes,
a row it keeps whole. Pixels travel as one binary value, read without a copy.
"""

import io
import logging
import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import ray
import ray.data
from ray.util import metrics
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pdray.catalog.units import Unit
from pdray.catalog.view import KnownContents
from pdray.errors import PdrayError
from pdray.index.target import IndexTarget
from pdray.ingest import processes
from pdray.ingest.control import Control
from pdray.ingest.describing import Described
from pdray.ingest.gate import Gate
from pdray.ingest.joining import connected
from pdray.ingest.placement import CAPTION_CPUS, COMMIT_CPUS, EMBED_CPUS, Placement
from pdray.ingest.projecting import Projecting
from pdray.ingest.sight import landmarks
from pdray.ingest.stages import Committed, Job
from pdray.metrics import Counter, Figure, Gauge, Labels

# A dataset of its own for so many units: the driver's memory stays flat, and starting the actors
# anew costs seconds in the hours that a quarter of a million images take.
_WAVE = 512
_MIB = 2**20
_EXPORT_SECONDS = 5.0  # Ray itself passes figures on every ten


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray that this process is connected to, and what it has in all."""

    cpus: int
    gpus: int
    free: float | None = None  # CPUs that nobody holds, where others work here too
    joined: bool = False  # it was there before, and others watch it

    def exporter(self, collection: str) -> "Exporter":
        """What tells Ray's own exporter a run's figures."""
        return Exporter(collection if self.joined else None)

    def run(
        self,
        job: Job,
        known: KnownContents,
        units: Iterable[Unit],
        placement: Placement,
        control: Control,
        described: KnownContents | None = None,
    ) -> Generator[Committed]:
        """Streams units through the cluster; yields each as it is committed, in any order.

        While the control is paused no unit begins; once it is cancelled none does any more.
        """
        contents = [known, described or KnownContents.none()]
        build = _on_gpus if placement.gpus else _on_cpus
        yield from self._waves(job, contents, units, placement, control, build)

    def describe(
        self, job: Job, units: Iterable[Unit], placement: Placement, control: Control
    ) -> Generator[Described]:
        """The same for units of which only captions are wanted."""
        yield from self._waves(job, [], units, placement, control, _describing)

    def _waves(
        self,
        job: Job,
        contents: list[KnownContents],
        units: Iterable[Unit],
        placement: Placement,
        control: Control,
        build: Callable[..., Any],
    ) -> Generator[Any]:
        _quiet()
        gate = _open_gate()
        # In a list, so that each process fetches it itself, uncopied. The driver holds it so long.
        shared = (job, [ray.put(known) for known in contents], gate, landmarks(job))
        stream = iter(units)
        with control.told(lambda state: gate.turn.remote(state)):
            while not control.cancelled and (wave := list(islice(stream, _WAVE))):
                rows = [{"value": pickle.dumps(unit)} for unit in wave]
                dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
                yield from _committed(build(dataset, shared, placement))

    def gpu_memory(self) -> int | None:
        """Bytes of a GPU of the cluster; None where torch sees none there."""
        from pdray.models.precision import gpu_memory  # torch takes seconds to import

        found: int | None = ray.get(ray.remote(gpu_memory).options(num_gpus=0.01).remote())
        return found

    def projection(self, job: Job, target: IndexTarget) -> "Projection":
        """The index, written by a process of its own."""
        return Projection(job, target)


class Exporter:
    """Ray's own exporter, which every node of a cluster has: Prometheus sees `ray_` before each
    name, and the collection as a label.
    """

    def __init__(self, collection: str | None) -> None:
        self._collection = collection  # None: a Ray of our own, which nobody watches
        self._made: dict[str, Any] = {}
        self._before: dict[tuple[str, Labels], float] = {}
        self._last = float("-inf")

    def tell(self, look: Callable[[], list[Figure]], *, now: bool = False) -> None:
        """Passes on what `look` sees, every few seconds at most, or `now`."""
        soon = time.monotonic() - self._last < _EXPORT_SECONDS
        if self._collection is None or (soon and not now):
            return
        self._last = time.monotonic()
        for figure in look():
            if isinstance(figure, Counter):
                for labels, value in figure.values.items():
                    self._add(figure, labels, value)
            elif isinstance(figure, Gauge) and figure.value is not None:
                self._kind(metrics.Gauge, figure, ()).set(figure.value)

    def _add(self, figure: Counter, labels: Labels, value: float) -> None:
        key = (figure.name, labels)
        more = value - self._before.get(key, 0.0)
        self._before[key] = value
        if more > 0:
            self._kind(metrics.Counter, figure, labels).inc(more, tags=dict(labels))

    def _kind(self, kind: Any, figure: Figure, labels: Labels) -> Any:
        made = self._made.get(figure.name)
        if made is None:
            names = ("collection", *(name for name, _ in labels))
            made = self._made[figure.name] = kind(figure.name, figure.help, tag_keys=names)
            made.set_default_tags({"collection": self._collection})
        return made


@contextmanager
def cluster(address: str | None, log: Path, known_bytes: int = 0) -> Iterator[Cluster]:
    """A connection to the Ray at an address, or to one started here for the block.

    What Ray's C++ core writes to standard error, past all logging, goes to the file `log`.
    """
    with _ray_speaks_to(log), connected(address, known_bytes):
        resources = ray.cluster_resources()
        free = ray.available_resources().get("CPU", 0.0) if address else None
        cpus, gpus = int(resources.get("CPU", 1)), int(resources.get("GPU", 0))
        yield Cluster(cpus, gpus, free, joined=address is not None)


@contextmanager
def _ray_speaks_to(log: Path) -> Iterator[None]:
    """Python keeps the real standard error; descriptor 2 leads to the file for the block.

    So does Python's standard output: what Ray says of workers that died it prints there, where
    --json promises one document.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    before, kept = sys.stderr, os.dup(2)
    with log.open("wb") as file, os.fdopen(kept, "w", buffering=1, closefd=False) as ours:
        os.dup2(file.fileno(), 2)
        sys.stderr = ours
        words = io.TextIOWrapper(file, "utf-8", write_through=True)
        try:
            with redirect_stdout(words):
                yield
        finally:
            words.detach()
            sys.stderr = before
            os.dup2(kept, 2)
            os.close(kept)


def _quiet() -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # Every unit leaves its stage as it is ready, instead of when 128 MiB have gathered.
    context.target_max_block_size = _MIB
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # A small run has fewer units than workers, which is fine.
    warnings.filterwarnings("ignore", "The minimum number of concurrent actors", UserWarning)


def _on_cpus(dataset: Any, shared: tuple[Any, ...], placement: Placement) -> Any:
    common: dict[str, Any] = {"batch_size": 1, "batch_format": "pyarrow"}
    processed = dataset.map_batches(
        processes.Prepare if placement.captioners else processes.Process,
        fn_constructor_args=shared,
        num_cpus=placement.encoder_cpus,
        compute=ray.data.ActorPoolStrategy(size=placement.encoders),
        **common,
    )
    if not placement.captioners:
        return processed
    return processed.map_batches(
        processes.Finish,
        fn_constructor_args=shared,
        num_cpus=placement.captioner_cpus,
        compute=ray.data.ActorPoolStrategy(size=placement.captioners),
        **common,
    )


def _describing(dataset: Any, shared: tuple[Any, ...], placement: Placement) -> Any:
    """Reading and describing in one process: a captioner takes so long that no core waits."""
    return dataset.map_batches(
        processes.Describing,
        fn_constructor_args=shared,
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=CAPTION_CPUS if placement.gpus else placement.encoder_cpus,
        num_gpus=placement.encoder_gpus if placement.gpus else 0,
        compute=ray.data.ActorPoolStrategy(size=placement.encoders),
    )


def _on_gpus(dataset: Any, shared: tuple[Any, ...], placement: Placement) -> Any:
    pool = ray.data.ActorPoolStrategy
    common: dict[str, Any] = {"batch_size": 1, "batch_format": "pyarrow"}
    decoded = dataset.map_batches(
        processes.Decode,
        fn_constructor_args=shared,
        num_cpus=placement.decoder_cpus,
        compute=pool(size=placement.decoders),
        **common,
    )
    embedded = decoded.map_batches(
        processes.Embed,
        fn_constructor_args=shared,
        num_cpus=EMBED_CPUS,
        num_gpus=placement.encoder_gpus,
        compute=pool(size=placement.encoders),
        **common,
    )
    if placement.captioners:
        embedded = embedded.map_batches(
            processes.Describe,
            fn_constructor_args=shared,
            num_cpus=CAPTION_CPUS,
            num_gpus=placement.encoder_gpus,
            compute=pool(size=placement.captioners),
            **common,
        )
    return embedded.map_batches(
        processes.Commit,
        fn_constructor_args=shared,
        num_cpus=COMMIT_CPUS,
        compute=pool(size=max(1, placement.encoders)),
        **common,
    )


def _committed(dataset: Any) -> Iterator[Any]:
    # Nothing is fetched ahead: a unit would be seen only when the next one is done, and a paused
    # run has no next one.
    for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        for value in batch.column("value"):
            committed = pickle.loads(value.as_py())
            if isinstance(committed, PdrayError):
                raise committed
            if committed is not None:
                yield committed


def _open_gate() -> Any:
    # One that dies is started again, and the driver repeats its state every second or two.
    options: dict[str, Any] = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
    options |= {"max_concurrency": 10_000, "scheduling_strategy": _beside_the_driver()}
    return ray.remote(Gate).options(**options).remote()


def _beside_the_driver() -> Any:
    """On the driver's node: where the state folder is, and whose end ends the run anyway."""
    here = ray.get_runtime_context().get_node_id()
    return NodeAffinitySchedulingStrategy(here, soft=False)


class Projection:
    """A projector in a process of its own: Qdrant Edge holds the interpreter through every call.

    An index that fails stops the projection, not the run: what is committed catches up later.
    """

    def __init__(self, job: Job, target: IndexTarget) -> None:
        self.broken: str | None = None
        self.retries = 0  # requests to the index that were tried again
        self._waiting: list[Any] = []
        target = replace(target, label="pdray index")
        options = {"num_cpus": 0, "scheduling_strategy": _beside_the_driver()}
        self._actor = ray.remote(Projecting).options(**options).remote(job, target)
        # While the encoders load: opening takes as long as a dozen images.
        self._waiting.append(self._actor.open.remote())

    def apply(self, part: str) -> None:
        """Sends a committed part; never waits for the index."""
        if self.broken is None:
            self._waiting.append(self._actor.apply.remote(part))
            done, self._waiting = ray.wait(self._waiting, num_returns=len(self._waiting), timeout=0)
            self._judge(done)

    @property
    def waiting(self) -> int:
        """Parts that were sent and are not in yet."""
        return len(self._waiting)

    def close(self) -> None:
        """Waits for everything sent, and lets the index go: afterwards it has no writer here."""
        self._judge([*self._waiting, self._actor.close.remote()])
        self._waiting = []

    def _judge(self, answers: list[Any]) -> None:
        for answer in answers:
            reason: str | None
            try:
                reason, retries = ray.get(answer)
                self.retries = max(self.retries, retries)
            except ray.exceptions.RayError as error:
                reason = f"The process that writes the index died ({type(error).__name__})."
            self.broken = self.broken or reason
