"""A unit's way through the plain stages: decode, commit, and the whole way with the real model."""

import io
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pdray.catalog.catalog import Catalog
from pdray.catalog.units import Item, Unit, unit_id
from pdray.catalog.view import KnownContents, known_contents, live_records
from pdray.ingest.stages import Committed, Job, Worker, commit, decode
from pdray.models.resolve import resolve
from pdray.records import ImageRef, ModelSpec, Preprocessing, content_id, image_id
from pdray.sources.opening import open_source
from pdray.sources.protocol import Content, Listing, one_by_one

SPEC = ModelSpec("m", "m", None, "clip", 4, "w", Preprocessing(16, 16, "exact", 16))
NONE = KnownContents.none()


def picture(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    return out.getvalue()


@dataclass(frozen=True)
class Shelf:
    """A source of bytes; an entry that is an error is raised when it is read."""

    files: dict[str, bytes | OSError] = field(default_factory=dict)
    root: str = "file:///p/"

    def list(self) -> Listing:
        found = [ImageRef(self.root + n, 1, "v") for n in self.files]
        return Listing(lambda _: iter(found))

    def read(self, uri: str, place: str = "") -> bytes:
        held = self.files[uri.removeprefix(self.root)]
        if isinstance(held, OSError):
            raise held
        return held

    def fetch(self, refs: Sequence[ImageRef]) -> Iterator[Content | OSError]:
        return one_by_one(self.read, refs)

    def covers(self, uri: str) -> bool:
        return uri.startswith(self.root)


@pytest.fixture
def catalog() -> Catalog:
    return Catalog.open(f"memory://{uuid.uuid4().hex}", create=True)


def job_of(catalog: Catalog, files: dict[str, bytes | OSError]) -> Job:
    return Job(catalog, "c", "run", SPEC, (Shelf(files),), thumbnail_side=16)


def unit_of(*items: Item) -> Unit:
    return Unit(unit_id("c", "1", items), items)


def item(name: str, seq: int = 1, **known: str) -> Item:
    return Item(f"file:///p/{name}", 100, "v", seq, 0, **known)  # type: ignore[arg-type]


def run(job: Job, unit: Unit, known: KnownContents = NONE) -> Committed:
    decoded = decode(job, known, unit, None)
    vectors = np.ones((len(decoded.contents), SPEC.dim), np.float32)
    return commit(job, decoded, vectors)


def test_every_image_of_a_unit_becomes_a_row_whatever_is_wrong_with_it(catalog: Catalog) -> None:
    files: dict[str, bytes | OSError] = {
        "a.png": picture(1),
        "b.png": b"",
        "c.png": picture(2)[:200],
        "d.png": PermissionError(13, "Permission denied"),
        "e.png": FileNotFoundError(2, "gone"),
        "f.png": OSError("the server said no"),
        "g.png": b"no picture at all",
    }
    done = run(job_of(catalog, files), unit_of(*(item(name) for name in files)))
    rows = live_records(catalog, "c")
    assert [r.uri.rsplit("/", 1)[-1] for r in rows] == list(files)
    failures = [(r.failure.stage, r.failure.kind) if r.failure else None for r in rows]
    assert failures[0] is None
    assert [kind for kind in failures[1:] if kind] == [
        ("decode", "empty"),
        ("decode", "truncated"),
        ("read", "permission"),
        ("read", "missing"),
        ("read", "io"),
        ("decode", "not-an-image"),
    ]
    assert done.counts["indexed"] + done.counts["failed"] == done.images == 7
    assert all(r.failure.reason.endswith(".") for r in rows if r.failure)


def test_a_unit_without_one_good_image_is_committed(catalog: Catalog) -> None:
    done = run(job_of(catalog, {"a": b"no"}), unit_of(item("a")))
    assert (done.counts["failed"], done.counts["embedded"]) == (1, 0)
    assert catalog.embedding_parts(SPEC.space) == []
    assert len(live_records(catalog, "c", "failed")) == 1


def test_a_new_image_gets_its_id_from_uri_and_content(catalog: Catalog) -> None:
    data = picture(1)
    run(job_of(catalog, {"a": data}), unit_of(item("a")))
    (row,) = live_records(catalog, "c")
    assert row.image_id == image_id("c", "file:///p/a", content_id(data))
    assert (row.content_id, row.width, row.height, row.format) == (
        content_id(data), 30, 20, "png"
    )  # fmt: skip


def test_an_image_that_starts_anew_gets_another_id(catalog: Catalog) -> None:
    job = job_of(catalog, {"a": picture(1)})
    run(job, unit_of(item("a")))
    first = live_records(catalog, "c")[0].image_id
    run(job, unit_of(replace(item("a", 2), born=2)))
    assert live_records(catalog, "c")[0].image_id != first


def test_an_id_that_is_carried_stays_even_when_the_image_fails(catalog: Catalog) -> None:
    identity = str(uuid.uuid4())
    job = job_of(catalog, {"a": picture(1), "b": b"broken"})
    run(job, unit_of(item("a", image_id=identity), item("b", image_id=identity)))
    assert [r.image_id for r in live_records(catalog, "c")] == [identity, identity]


def test_equal_images_are_embedded_once_and_each_has_its_thumbnail(catalog: Catalog) -> None:
    data = picture(1)
    job = job_of(catalog, {"a": data, "b": data, "c": picture(2)})
    decoded = decode(job, NONE, unit_of(item("a"), item("b"), item("c")), None)
    assert decoded.contents == [content_id(data), content_id(picture(2))]
    assert decoded.pixels.shape == (2, 16, 16, 3)
    done = commit(job, decoded, np.ones((2, 4), np.float32))
    assert (done.counts["embedded"], done.counts["reused"]) == (2, 1)
    rows = live_records(catalog, "c")
    assert len({r.image_id for r in rows}) == 3
    for row in rows:
        assert row.thumbnail is not None
        assert catalog.thumbnail(row.thumbnail).startswith(b"\xff\xd8")


def test_a_content_that_is_known_goes_through_no_model(catalog: Catalog) -> None:
    files: dict[str, bytes | OSError] = {"a": picture(1), "b": picture(2)}
    run(job_of(catalog, files), unit_of(item("a")))
    known = known_contents(catalog, SPEC.space)
    decoded = decode(job_of(catalog, files), known, unit_of(item("b"), item("a", 2)), None)
    assert decoded.contents == [content_id(picture(2))]
    done = commit(job_of(catalog, files), decoded, np.ones((1, 4), np.float32))
    assert done.counts["reused"] == 1
    first, second = sorted(catalog.embedding_parts(SPEC.space))
    assert sorted(catalog.read_part(done.part).embeddings[SPEC.space]) == [first, second]


def test_a_content_that_is_known_is_decoded_as_a_new_one_is(catalog: Catalog) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (160, 240, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG")
    files: dict[str, bytes | OSError] = {"a.jpg": out.getvalue(), "b.jpg": out.getvalue()}
    job = job_of(catalog, files)
    run(job, unit_of(item("a.jpg")))
    run(job, unit_of(item("b.jpg")), known_contents(catalog, SPEC.space))
    new, known = sorted(live_records(catalog, "c"), key=lambda row: row.uri)
    assert new.phash == known.phash
    assert new.thumbnail is not None
    assert known.thumbnail is not None
    assert catalog.thumbnail(new.thumbnail) == catalog.thumbnail(known.thumbnail)


def test_threads_change_nothing(catalog: Catalog) -> None:
    files: dict[str, bytes | OSError] = {f"{n:02d}": picture(n % 7) for n in range(20)}
    files["07"] = b"broken"
    job, unit = job_of(catalog, files), unit_of(*(item(name) for name in sorted(files)))
    alone = decode(job, NONE, unit, None)
    with ThreadPoolExecutor(4) as pool:
        together = decode(job, NONE, unit, pool)
    assert together.contents == alone.contents
    np.testing.assert_array_equal(together.pixels, alone.pixels)
    assert [replace(r, thumbnail=None) for r in together.records] == [
        replace(r, thumbnail=None) for r in alone.records
    ]


def test_outcomes_are_counted_by_what_the_catalog_knew(catalog: Catalog) -> None:
    data, identity = picture(1), str(uuid.uuid4())
    files: dict[str, bytes | OSError] = dict.fromkeys("abcd", data) | {"e": b"no"}
    same, other = content_id(data), content_id(b"before")
    unit = unit_of(
        item("a"),
        item("b", image_id=identity, content_id=same),
        item("c", image_id=identity, content_id=other),
        item("d", image_id=identity),
        item("e", image_id=identity, content_id=other),
    )
    counts = run(job_of(catalog, files), unit).counts
    assert {k: counts[k] for k in ("indexed", "updated", "unchanged", "failed")} == {
        "indexed": 1, "updated": 2, "unchanged": 1, "failed": 1
    }  # fmt: skip


def test_a_unit_committed_by_two_attempts_is_there_once_with_its_files(catalog: Catalog) -> None:
    job, unit = job_of(catalog, {"a": picture(1)}), unit_of(item("a"))
    slow = decode(job, NONE, unit, None)
    done = run(job, unit)
    late = commit(job, slow, np.ones((1, 4), np.float32))
    assert late.part == done.part
    assert catalog.parts("c") == [done.part]
    (row,) = live_records(catalog, "c")
    assert row.thumbnail is not None
    assert catalog.thumbnail(row.thumbnail)
    assert len(catalog.store.list(f"thumbs/{unit.unit_id[:2]}")) == 1
    named = catalog.read_part(done.part).embeddings[SPEC.space]
    assert catalog.vectors(named)[0] == [row.content_id]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pictures")
    for number in range(3):
        (made / f"{number} é%.png").write_bytes(picture(number))
    (made / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    return made


def test_a_worker_takes_files_to_embeddings(folder: Path, catalog: Catalog) -> None:
    source, spec = open_source(str(folder)), resolve("builtin")
    job = Job(catalog, "c", "run", spec, (source,))
    refs = [e for e in source.list() if isinstance(e, ImageRef)]
    unit = unit_of(*(Item(r.uri, r.size, r.version, 1, 0) for r in refs))
    done = Worker(job, NONE).process(unit)
    assert (done.counts["indexed"], done.counts["failed"], done.counts["embedded"]) == (3, 1, 3)
    whole = live_records(catalog, "c", "ok")
    contents, vectors = catalog.vectors(catalog.embedding_parts(spec.space))
    assert set(contents) == {r.content_id for r in whole}
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert done.seconds.keys() == {"decode", "embed", "commit"}
    assert done.ended >= done.began
