"""Named places on the way of a commit, and processes that die there.

The product has no hooks for this. A fault is a JSON document: the name of a point, `before` or
`after` the call, at the how-manieth call of all the run's processes, and a folder for the counts.
`arm` wraps the functions when their modules load; `armed/sitecustomize.py` calls it in processes
that find PDRAY_TEST_FAULT in their environment.
"""

import functools
import importlib.abc
import importlib.machinery
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

VARIABLE = "PDRAY_TEST_FAULT"


@dataclass(frozen=True, slots=True)
class Point:
    """A function, and which of its calls count: those with `about` in an argument's text.

    `torn`: the call can also die halfway, with half of its bytes under a temporary name.
    """

    module: str
    name: str
    about: str = ""
    torn: bool = False


_CATALOG, _STORE = "pdray.catalog.catalog", "pdray.catalog.store"
POINTS = {
    "format written": Point(_CATALOG, "Catalog._check_format"),
    "lease taken": Point("pdray.catalog.lease", "_claim"),
    "run recorded": Point("pdray.catalog.runs", "start"),
    "report recorded": Point("pdray.catalog.runs", "end"),
    "pointer advanced": Point("pdray.catalog.pointer", "advance"),
    "thumbnails written": Point(_CATALOG, "Catalog.write_thumbnails"),
    "embeddings written": Point(_CATALOG, "Catalog.write_embeddings"),
    "unit committed": Point(_CATALOG, "Catalog.commit"),
    "moves committed": Point("pdray.ingest.moves", "commit"),
    "tombstones written": Point("pdray.ingest.moves", "commit_tombstones"),
    "temporary of rows": Point(_STORE, "LocalStore._write_temporary", "/rows/", torn=True),
    "temporary of vectors": Point(_STORE, "LocalStore._write_temporary", "/embeddings/", torn=True),
    "temporary of thumbnails": Point(_STORE, "LocalStore._write_temporary", "/thumbs/", torn=True),
    "rows linked": Point(_STORE, "os.link", "/rows/"),
    "object of rows": Point(_STORE, "ObjectStore.create", "/rows/"),
    "object of vectors": Point(_STORE, "ObjectStore.create", "embeddings/"),
    "points written": Point("pdray.index.edge", "EdgeIndex.upsert"),
    "points deleted": Point("pdray.index.edge", "EdgeIndex.delete"),
    "points sent": Point("pdray.index.server", "ServerIndex._update"),
    "request to the bucket": Point("s3fs", "S3FileSystem._call_s3"),
    "index flushed": Point("pdray.index.edge", "EdgeIndex.flush"),
    "ledger entry written": Point("pdray.index.ledger", "Ledger.mark"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Kill whoever makes the `nth` call (from 1) of a point; `when` is before, after or torn.

    With no `point` nobody dies: the images that are decoded are counted all the same.
    """

    folder: str
    point: str | None = None
    when: str = "after"
    nth: int = 1

    @property
    def struck(self) -> bool:
        """Whether somebody died of it."""
        return (Path(self.folder) / "struck").exists()

    @property
    def decoded(self) -> list[str]:
        """The uri of every image whose decoding began, as often as it began."""
        path = Path(self.folder) / "decoded"
        return path.read_text().splitlines() if path.exists() else []

    def to_json(self) -> str:
        """For the environment."""
        return json.dumps(asdict(self))


def arm(fault: Fault) -> None:
    """Wraps the fault's function in this process, now or when its module loads."""
    wrapped = {"pdray.ingest.stages": [("decode", functools.partial(_counting, fault))]}
    if fault.point is not None:
        point = POINTS[fault.point]
        wrapped.setdefault(point.module, []).append(
            (point.name, functools.partial(_dying, fault, point))
        )
    for module in [name for name in wrapped if name in sys.modules]:
        _wrap(sys.modules[module], wrapped.pop(module))
    sys.meta_path.insert(0, _Finder(wrapped))


def arm_from_environment() -> None:
    """What a process of a run does as it starts."""
    if VARIABLE in os.environ:
        arm(Fault(**json.loads(os.environ[VARIABLE])))


Wraps = list[tuple[str, Callable[[Callable[..., Any]], Callable[..., Any]]]]


def _wrap(module: ModuleType, wraps: Wraps) -> None:
    for name, wrapper in wraps:
        *path, last = name.split(".")
        home = functools.reduce(getattr, path, module)
        setattr(home, last, wrapper(getattr(home, last)))


class _Finder(importlib.abc.MetaPathFinder):
    """Wraps a module's functions as soon as it has run."""

    def __init__(self, wrapped: dict[str, Wraps]) -> None:
        self.wrapped = wrapped

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.wrapped:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            wraps, run = self.wrapped.pop(fullname), spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                _wrap(module, wraps)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _counting(fault: Fault, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def decode(job: Any, known: Any, unit: Any, *rest: Any) -> Any:
        note(Path(fault.folder) / "decoded", [item.uri for item in unit.items])
        return function(job, known, unit, *rest)

    return decode


def note(path: Path, lines: Iterable[str]) -> None:
    """Adds lines to a file in one write, which no other process's can cut in two."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, "".join(f"{line}\n" for line in lines).encode())
    finally:
        os.close(handle)


def _dying(fault: Fault, point: Point, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        texts = [str(each) for each in args]
        if point.about and not any(point.about in text for text in texts):
            return function(*args, **kwargs)
        mine = _turn(Path(fault.folder)) == fault.nth
        if mine and fault.when == "before":
            _die(fault)
        if mine and fault.when == "torn":
            _store, target, data = args
            target.parent.mkdir(parents=True, exist_ok=True)
            target.with_name(f".tmp-{'0' * 32}").write_bytes(data[: len(data) // 2])
            _die(fault)
        answer = function(*args, **kwargs)
        if mine:
            _die(fault)
        return answer

    return call


def _turn(folder: Path) -> int:
    """The number of this call among those of all processes."""
    number = 0
    while True:
        number += 1
        try:
            os.close(os.open(folder / f"call-{number}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        return number


def _die(fault: Fault) -> None:
    (Path(fault.folder) / "struck").touch()
    os.kill(os.getpid(), signal.SIGKILL)
