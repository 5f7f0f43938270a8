"""The processes that a run's units pass through, as Ray Data calls them.

A unit is one row at every stage, a table with one value; pixels travel beside it as binary values,
which the next stage reads in place.
"""

import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from numpy.typing import NDArray

from pdray.catalog.units import Unit
from pdray.catalog.view import KnownContents
from pdray.errors import PdrayError
from pdray.ingest.describing import Describer
from pdray.ingest.orphans import end_with_parent
from pdray.ingest.sight import Landmarks, blind
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


def _told(work: Callable[[Any], Any], value: Any) -> Any:
    """What the work makes of the value, or the PdrayError that it raises. The error travels as an
    answer, because an exception of an actor reaches the driver as text.
    """
    try:
        return work(value)
    except PdrayError as error:
        return error


_LOW = 15  # priority


class Stage:
    """One process of a pool. An answer of None is a unit that was not begun."""

    def __init__(self, job: Job, known: list[Any], gate: Any, marks: Landmarks) -> None:
        end_with_parent()
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


class Process(Stage):
    """All of a unit's work in one process."""

    def build(self, _: object) -> None:
        self.worker = Worker(self.job, *ray.get(self.known))

    def __call__(self, batch: pa.Table) -> pa.Table:
        return _row(_told(self.process, _value(batch)))

    def process(self, unit: Unit) -> Committed | None:
        return self.worker.process(unit) if self.admitted() else None


class Prepare(Process):
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


class Describe(Stage):
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


class Finish(Describe):
    """Captions and commit, in one process."""

    def then(self, value: tuple[Any, ...]) -> Any:
        return _told(lambda found: commit(self.job, *found), value)


class Describing(Stage):
    """Captions alone, of images that are read for them."""

    def build(self, _: object) -> None:
        self.describer = Describer(self.job, build_describer(self.job))

    def __call__(self, batch: pa.Table) -> pa.Table:
        return _row(_told(self.process, _value(batch)))

    def process(self, unit: Unit) -> Any:
        return self.describer.process(unit) if self.admitted() else None


class Decode(Stage):
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


class Embed(Stage):
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


class Commit(Stage):
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
