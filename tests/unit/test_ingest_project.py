"""The catalog's parts in a real embedded index: order, repetition, loss and change of model."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pdray.catalog import captions
from pdray.catalog.catalog import Catalog
from pdray.index.opening import rebuild_index
from pdray.index.protocol import Index
from pdray.index.target import IndexTarget
from pdray.ingest.project import Projector
from pdray.records import (
    CaptionerSpec,
    Failure,
    ImageRecord,
    Metadata,
    ModelSpec,
    Preprocessing,
    Status,
    content_id,
    image_id,
)
from tests.handmade import DIM, SPEC

OTHER = replace(SPEC, name="other", fingerprint="other weights")


def vector(text: str) -> NDArray[np.float32]:
    raw = np.random.default_rng(list(text.encode())).normal(size=DIM).astype(np.float32)
    return np.asarray(raw / np.linalg.norm(raw), np.float32)


class World:
    """A catalog whose parts are written by hand, and an index."""

    def __init__(self, folder: Path) -> None:
        self.catalog = Catalog.open(f"memory://{folder}", create=True)
        self.target = IndexTarget(folder / "state", f"memory://{folder}")
        self.parts = 0

    def commit(
        self,
        *rows: ImageRecord,
        embed: str = "",
        spec: ModelSpec = SPEC,
        named: bool = True,
        unit: str = "",
    ) -> str:
        """A part of these rows; `embed` are the one-letter contents that it has vectors for."""
        self.parts += 1
        unit = unit or f"{self.parts:032x}"
        paths = []
        if embed:
            contents, vectors = [content(c) for c in embed], np.stack([vector(c) for c in embed])
            paths = [self.catalog.write_embeddings(unit, "x", spec, contents, vectors)]
        self.catalog.commit("c", unit, rows, {spec.space: paths if named else []})
        return self.catalog.part_path("c", unit)

    def open(self, spec: ModelSpec = SPEC) -> Projector:
        return Projector.open(self.catalog, self.target, spec)


def content(text: str) -> str:
    return content_id(text.encode())


def row(
    name: str, text: str, seq: int = 1, status: Status = "ok", identity: str | None = None
) -> ImageRecord:
    uri = f"file:///p/{name}"
    return ImageRecord(
        uri, len(text), f"v{seq}", seq, status, "run", identity or identity_of(name, text),
        content(text) if status != "failed" else None, space=SPEC.space,
        failure=Failure(uri, "decode", "corrupt", "Broken.") if status == "failed" else None,
    )  # fmt: skip


def identity_of(name: str, text: str) -> str:
    return image_id("c", f"file:///p/{name}", content(text))


def shown(index: Index) -> dict[str, tuple[str, int]]:
    """Points as {id: (uri, seq)}."""
    return {i: (p["uri"], p["seq"]) for i, p in index.scroll("c", ["uri", "seq"])}


def expected(*rows: ImageRecord) -> dict[str, tuple[str, int]]:
    return {str(r.image_id): (r.uri, r.seq) for r in rows}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def projector(world: World) -> Iterator[Projector]:
    projector = world.open()
    yield projector
    projector.close()


def test_a_rebuild_stores_the_very_vectors_that_ingestion_stored(world: World) -> None:
    projector = world.open()
    projector.apply(world.commit(row("a", "A"), row("b", "B"), embed="AB"))
    ids = [identity_of("a", "A"), identity_of("b", "B")]
    before = projector.index.retrieve(ids, with_vectors=True)
    projector.close()
    with rebuild_index(world.target, SPEC.space, DIM) as index:
        Projector(world.catalog, index, SPEC).catch_up("c")
        after = index.retrieve(ids, with_vectors=True)
    for one, two, text in zip(before, after, "AB", strict=True):
        assert one.vector is not None
        assert two.vector is not None
        np.testing.assert_array_equal(one.vector, two.vector)
        assert float(one.vector @ vector(text)) > 0.999


def test_a_part_applied_twice_leaves_one_point(world: World, projector: Projector) -> None:
    part = world.commit(row("a", "A"), embed="A")
    projector.apply(part)
    projector.apply(part)
    projector.catch_up("c")
    assert shown(projector.index) == expected(row("a", "A"))
    assert projector.pending("c") == []


def test_catching_up_shows_only_the_last_row_whatever_the_order(
    world: World, projector: Projector
) -> None:
    identity = identity_of("a", "A")
    newer = world.commit(row("a", "B", 2, identity=identity), embed="B", unit="1" * 32)
    world.commit(row("a", "A"), embed="A", unit="2" * 32)
    projector.apply(newer)
    projector.catch_up("c")
    assert shown(projector.index) == {identity: ("file:///p/a", 2)}


def test_a_deleted_and_a_failed_image_lose_their_points(world: World, projector: Projector) -> None:
    kept, gone, broken = row("a", "A"), row("b", "B"), row("c", "C")
    projector.apply(world.commit(kept, gone, broken, embed="ABC"))
    failed = row("c", "C", 2, "failed", identity=broken.image_id)
    projector.apply(world.commit(row("b", "B", 2, "deleted"), failed))
    assert len(shown(projector.index)) == 3
    projector.catch_up("c")
    assert shown(projector.index) == expected(kept)


def test_a_moved_image_keeps_its_point_when_its_old_uri_ends(
    world: World, projector: Projector
) -> None:
    before = row("a", "A")
    projector.apply(world.commit(before, embed="A"))
    after = row("b", "A", identity=before.image_id)
    world.commit(row("a", "A", 2, "deleted"), after)
    projector.catch_up("c")
    assert shown(projector.index) == expected(after)


def test_an_image_replaced_by_a_moved_one_loses_its_point(
    world: World, projector: Projector
) -> None:
    moved, replaced = row("a", "A"), row("b", "B")
    projector.apply(world.commit(moved, replaced, embed="AB"))
    after = row("b", "A", 3, identity=moved.image_id)
    world.commit(row("a", "A", 2, "deleted"), row("b", "B", 2, "deleted"), after)
    projector.catch_up("c")
    assert shown(projector.index) == expected(after)


def test_a_vector_that_no_part_names_is_found_in_the_space(
    world: World, projector: Projector
) -> None:
    world.commit(row("a", "A"), embed="A")
    copy = row("b", "A")
    world.commit(copy)
    projector.catch_up("c")
    assert identity_of("b", "A") in shown(projector.index)


def test_images_without_a_vector_wait_and_stop_nobody_else(
    world: World, projector: Projector
) -> None:
    whole = world.commit(row("a", "A"), embed="A")
    waiting = world.commit(row("b", "B"), row("c", "C"), embed="C")
    projector.catch_up("c")
    assert shown(projector.index) == expected(row("a", "A"), row("c", "C"))
    assert (projector.lacking, projector.pending("c")) == (1, [waiting])
    world.commit(row("b", "B", 2), embed="B")
    projector.catch_up("c")
    assert (projector.lacking, projector.pending("c")) == (0, [])
    assert whole not in projector.pending("c")


def test_a_lost_embedding_file_makes_its_images_wait(world: World, projector: Projector) -> None:
    world.commit(row("a", "A"), embed="A")
    for path in world.catalog.embedding_parts(SPEC.space):
        world.catalog.store.delete(path)
    world.commit(row("b", "B"), embed="B")
    projector.catch_up("c")
    assert (projector.lacking, list(shown(projector.index))) == (1, [identity_of("b", "B")])


def test_another_model_starts_empty_and_says_what_it_lacks(world: World) -> None:
    world.commit(row("a", "A"), row("b", "B"), embed="AB")
    projector = world.open(OTHER)
    assert projector.catch_up("c") == 0
    assert (projector.lacking, shown(projector.index)) == (2, {})
    again = [replace(row(n, t, 2), space=OTHER.space) for n, t in ("aA", "bB")]
    again = [replace(r, image_id=identity_of(*n)) for r, n in zip(again, ("aA", "bB"), strict=True)]
    projector.apply(world.commit(*again, embed="AB", spec=OTHER))
    projector.catch_up("c")
    assert (projector.lacking, projector.pending("c")) == (0, [])
    assert shown(projector.index) == expected(*again)
    projector.close()


def test_what_the_index_missed_is_applied_by_the_next_that_opens_it(world: World) -> None:
    first = world.open()
    first.apply(world.commit(row("a", "A"), embed="A"))
    first.close()
    missed = world.commit(row("b", "B"), row("a", "A", 2, "deleted"), embed="B")
    second = world.open()
    assert second.pending("c") == [missed]
    second.catch_up("c")
    assert shown(second.index) == expected(row("b", "B"))
    second.close()


def test_collections_that_share_an_index_do_not_touch_each_other(
    world: World, projector: Projector
) -> None:
    world.commit(row("a", "A"), embed="A")
    projector.catch_up("c")
    world.catalog.commit("d", "f" * 32, [row("a", "A", 1, "deleted", identity_of("z", "Z"))], {})
    projector.catch_up("d")
    assert shown(projector.index) == expected(row("a", "A"))


def test_catching_up_now_and_then_ends_as_a_rebuild_does(world: World) -> None:
    rng = random.Random(7)
    live: dict[str, ImageRecord] = {}
    projector = world.open()
    for _ in range(40):
        name, text = rng.choice("abcd"), rng.choice("ABC")
        before = live.get(name)
        status: Status = rng.choice(["ok", "ok", "deleted", "failed"])
        identity = before.image_id if before and before.status != "deleted" else None
        live[name] = row(name, text, before.seq + 1 if before else 1, status, identity)
        world.commit(live[name], embed=text, unit=f"{rng.getrandbits(128):032x}")
        if rng.random() < 0.3:
            projector.catch_up("c")
    projector.catch_up("c")
    wanted = expected(*(r for r in live.values() if r.status == "ok"))
    assert shown(projector.index) == wanted
    projector.close()
    with rebuild_index(world.target, SPEC.space, DIM) as index:
        Projector(world.catalog, index, SPEC).catch_up("c")
        assert shown(index) == wanted


CAPTIONER = CaptionerSpec("blip", "blip", None, "blip", "weights", Preprocessing(8, 8, "exact", 8))


def said(index: Index) -> dict[str, tuple[str | None, str | None]]:
    """Captions by file name, with who made them."""
    points = index.scroll("c", ["name", "caption", "caption_by"])
    return {p["name"]: (p.get("caption"), p.get("caption_by")) for _, p in points}


def test_captions_of_what_is_indexed_reach_the_points_and_a_rebuild_gives_the_same(
    world: World,
) -> None:
    projector = world.open()
    own = replace(row("b", "B"), metadata=Metadata(caption="by a person"))
    projector.apply(world.commit(row("a", "A"), own, row("a2", "A"), embed="AB"))
    projector.apply(world.commit(row("c", "C"), embed="C"))
    projector.catch_up("c")
    captions.serve(world.catalog, "c", CAPTIONER)
    captions.write(world.catalog, CAPTIONER, "u", [content("A"), content("B")], ["a star", "no"])
    assert len(projector.pending("c")) == 1
    projector.catch_up("c")
    wanted = {
        "a": ("a star", "blip"),
        "a2": ("a star", "blip"),
        "b": ("by a person", None),
        "c": (None, None),
    }
    assert said(projector.index) == wanted
    assert projector.pending("c") == []
    projector.close()
    with rebuild_index(world.target, SPEC.space, DIM) as index:
        Projector(world.catalog, index, SPEC).catch_up("c")
        assert said(index) == wanted


def test_a_part_committed_with_its_captions_has_them_at_once(
    world: World, projector: Projector
) -> None:
    captions.serve(world.catalog, "c", CAPTIONER)
    captions.write(world.catalog, CAPTIONER, "5" * 32, [content("A")], ["a star"])
    projector.apply(world.commit(row("a", "A"), embed="A", unit="5" * 32))
    assert said(projector.index) == {"a": ("a star", "blip")}
    assert projector.catch_up("c") == 0  # it was not written twice
    projector.apply(world.commit(row("copy", "A"), unit="6" * 32))
    assert said(projector.index)["copy"] == ("a star", "blip")
