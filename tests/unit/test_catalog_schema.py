"""Records and vectors through Parquet and back."""

import io
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdray.catalog import schema
from pdray.records import (
    Failure,
    ImageRecord,
    Metadata,
    Thumbnail,
)
from tests.handmade import SPEC

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MAYBE = st.none() | TEXT
NUMBER = st.none() | st.floats(allow_nan=False)
METADATA = st.builds(
    Metadata,
    *[MAYBE] * 4, *[NUMBER] * 2, st.none() | st.integers(0, 2**31 - 1), *[NUMBER] * 4, *[MAYBE] * 2,
    st.lists(TEXT, max_size=3).map(tuple), st.none() | st.integers(-1, 5),
)  # fmt: skip
HEX32 = st.binary(min_size=16, max_size=16).map(bytes.hex)


@st.composite
def rows(draw: st.DrawFn) -> ImageRecord:
    uri = f"file:///{draw(st.text('abc%20', max_size=8))}"
    whole = draw(st.booleans())
    failure = Failure(uri, "decode", draw(TEXT), draw(TEXT))
    return ImageRecord(
        uri=uri,
        size=draw(st.integers(0, 2**62)),
        version=draw(TEXT),
        seq=draw(st.integers(1, 2**31 - 1)),
        status="ok" if whole else "failed",
        run_id=draw(TEXT),
        image_id=draw(st.none() | st.uuids().map(str)),
        content_id=draw(st.none() | HEX32),
        phash=draw(st.none() | st.binary(min_size=8, max_size=8).map(bytes.hex)),
        width=draw(st.none() | st.integers(1, 65535)),
        height=draw(st.none() | st.integers(1, 65535)),
        format=draw(MAYBE),
        space=draw(MAYBE),
        metadata=draw(METADATA),
        thumbnail=draw(st.none() | st.builds(Thumbnail, TEXT, st.integers(0, 2**40), st.just(9))),
        failure=None if whole else failure,
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(rows(), max_size=4))
def test_records_come_back_as_they_went(records: list[ImageRecord]) -> None:
    sink = io.BytesIO()
    pq.write_table(schema.rows_table(records, {"unit": "u"}), sink)
    table = pq.read_table(io.BytesIO(sink.getvalue()))
    assert list(schema.records(table)) == records
    assert schema.document(table.schema) == {"unit": "u"}


def test_a_part_without_rows_keeps_its_columns() -> None:
    table = schema.rows_table([], {})
    assert table.schema.names == schema.ROWS.names
    assert list(schema.records(table)) == []


def test_columns_of_a_later_release_are_passed_over() -> None:
    row = ImageRecord("file:///a", 1, "v", 1, "ok", "r", str(uuid.uuid4()), "0" * 32)
    table = schema.rows_table([row], {}).append_column("later", pa.array([1]))
    assert list(schema.records(table)) == [row]


def test_vectors_come_back_as_halves_of_unit_length() -> None:
    given_vectors = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    given_vectors /= np.linalg.norm(given_vectors, axis=1, keepdims=True)
    contents = [f"{n:032x}" for n in range(5)]
    table = schema.embeddings_table(contents, given_vectors, SPEC)
    back = schema.vectors(table["vector"])
    np.testing.assert_allclose(np.linalg.norm(back, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(back, given_vectors, atol=1e-3)
    assert schema.document(table.schema)["space"] == SPEC.space


@pytest.mark.parametrize("pieces", [(0, 5), (1, 2), (3, 0)])
def test_a_slice_or_several_chunks_of_vectors_are_read_right(pieces: tuple[int, int]) -> None:
    eye = np.eye(4, dtype=np.float32)
    table = schema.embeddings_table([f"{n:032x}" for n in range(4)], eye, SPEC)
    cut = table.slice(*pieces)
    np.testing.assert_array_equal(
        schema.vectors(cut["vector"]), eye[pieces[0] : pieces[0] + pieces[1]]
    )
    both = pa.concat_tables([table.slice(2), table.slice(0, 2)])
    np.testing.assert_array_equal(schema.vectors(both["vector"]), np.roll(eye, 2, axis=0))


def test_vectors_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected vectors of shape \(2, 4\)"):
        schema.embeddings_table(["0" * 32, "1" * 32], np.zeros((2, 3), np.float32), SPEC)
