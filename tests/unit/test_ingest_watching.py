"""When a watch looks, when it runs, and what it says meanwhile."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import fsspec
import pytest

from pdray.config import Settings, load
from pdray.errors import SourceError, UsageError
from pdray.ingest.control import Control
from pdray.ingest.current import Options
from pdray.ingest.report import Report
from pdray.ingest.watching import Backoff, Watch, check
from pdray.records import ImageRef
from pdray.sources import Listing

HERE = "tests.unit.test_ingest_watching"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    every = {"ingest_watch_seconds": 0.01}
    return load({"workspace": str(tmp_path / "w"), "model": "builtin", **every})


class Watched:
    """A watch whose runs are answered here; it is interrupted after so many of them."""

    def __init__(self, settings: Settings, location: str, answers: list[Report | None]) -> None:
        self.control, self.said, self.answers = Control(), [], answers
        self.runs = 0
        self.watch = Watch(
            settings, [location], Options(), self.run, self.said.append, self.control
        )

    said: list[str]

    def run(self) -> Report | None:
        self.runs += 1
        if self.runs == len(self.answers):
            self.control.interrupt()
        return self.answers[self.runs - 1]


def report(**counts: object) -> Report:
    return replace(Report("run", "default", "builtin"), **counts)  # type: ignore[arg-type]


@pytest.fixture
def bucket() -> Iterator[str]:
    system = fsspec.filesystem("memory")
    system.pipe_file("/watched/a.jpg", b"x")
    yield "memory://watched"
    system.rm("/watched", recursive=True)


def test_a_bucket_is_looked_at_again_and_again_and_what_is_new_asks_for_a_run(
    settings: Settings, bucket: str
) -> None:
    watched = Watched(settings, bucket, [report(), report(), report()])
    watched.watch.forever()
    assert watched.runs == 3
    assert watched.said == ["Watching memory://watched every 0.01 s; Ctrl-C ends it."]


@dataclass(frozen=True)
class Counted:
    """A place without images that counts how often it is listed."""

    root: str

    @classmethod
    def at(cls, location: str, selection: object, storage: object) -> "Counted":
        if location == "wrong":
            raise SourceError("There is no such place.")
        return cls(f"counted://{location}/")

    def list(self) -> Listing:
        LISTED.append(self.root)
        if len(LISTED) >= 4:
            ENOUGH.set()
        return Listing(lambda listing: iter(()))

    def read(self, uri: str, place: str = "") -> bytes:
        raise FileNotFoundError(uri)

    def fetch(self, refs: Sequence[ImageRef]) -> Iterator[OSError]:
        return iter(())

    def covers(self, uri: str) -> bool:
        return uri.startswith(self.root)


LISTED: list[str] = []
ENOUGH = threading.Event()


def test_where_nothing_changes_there_are_looks_and_no_runs(settings: Settings) -> None:
    from importlib import import_module

    place = import_module(HERE)
    place.LISTED.clear()
    place.ENOUGH.clear()
    watched = Watched(settings, f"{HERE}:Counted=x", [report(), report()])
    thread = threading.Thread(target=watched.watch.forever)
    thread.start()
    assert place.ENOUGH.wait(30)
    watched.control.interrupt()
    thread.join()
    assert watched.runs == 1  # the first, which brings the index up
    assert sum("no images" in words for words in watched.said) == 1  # said once
    assert not list(Path(settings.workspace).glob("runs/*"))


def test_what_is_wrong_at_the_very_start_ends_the_watch(settings: Settings) -> None:
    with pytest.raises(SourceError, match="no such place"):
        Watched(settings, f"{HERE}:Counted=wrong", []).watch.forever()


def test_pauses_double_up_to_a_limit_and_begin_anew() -> None:
    backoff = Backoff(2.0, 300.0)
    assert [backoff.pause() for _ in range(9)] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    backoff.reset()
    assert backoff.pause() == 2


def test_a_dry_run_is_not_watched() -> None:
    with pytest.raises(UsageError, match="--watch"):
        check(Options(dry_run=True))
