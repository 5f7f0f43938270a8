"""Opening a workspace, and the commit point."""

import json
import uuid
from pathlib import Path

import numpy as np
import pytest

from pdray.catalog.catalog import Catalog, new_attempt
from pdray.catalog.store import LocalStore
from pdray.errors import CatalogError
from pdray.records import ImageRecord, Thumbnail, content_id
from tests.handmade import SPEC

UNIT = "0123456789abcdef" * 2
CONTENT = content_id(b"x")


class ForgetfulStore(LocalStore):
    """Loses the answer to each write once, as a network does; its client then tries again."""

    def create(self, path: str, data: bytes) -> bool:
        super().create(path, data)
        return super().create(path, data)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog.open(str(tmp_path / "w"), create=True)


def attempt(catalog: Catalog) -> tuple[bool, ImageRecord, str]:
    """One attempt at the same unit: (committed, its row, its embedding part)."""
    name = new_attempt()
    (thumbnail,) = catalog.write_thumbnails(UNIT, name, [b"jpeg"])
    part = catalog.write_embeddings(UNIT, name, SPEC, [CONTENT], np.ones((1, 4), np.float32))
    row = ImageRecord(
        "file:///a", 1, "v", 1, "ok", name, str(uuid.uuid4()), CONTENT, thumbnail=thumbnail
    )
    done = catalog.commit("c", UNIT, [row], {SPEC.space: [part]}, {thumbnail.pack})
    return done, row, part


def test_of_two_attempts_the_first_counts_and_the_second_takes_its_files_away(
    catalog: Catalog,
) -> None:
    first, row, part = attempt(catalog)
    second, lost, _ = attempt(catalog)
    assert (first, second) == (True, False)
    (path,) = catalog.parts("c")
    assert catalog.read_part(path).records == [row]
    assert catalog.read_part(path).embeddings == {SPEC.space: [part]}
    assert row.thumbnail is not None
    assert lost.thumbnail is not None
    assert catalog.thumbnail(row.thumbnail) == b"jpeg"
    with pytest.raises(FileNotFoundError):
        catalog.thumbnail(lost.thumbnail)


def test_vectors_of_a_lost_attempt_stay_for_whoever_came_to_use_them(catalog: Catalog) -> None:
    attempt(catalog)
    _, _, part = attempt(catalog)
    assert part in catalog.embedding_parts(SPEC.space)


def test_a_commit_whose_answer_was_lost_keeps_its_files(tmp_path: Path) -> None:
    catalog = Catalog(ForgetfulStore(tmp_path))
    done, row, _ = attempt(catalog)
    assert done
    assert row.thumbnail is not None
    assert catalog.thumbnail(row.thumbnail) == b"jpeg"


def test_thumbnails_lie_one_after_the_other(catalog: Catalog) -> None:
    places = catalog.write_thumbnails(UNIT, "a", [b"one", b"", b"three"])
    assert [catalog.thumbnail(where) for where in places] == [b"one", b"", b"three"]
    assert places[2] == Thumbnail(f"thumbs/01/{UNIT}-a.pack", 3, 5)
    assert catalog.write_thumbnails(UNIT, "b", []) == []


def test_a_unit_without_rows_is_committed_too(catalog: Catalog) -> None:
    assert catalog.commit("c", UNIT, [], {})
    assert catalog.read_part(catalog.part_path("c", UNIT)).records == []


def test_vectors_of_several_parts_come_in_the_order_asked(catalog: Catalog) -> None:
    paths = [
        catalog.write_embeddings(UNIT, a, SPEC, [a * 32], np.full((1, 4), v, np.float32))
        for a, v in (("a", 1), ("b", -1))
    ]
    contents, vectors = catalog.vectors(reversed(paths))
    assert contents == ["b" * 32, "a" * 32]
    np.testing.assert_allclose(vectors, [[-0.5] * 4, [0.5] * 4])
    assert catalog.vectors([])[1].shape[0] == 0


def test_a_workspace_that_is_not_there_is_only_made_when_asked(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="There is no workspace"):
        Catalog.open(str(tmp_path / "w"))
    assert Catalog.open(str(tmp_path / "w"), absent=True).collections() == []
    assert list(tmp_path.iterdir()) == []
    Catalog.open(str(tmp_path / "w"), create=True)
    assert Catalog.open(str(tmp_path / "w")).collections() == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "x"}'])
def test_a_folder_with_a_format_file_of_someone_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "format.json").write_text(text)
    with pytest.raises(CatalogError, match="is not pdray's"):
        Catalog.open(str(tmp_path), create=True)


def test_a_newer_workspace_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "format.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(CatalogError, match="Install a newer pdray"):
        Catalog.open(str(tmp_path))


@pytest.mark.parametrize("create", [True, False])
def test_a_file_is_no_workspace(tmp_path: Path, create: bool) -> None:
    (tmp_path / "w").write_text("x")
    with pytest.raises(CatalogError):
        Catalog.open(str(tmp_path / "w"), create=create)


def test_files_that_a_sweep_took_are_missed_before_the_commit(catalog: Catalog) -> None:
    _, row, part = attempt(catalog)
    assert row.thumbnail is not None
    catalog.require([part, row.thumbnail.pack])
    catalog.store.delete(row.thumbnail.pack)
    with pytest.raises(CatalogError, match=r"\.pack was removed before its unit was committed"):
        catalog.require([part, row.thumbnail.pack])
