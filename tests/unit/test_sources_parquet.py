"""Parquet files as sources: which columns count, what is read, URLs, and what is broken."""

import datetime
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pdray.records import Failure, ImageRef
from pdray.sources import Content, Source, Unreadable, open_source
from pdray.sources.columns import Columns
from pdray.sources.storage import Storage


def picture(shade: int) -> bytes:
    data = io.BytesIO()
    Image.new("L", (5, 4), shade).save(data, format="PNG")
    return data.getvalue()


def write(path: Path, groups: int = 2, **columns: Any) -> Path:
    table = pa.table(columns)
    pq.write_table(table, path, row_group_size=max(1, -(-table.num_rows // groups)))
    return path


def images(source: Source) -> list[ImageRef]:
    return [entry for entry in source.list() if isinstance(entry, ImageRef)]


def contents(source: Source, refs: Sequence[ImageRef] | None = None) -> list[Content]:
    found = list(source.fetch(images(source) if refs is None else refs))
    for one in found:
        assert isinstance(one, Content), one
    return [one for one in found if isinstance(one, Content)]


def test_rows_are_images_named_by_their_number(tmp_path: Path) -> None:
    shades = [picture(n) for n in range(7)]
    path = write(tmp_path / "t.parquet", 3, jpg=shades, width=list(range(7)))
    source = open_source(str(tmp_path))
    refs = images(source)
    root = path.resolve().as_uri()
    assert [ref.uri for ref in refs] == [f"{root}!/{n:09d}" for n in range(7)]
    assert [one.data for one in contents(source, refs)] == shades
    assert [one.data for one in contents(source, refs[4:6])] == shades[4:6]
    assert [one.data for one in contents(source, refs[::-2])] == shades[::-2]
    assert all(source.covers(ref.uri) for ref in refs)
    assert source.read(refs[5].uri) == source.read(refs[5].uri, refs[5].place) == shades[5]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"other": [b"x"], "image": [b"1"]}, b"1"),
        ({"image": [{"bytes": b"1", "path": None}]}, b"1"),
        ({"Image_Bytes": pa.array([b"1"], pa.large_binary()), "hash": [b"x"]}, b"1"),
        ({"whatever": [b"1"], "url": ["https://nowhere.invalid/x.png"]}, b"1"),
    ],
)
def test_the_column_of_images_is_found_by_its_usual_name_or_by_being_alone(
    tmp_path: Path, columns: dict[str, Any], expected: bytes
) -> None:
    path = write(tmp_path / "t.parquet", **columns)
    assert [one.data for one in contents(open_source(str(path)))] == [expected]


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.parquet",
        image=[b"x", b"x", b"x"],
        thumb=[b"1", b"2", b"3"],
        id=["b", "a/ü", "b"],
        alt=["B", "A", ""],
    )
    columns = Columns(image="thumb", key="id", caption="alt")
    source = open_source(str(path), columns=columns)
    refs = images(source)
    assert [ref.uri.partition("!/")[2] for ref in refs] == ["b", "a/%C3%BC", "b~000000002"]
    by_uri = sorted(refs, key=lambda ref: ref.uri)
    found = contents(source, by_uri)
    assert [(one.data, one.caption) for one in found] == [(b"2", "A"), (b"1", "B"), (b"3", None)]


def test_what_stands_beside_the_image_becomes_caption_and_facts(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.parquet",
        image=[{"bytes": b"1", "path": "a.png"}],
        caption=["a red barn"],
        score=[0.5],
        day=[datetime.date(2024, 5, 1)],
        price=[Decimal("1.50")],
        nothing=pa.array([None], pa.string()),
        vector=[[1.0, 2.0]],
    )
    (one,) = contents(open_source(str(path)))
    assert one.caption == "a red barn"
    assert json.loads(one.extra or "") == {
        "path": "a.png", "score": 0.5, "day": "2024-05-01", "price": 1.5,
    }  # fmt: skip


def test_an_unchanged_file_keeps_its_versions_and_a_changed_one_does_not(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", image=[b"1", b"2"])
    before = images(open_source(str(path)))
    assert images(open_source(str(path))) == before
    write(path, image=[b"1", b"22222"])
    assert not {r.version for r in images(open_source(str(path)))} & {r.version for r in before}


def test_a_row_without_an_image_fails_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", image=[b"1", None, b"3"])
    source = open_source(str(path))
    first, second, third = source.fetch(images(source))
    assert isinstance(first, Content)
    assert str(second) == "The row holds no image."
    assert isinstance(third, Content)


@pytest.mark.parametrize(
    ("columns", "kept"),
    [({"a": [1]}, None), ({"x": [b"1"], "y": [b"2"]}, None), ({"image": [b"1"] * 50}, 200)],
)
def test_a_file_that_holds_no_images_or_is_broken_says_so(
    tmp_path: Path, columns: dict[str, Any], kept: int | None
) -> None:
    path = write(tmp_path / "t.parquet", **columns)
    if kept:
        path.write_bytes(path.read_bytes()[:kept])
    fault, shield = open_source(str(tmp_path)).list()
    assert isinstance(fault, Failure)
    assert isinstance(shield, Unreadable)
    assert (fault.uri, fault.kind) == (shield.prefix, "damaged")
    assert fault.reason.endswith(".")


def test_a_file_that_shrank_since_it_was_listed_fails_image_by_image(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", 1, image=[b"1", b"2", b"3"])
    source = open_source(str(path))
    refs = images(source)
    write(path, 1, image=[b"1"])
    first, *rest = source.fetch(refs)
    assert isinstance(first, Content)
    assert [isinstance(one, OSError) for one in rest] == [True, True]
    path.unlink()
    assert [isinstance(one, OSError) for one in source.fetch(refs)] == [True] * 3


def test_paths_in_a_column_start_from_the_tables_folder(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img/a b.png").write_bytes(picture(1))
    path = write(
        tmp_path / "t.parquet",
        url=["img/a b.png", (tmp_path / "img/a b.png").as_uri(), "none.png", None, "gopher://x/y"],
    )
    source = open_source(str(path))
    first, second, third, fourth, fifth = source.fetch(images(source))
    assert isinstance(first, Content)
    assert isinstance(second, Content)
    assert first.data == second.data == picture(1)
    assert json.loads(first.extra or "") == {"url": "img/a b.png"}
    assert isinstance(third, FileNotFoundError)
    assert [isinstance(one, OSError) for one in (fourth, fifth)] == [True, True]


def test_a_table_from_elsewhere_reads_no_file_of_this_machine(tmp_path: Path, s3: Any) -> None:
    import fsspec

    (tmp_path / "a.png").write_bytes(picture(1))
    path = write(tmp_path / "t.parquet", url=[str(tmp_path / "a.png"), "s3://tables/b.png"])
    system = fsspec.filesystem("s3", **s3.options)
    system.mkdir("tables")
    system.pipe_file("tables/t.parquet", path.read_bytes())
    system.pipe_file("tables/b.png", picture(2))
    source = open_source("s3://tables/t.parquet", storage=Storage({"s3": s3.options}))
    first, second = source.fetch(images(source))
    assert "file of this machine" in str(first)
    assert isinstance(second, Content)
    assert second.data == picture(2)
