"""The one file that knows Ray: it places the stages on a cluster and streams units through them.

A unit is one row at every stage (`batch_size=1`): Ray splits, merges and mixes blocks as it likes,
a row it keeps whole. Pixels travel as one binary value, read without a copy.
"""

import io
import logging
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data
from numpy.typing import NDArray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pdray.catalog.units import Unit
from pdray.catalog.view import KnownContents
from pdray.errors import PdrayError
from pdray.index.target import IndexTarget
from pdray.ingest.control import Control
from pdray.ingest.describing import Described, Describer
from pdray.ingest.gate import Gate
from pdray.ingest.joining import connected
from pdray.ingest.placement import CAPTION_CPUS, COMMIT_CPUS, EMBED_CPUS, Placement
from pdray.ingest.projecting import Projecting
from pdray.ingest.sight import Landmarks, blind, landmarks
from pdray.ingest.stages import (
    Committed,
    Decoded,
    Job,
    Worker,
    build_describer,
    build_encoder,
    commit,
    decode,
    describe,
    embed,
)

# A dataset of its own for so many units: the driver's memory stays flat, and starting the actors
# anew costs seconds in the hours that a quarter of a million images take.
_WAVE = 512
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray that this process is connected to, and what it has in all."""

    cpus: int
    gpus: int
    free: float | None = None  # CPUs that nobody holds, where others work here too

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


@contextmanager
def cluster(address: str | None, log: Path, known_bytes: int = 0) -> Iterator[Cluster]:
    """A connection to the Ray at an address, or to one started here for the block.

    What Ray's C++ core writes to standard error, past all logging, goes to the file `log`.
    """
    with _ray_speaks_to(log), connected(address, known_bytes):
        resources = ray.cluster_resources()
        free = ray.available_resources().get("CPU", 0.0) if address else None
        yield Cluster(int(resources.get("CPU", 1)), int(resources.get("GPU", 0)), free)


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
        _Prepare if placement.captioners else _Process,
        fn_constructor_args=shared,
        num_cpus=placement.encoder_cpus,
        compute=ray.data.ActorPoolStrategy(size=placement.encoders),
        **common,
    )
    if not placement.captioners:
        return processed
    return processed.map_batches(
        _Finish,
        fn_constructor_args=shared,
        num_cpus=placement.captioner_cpus,
        compute=ray.data.ActorPoolStrategy(size=placement.captioners),
        **common,
    )


def _describing(dataset: Any, shared: tuple[Any, ...], placement: Placement) -> Any:
    """Reading and describing in one process: a captioner takes so long that no core waits."""
    return dataset.map_batches(
        _Describing,
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
        _Decode,
        fn_constructor_args=shared,
        num_cpus=placement.decoder_cpus,
        compute=pool(size=placement.decoders),
        **common,
    )
    embedded = decoded.map_batches(
        _Embed,
        fn_constructor_args=shared,
        num_cpus=EMBED_CPUS,
        num_gpus=placement.encoder_gpus,
        compute=pool(size=placement.encoders),
        **common,
    )
    if placement.captioners:
        embedded = embedded.map_batches(
            _Describe,
            fn_constructor_args=shared,
            num_cpus=CAPTION_CPUS,
            num_gpus=placement.encoder_gpus,
            compute=pool(size=placement.captioners),
            **common,
        )
    return embedded.map_batches(
        _Commit,
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


def _told(work: Callable[[Any], Any], value: Any) -> Any:
    """What the work makes of the value, or the PdrayError that it raises. The error travels as an
    answer, because an exception of an actor reaches the driver as text.
    """
    try:
        return work(value)
    except PdrayError as error:
        return error


_LOW = 15  # priority


class _Stage:
    """One process of a pool. An answer of None is a unit that was not begun."""

    def __init__(self, job: Job, known: list[Any], gate: Any, marks: Landmarks) -> None:
        # As Ray itself has it by default; a server's Ray has not, so that queries come first.
        os.nice(max(0, _LOW - os.nice(0)))
        self.job, self.known, self.gate = job, known, gate
        self.refusal: PdrayError | None = blind(marks)
        if self.refusal is None:
            self.refusal = _told(self.build, None)

    def build(self, _: object) -> None:
        """Whatever takes long; here, because what a constructor raises is text too."""

    def admitted(self) -> bool:
        """Whether a unit may be begun. Raises what keeps this process from its work."""
        if self.refusal is not None:
            raise self.refusal
        return bool(ray.get(self.gate.admits.remote()))


class _Process(_Stage):
    """All of a unit's work in one process."""

    def build(self, _: object) -> None:
        self.worker = Worker(self.job, *ray.get(self.known))

    def __call__(self, batch: pa.Table) -> pa.Table:
        return _row(_told(self.process, _value(batch)))

    def process(self, unit: Unit) -> Committed | None:
        return self.worker.process(unit) if self.admitted() else None


class _Prepare(_Process):
    """All but captions and commit, in one process."""

    def __call__(self, batch: pa.Table) -> pa.Table:
        found = _told(self.prepare, _value(batch))
        if not isinstance(found, tuple):
            return _row(found, views=_NOTHING)
        decoded, vectors = found
        decoded.pixels = decoded.pixels[:0]
        views, decoded.views = decoded.views, decoded.views[:0]
        return _row((decoded, vectors), views=pa.py_buffer(views))

    def prepare(self, unit: Unit) -> Any:
        return self.worker.prepare(unit) if self.admitted() else None


class _Describe(_Stage):
    """Captions of what was embedded."""

    def build(self, _: object) -> None:
        self.captioner = build_describer(self.job)

    def __call__(self, batch: pa.Table) -> pa.Table:
        value = _value(batch)
        if not isinstance(value, tuple):
            return _row(value)
        decoded = value[0]
        decoded.views = _array(batch, "views", len(decoded.undescribed), decoded.views)
        said = _told(self.describe, decoded)
        decoded.views = decoded.views[:0].copy()
        return _row(said if isinstance(said, PdrayError) else self.then((*value, said)))

    def describe(self, decoded: Decoded) -> Any:
        if self.refusal is not None:
            raise self.refusal
        return describe(self.captioner, decoded)

    def then(self, value: tuple[Any, ...]) -> Any:
        return value


class _Finish(_Describe):
    """Captions and commit, in one process."""

    def then(self, value: tuple[Any, ...]) -> Any:
        return _told(lambda found: commit(self.job, *found), value)


class _Describing(_Stage):
    """Captions alone, of images that are read for them."""

    def build(self, _: object) -> None:
        self.describer = Describer(self.job, build_describer(self.job))

    def __call__(self, batch: pa.Table) -> pa.Table:
        return _row(_told(self.process, _value(batch)))

    def process(self, unit: Unit) -> Any:
        return self.describer.process(unit) if self.admitted() else None


class _Decode(_Stage):
    def build(self, _: object) -> None:
        self.contents: list[KnownContents] = ray.get(self.known)

    def __call__(self, batch: pa.Table) -> pa.Table:
        decoded = _told(self.decode, _value(batch))
        if not isinstance(decoded, Decoded):
            return _row(decoded, pixels=_NOTHING, views=_NOTHING)
        pixels, decoded.pixels = decoded.pixels, decoded.pixels[:0]
        views, decoded.views = decoded.views, decoded.views[:0]
        # One copy, from our array into the block; the next stage reads it in place.
        whole = np.ascontiguousarray(pixels)
        return _row(decoded, pixels=pa.py_buffer(whole), views=pa.py_buffer(views))

    def decode(self, unit: Unit) -> Decoded | None:
        if not self.admitted():
            return None
        known, described = self.contents
        return decode(self.job, known, unit, None, described)


class _Embed(_Stage):
    def build(self, _: object) -> None:
        self.encoder = build_encoder(self.job)

    def __call__(self, batch: pa.Table) -> pa.Table:
        decoded = _value(batch)
        views = batch.column("views")[0].as_buffer()
        if not isinstance(decoded, Decoded):
            return _row(decoded, views=views)
        decoded.pixels = _array(batch, "pixels", len(decoded.contents), decoded.pixels)
        vectors = _told(self.embed, decoded)
        decoded.pixels = decoded.pixels[:0].copy()
        found = vectors if isinstance(vectors, PdrayError) else (decoded, vectors)
        return _row(found, views=views)

    def embed(self, decoded: Decoded) -> Any:
        if self.refusal is not None:
            raise self.refusal
        return embed(self.encoder, self.job, decoded)


class _Commit(_Stage):
    def __call__(self, batch: pa.Table) -> pa.Table:
        value = _value(batch)
        return _row(_told(self.commit, value) if isinstance(value, tuple) else value)

    def commit(self, value: tuple[Any, ...]) -> Committed:
        if self.refusal is not None:
            raise self.refusal
        return commit(self.job, *value)


_NOTHING = pa.py_buffer(b"")


def _array(batch: pa.Table, name: str, rows: int, like: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A buffer that came beside the value, as an array of so many rows of this one's shape."""
    raw = batch.column(name)[0].as_buffer()
    return np.frombuffer(raw, np.uint8).reshape((rows, *like.shape[1:]))


def _value(batch: pa.Table) -> Any:
    return pickle.loads(batch.column("value")[0].as_py())


def _row(value: object, **buffers: pa.Buffer) -> pa.Table:
    columns = {"value": pa.array([pickle.dumps(value)], pa.large_binary())}
    for name, buffer in buffers.items():
        offsets = pa.py_buffer(np.array([0, buffer.size], np.int64))
        columns[name] = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, buffer])
    return pa.table(columns)


class Projection:
    """A projector in a process of its own: Qdrant Edge holds the interpreter through every call.

    An index that fails stops the projection, not the run: what is committed catches up later.
    """

    def __init__(self, job: Job, target: IndexTarget) -> None:
        self.broken: str | None = None
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

    def close(self) -> None:
        """Waits for everything sent, and lets the index go: afterwards it has no writer here."""
        self._judge([*self._waiting, self._actor.close.remote()])
        self._waiting = []

    def _judge(self, answers: list[Any]) -> None:
        for answer in answers:
            try:
                reason = ray.get(answer)
            except ray.exceptions.RayError as error:
                reason = f"The process that writes the index died ({type(error).__name__})."
            self.broken = self.broken or reason
