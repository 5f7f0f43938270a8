"""How long a plan takes and how much memory, over a catalog and a listing made up for it.

    <folder>/<layout>-<images>/    a workspace: row parts as runs leave them ("units", 512 rows)
                                   or as compaction does ("compacted"), and contents with a vector

What is measured is all that comes before the first unit of a run but the source's own listing of
names: one ImageRef an image goes in, one by one, and the items to read come out.
"""

import hashlib
import multiprocessing
import re
import resource
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pdray.catalog import merging, schema
from pdray.catalog.catalog import Catalog
from pdray.catalog.planner import Planner
from pdray.catalog.view import known_contents
from pdray.records import ImageRef, ModelSpec, Preprocessing

Layout = Literal["units", "compacted"]
ROWS_A_PART: dict[Layout, int] = {"units": 512, "compacted": merging.ROWS_A_PART}
_ROOT = "file:///srv/photos/"
_COLLECTION = "c"
_MAKING = "2"  # raise it when other rows are made: a workspace made before is then made again
_DIM = 16  # of the vectors: a plan reads the ids beside them and never these
_SPEC = ModelSpec(
    "plan", "plan", None, "clip", _DIM, "w", Preprocessing(224, 224, "shortest-edge", 224)
)


@dataclass(frozen=True, slots=True)
class Planned:
    """One plan: what it found, and what it cost the process that made it."""

    layout: str
    images: int
    parts: int  # row parts that were read
    change: float  # the share that is new, that is changed, and that has vanished, each
    new: int
    changed: int
    unchanged: int
    vanished: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def measure(folder: Path, images: int, layout: Layout, change: float = 0.01) -> Planned:
    """Plans in a process of its own, so that its peak of memory is the plan's alone."""
    workspace = _workspace(folder, images, layout)
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_plan, (workspace, images, layout, change))


def _plan(workspace: Path, images: int, layout: Layout, change: float) -> Planned:
    began, started = _cpu(), time.perf_counter()
    catalog = Catalog.open(str(workspace))
    with Planner(catalog, _COLLECTION, _SPEC.space, workspace / "state" / "tmp") as planner:
        for entry in listing(images, change):
            planner.add(entry, 0)
        planner.listed(_ROOT)
        plan = planner.plan()
        if plan.work:
            known_contents(catalog, _SPEC.space)
            planner.candidates()
        assert sum(1 for _ in planner.items()) == plan.work
        gone = sum(1 for _ in plan.vanished)
    return Planned(
        layout=layout,
        images=images,
        parts=len(plan.parts),
        change=change,
        new=plan.new,
        changed=plan.changed,
        unchanged=plan.unchanged,
        vanished=gone,
        seconds=time.perf_counter() - started,
        cpu_seconds=_cpu() - began,
        peak_bytes=_peak(),
    )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak() -> int:
    """Bytes. From the kernel's own mark of this address space: getrusage's maximum goes on from
    that of the process which started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def listing(images: int, change: float = 0.0) -> Iterator[ImageRef]:
    """What a source would say of the images, of which a share each changed, vanished and came."""
    step = round(1 / change) if change else images + 1
    for number in range(images):
        if number % step == 1:
            continue
        size = _size(number)
        touched = _TOUCHED if number % step == 2 else 0
        yield ImageRef(_uri(number), size, f"{_modified(number) + touched}-{size}")
        if number % step == 3:
            yield ImageRef(f"{_uri(number)[:-4]}-edit.jpg", size + 1, f"{_TOUCHED}-{size + 1}")


_TOUCHED = 86_400_000_000_007


def _uri(number: int) -> str:
    """Folders by year and day with a few hundred images each, as cameras fill them."""
    return f"{_folder(number // 400)}{number % 400:04d}_{number:08d}.jpg"


@lru_cache(maxsize=4)
def _folder(day: int) -> str:
    year = 2000 + day // 2500
    return f"{_ROOT}{year}/{year}-{day % 2500:04d}%20holiday/IMG_"


def _size(number: int) -> int:
    return 150_000 + number * 7919 % 4_000_000


def _modified(number: int) -> int:
    return 1_562_103_345_123_456_789 + number * 1_000_003


def _workspace(folder: Path, images: int, layout: Layout) -> Path:
    """Makes a workspace once; a later measurement finds it."""
    workspace = folder / f"{layout}-{images}"
    whole = workspace / "whole"
    if not whole.exists() or whole.read_text("utf-8") != _MAKING:
        shutil.rmtree(workspace, ignore_errors=True)
        _write(workspace, images, ROWS_A_PART[layout])
        whole.write_text(_MAKING, "utf-8")
    return workspace


def _write(workspace: Path, images: int, rows: int) -> None:
    Catalog.open(str(workspace), create=True)
    parts = workspace / "collections" / _COLLECTION / "rows"
    vectors = workspace / "embeddings" / _SPEC.space
    parts.mkdir(parents=True)
    vectors.mkdir(parents=True)
    for start in range(0, images, rows):
        numbers = range(start, min(start + rows, images))
        unit = hashlib.sha256(str(start).encode()).hexdigest()[:32]
        ids = np.random.default_rng(start).bytes(16 * len(numbers))
        # Plain writes: that each part is durable costs the run that commits it, not the plan.
        pq.write_table(_rows(numbers, unit, ids), parts / f"{unit}.parquet", compression="zstd")
        pq.write_table(_vectors(ids), vectors / f"{unit}-0.parquet", compression="none")


def _rows(numbers: range, unit: str, ids: bytes) -> pa.Table:
    many = len(numbers)
    sizes = [_size(n) for n in numbers]
    content = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), many, [None, pa.py_buffer(ids)])
    lengths = np.full(many, 9_000, np.int32)
    columns = {
        "uri": [_uri(n) for n in numbers],
        "size": sizes,
        "version": [f"{_modified(n)}-{size}" for n, size in zip(numbers, sizes, strict=True)],
        "seq": np.ones(many, np.int32),
        "status": ["ok"] * many,
        "run_id": ["20261124T120000.000Z-abcdef"] * many,
        "image_id": content,
        "content_id": content,
        "phash": pa.array([ids[16 * n : 16 * n + 8] for n in range(many)], pa.binary(8)),
        "width": np.full(many, 1024, np.int32),
        "height": np.full(many, 768, np.int32),
        "format": ["jpeg"] * many,
        "space": [_SPEC.space] * many,
        "thumb_pack": [f"thumbs/{unit[:2]}/{unit}-0.pack"] * many,
        "thumb_offset": np.arange(many, dtype=np.int64) * 9_000,
        "thumb_length": lengths,
    }
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else pa.nulls(many, field.type)
        for field in schema.ROWS
    ]
    return pa.Table.from_arrays(arrays, schema=schema.ROWS)


def _vectors(ids: bytes) -> pa.Table:
    contents = [ids[at : at + 16].hex() for at in range(0, len(ids), 16)]
    return schema.embeddings_table(contents, np.ones((len(contents), _DIM), np.float32), _SPEC)
