"""Status, failures, verify and rebuild over a catalog and a real embedded index."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pdray.catalog import lease, pointer
from pdray.config import Settings
from pdray.errors import CatalogError, LeaseHeld
from pdray.ingest.maintain import failures, rebuild, status, verify
from pdray.records import (
    Failure,
    ImageRecord,
    Status,
    content_id,
    image_id,
)
from tests.handmade import DIM, SPEC, Workspace


class Place(Workspace):
    """A workspace whose collection knows its model from the start."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        pointer.advance(self.catalog, "default", SPEC)

    def commit(self, unit: str, *rows: ImageRecord, collection: str = "default") -> None:
        contents = sorted({str(r.content_id) for r in rows if r.status == "ok"})
        vectors = np.random.default_rng(0).normal(size=(len(contents), DIM)).astype(np.float32)
        paths = []
        if contents:
            paths = [self.catalog.write_embeddings(unit * 32, "a", SPEC, contents, vectors)]
        self.catalog.commit(collection, unit * 32, rows, {SPEC.space: paths})

    def ids(self) -> set[str]:
        return set(self.indexed())


def row(name: str, seq: int = 1, status: Status = "ok", collection: str = "default") -> ImageRecord:
    uri, content = f"file:///p/{name}", content_id(name.encode())
    failure = Failure(uri, "decode", "corrupt", "It is damaged.") if status == "failed" else None
    return ImageRecord(
        uri, 1, f"v{seq}", seq, status, "r", image_id(collection, uri, content),
        content if status == "ok" else None, space=SPEC.space, failure=failure,
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_status_counts_what_is_committed_indexed_and_waiting(place: Place) -> None:
    place.commit("1", row("a"), row("b"), row("c", status="failed"))
    place.catch_up()
    place.commit("2", row("d"), row("a", 2, "deleted"))
    (found,) = status(place.settings, place.target)["collections"]
    shown = {k: found[k] for k in ("name", "model", "committed", "points", "pending", "failed")}
    assert shown == {
        "name": "default", "model": "m", "committed": 2, "points": 2, "pending": 2, "failed": 1
    }  # fmt: skip


def test_failures_are_the_live_rows_that_failed(place: Place) -> None:
    place.commit("1", row("a", status="failed"), row("b", status="failed"))
    place.commit("2", row("b", 2))
    assert failures(place.settings) == [row("a", status="failed")]


def test_verify_agrees_after_catching_up_and_counts_every_kind_of_difference(place: Place) -> None:
    place.commit("1", row("a"), row("b"), row("c"))
    place.catch_up()
    agreement = verify(place.settings, place.target)
    assert (agreement.agrees, agreement.images, agreement.points) == (True, 3, 3)
    place.commit("2", row("a", 2), row("b", 2, "deleted"), row("d"))
    agreement = verify(place.settings, place.target)
    assert (agreement.missing, agreement.surplus, agreement.outdated) == (1, 1, 1)
    assert not agreement.agrees
    assert len(agreement.examples) == 3
    place.catch_up()
    assert verify(place.settings, place.target).agrees


def test_verify_tells_of_two_images_with_one_id(place: Place) -> None:
    one = row("a")
    place.commit("1", one)
    place.catch_up()
    twin = ImageRecord(
        "file:///p/z", 1, "v", 1, "ok", "r", one.image_id, one.content_id, space=SPEC.space
    )
    place.catalog.commit("default", "2" * 32, [twin], {})
    assert verify(place.settings, place.target).shared_ids == 1


def test_a_rebuild_makes_a_lost_index_anew_for_all_that_share_it(place: Place) -> None:
    pointer.advance(place.catalog, "other", SPEC)
    place.commit("1", row("a"), row("b"), row("c", status="failed"))
    place.commit("2", row("b", 2, "deleted"))
    place.commit("3", row("x", collection="other"), collection="other")
    place.catch_up()
    shutil.rmtree(place.settings.state_dir)
    told: dict[str, int] = {}
    points = rebuild(place.settings, place.target, told.__setitem__)
    assert points == 2
    assert place.ids() == {row("a").image_id, row("x", collection="other").image_id}
    assert told.keys() == {"default", "other"}
    assert verify(place.settings, place.target).agrees


def test_a_rebuild_waits_for_no_run(place: Place) -> None:
    place.commit("1", row("a"))
    with lease.hold(place.catalog, "default", "run"), pytest.raises(LeaseHeld):
        rebuild(place.settings, place.target)


def test_a_collection_that_was_never_indexed_is_said_to_be_empty(place: Place) -> None:
    settings = Settings(
        workspace=place.settings.workspace, state_dir=place.settings.state_dir, collection="nope"
    )
    for act in (lambda: failures(settings), lambda: verify(settings, place.target)):
        with pytest.raises(CatalogError, match=r"Collection 'nope' .* is empty"):
            act()
