"""Forgetting images, sources and collections: what goes, what stays, and kills in between."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdray.catalog import lease, pointer, runs, store
from pdray.catalog.catalog import new_attempt
from pdray.catalog.planner import Planner
from pdray.catalog.units import cut
from pdray.catalog.view import known_contents, live_records
from pdray.errors import CatalogError, LeaseHeld
from pdray.ingest.forgetting import Forgotten, find, forget
from pdray.ingest.maintain import verify
from pdray.records import (
    ImageRecord,
    ImageRef,
    content_id,
    image_id,
)
from tests.handmade import DIM, SPEC, Workspace

ROOT = "file:///p"


class Place(Workspace):
    """A workspace whose images are named by what they hold: "x/a" and "y/a" hold the same."""

    def index(self, *names: str, collection: str = "default") -> list[str]:
        """A run over these alone: units as the planner and the cutter make them."""
        pointer.advance(self.catalog, collection, SPEC)
        units = []
        with Planner(self.catalog, collection, SPEC.space, None) as planner:
            for name in names:
                planner.add(ImageRef(f"{ROOT}/{name}", 1, "v"), 0)
            planner.plan()
            for unit in cut(planner.items(), collection=collection, pipeline="1", images=9):
                units.append(unit.unit_id)
                hold = [i.uri[-1].encode() for i in unit.items]
                paths = [self.vectors(unit.unit_id, hold)]
                places = self.catalog.write_thumbnails(
                    unit.unit_id, new_attempt(), [data * 9 for data in hold]
                )
                rows = [
                    ImageRecord(
                        i.uri, 1, "v", i.seq, "ok", "r", image_id(collection, i.uri, content_id(d)),
                        content_id(d), space=SPEC.space, thumbnail=place,
                    )
                    for i, d, place in zip(unit.items, hold, places, strict=True)
                ]  # fmt: skip
                self.catalog.commit(collection, unit.unit_id, rows, {SPEC.space: paths})
        self.catch_up(collection)
        return units

    def vectors(self, unit: str, hold: list[bytes]) -> str:
        known = sorted(set(hold))
        vectors = np.array([list(data * DIM) for data in known], np.float32) + np.arange(DIM)
        contents = [content_id(data) for data in known]
        return self.catalog.write_embeddings(unit, new_attempt(), SPEC, contents, vectors)

    def forget(self, what: str | None, collection: str = "default") -> Forgotten:
        uri = None if what is None else f"{ROOT}/{what}"
        return forget(self.settings, self.target, collection, uri, settle_seconds=0)

    def names(self, collection: str = "default") -> list[str]:
        return [r.uri.removeprefix(f"{ROOT}/") for r in live_records(self.catalog, collection)]

    def points(self, collection: str = "default") -> set[str]:
        found = self.indexed(collection).values()
        return {str(payload["uri"]).removeprefix(f"{ROOT}/") for payload in found}

    def everything(self) -> bytes:
        """All that is on disk but the index and the run records, Parquet decoded."""
        said = [path.read_bytes() for path in sorted(self.root.rglob("*.pack"))]
        for name in self.catalog.collections():
            for part in self.catalog.parts(name):
                said += [repr(r).encode() for r in self.catalog.read_part(part).records]
        return b"\n".join(said)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def holds(place: Place, letter: str) -> bool:
    """Whether the vector of a content is anywhere."""
    return known_contents(place.catalog, SPEC.space).find(content_id(letter.encode())) is not None


def check(place: Place, left: list[str]) -> None:
    assert place.names() == left
    assert place.points() == set(left)
    assert verify(place.settings, place.target).agrees
    for record in live_records(place.catalog, "default"):
        assert record.thumbnail is not None
        assert place.catalog.thumbnail(record.thumbnail) == record.uri[-1].encode() * 9
        assert holds(place, record.uri[-1])


def test_an_image_is_gone_with_vector_thumbnail_point_and_name(place: Place) -> None:
    place.index("x/a", "x/b", "x/c")
    done = place.forget("x/b")
    assert (done.images, done.vectors, done.thumbnail_bytes) == (1, 1, 9)
    check(place, ["x/a", "x/c"])
    assert not holds(place, "b")
    said = place.everything()
    for trace in (b"/x/b", b"bbb", content_id(b"b").encode()):
        assert trace not in said
    assert b"/x/a" in said


def test_what_lies_under_a_source_goes_and_what_others_share_stays(place: Place) -> None:
    place.index("x/a", "x/b", "xy/c")
    place.index("y/a", collection="other")
    place.index("x/t.tar!/d", "x/a", "x/b", "xy/c")
    done = place.forget("x")
    assert (done.images, done.vectors) == (3, 2)
    check(place, ["xy/c"])
    assert (holds(place, "a"), holds(place, "b"), holds(place, "d")) == (True, False, False)
    assert place.names("other") == ["y/a"]
    assert place.points("other") == {"y/a"}


def test_what_was_forgotten_comes_back_as_new_work_that_is_projected(place: Place) -> None:
    first = place.index("x/a", "x/b")
    place.forget("x")
    assert (place.names(), place.points()) == ([], set())
    second = place.index("x/a", "x/b")
    assert not set(first) & set(second)
    check(place, ["x/a", "x/b"])
    place.forget(None)
    assert not set(first + second) & set(place.index("x/a", "x/b"))
    check(place, ["x/a", "x/b"])


def test_a_collection_goes_and_the_others_stay(place: Place) -> None:
    place.index("x/a", "x/b")
    place.index("y/a", collection="other")
    runs.start(place.catalog, "run", {"collection": "default"})
    assert place.forget(None).images == 2
    assert place.catalog.collections() == ["other"]
    assert place.points() == set()
    assert place.points("other") == {"y/a"}
    assert (holds(place, "a"), holds(place, "b")) == (True, False)
    assert runs.last(place.catalog, "default") is None
    with pytest.raises(CatalogError, match="There is no collection 'default'"):
        place.forget(None)


def test_looking_changes_nothing_and_what_is_not_there_is_said(place: Place) -> None:
    place.index("x/a", "x/b")
    before = place.everything()
    found = find(place.catalog, "default", f"{ROOT}/x/a")
    assert (found.images, found.vectors, found.uris) == (1, 1, [f"{ROOT}/x/a"])
    assert place.everything() == before
    with pytest.raises(CatalogError, match="holds nothing of file:///p/z"):
        place.forget("z")


def test_nothing_is_forgotten_while_any_run_is_at_work(place: Place) -> None:
    place.index("x/a")
    place.index("y/a", collection="other")
    for busy in ("default", "other"):
        with lease.hold(place.catalog, busy, "run"), pytest.raises(LeaseHeld):
            place.forget("x")
    assert place.names() == ["x/a"]


class Killed(BaseException):
    """Stands for the process's end."""


@pytest.mark.parametrize("what", ["x", None])
def test_killed_after_any_step_nothing_comes_back_and_the_same_call_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch, what: str | None
) -> None:
    place.index("x/a", "y/b")
    place.index("x/a", "y/b", "x/c", "x/d", "y/d")
    left = [] if what is None else ["y/b", "y/d"]
    steps = 0
    while True:
        with monkeypatch.context() as patch:
            through = [steps]
            for name in ("create", "delete"):
                act = getattr(store.LocalStore, name)
                patch.setattr(store.LocalStore, name, killing(act, through))
            try:
                place.forget(what)
                break
            except Killed:
                steps += 1
            except CatalogError:
                break  # nothing of it is left
        if steps > 3 and place.catalog.collections():
            assert place.names() == left
    assert steps > 6
    if what is not None:
        check(place, left)
    assert not holds(place, "a")
    assert place.points() == set(left)
    assert b"/x/a" not in place.everything()


def killing(act: Any, left: list[int]) -> Any:
    """Lets so many writes and deletes through, leases aside, then dies before the next."""

    def maybe(self: Any, path: str, *rest: Any) -> Any:
        if not path.startswith("leases"):
            if not left[0]:
                raise Killed
            left[0] -= 1
        return act(self, path, *rest)

    return maybe
