"""Tables cut by uri: whatever lies on disk, every row comes out once, with all of its uri."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdray.catalog.buckets import Buckets, together

SCHEMA = pa.schema([pa.field("uri", pa.string()), pa.field("n", pa.int64())])


def filled(names: list[str], spill: Path | None, run: int = 1 << 20) -> Buckets:
    table = Buckets(SCHEMA, spill, run)
    for start in range(0, len(names), 7):
        some = names[start : start + 7]
        numbers = pa.array(range(start, start + len(some)), pa.int64())
        table.add(pa.record_batch([pa.array(some), numbers], schema=SCHEMA), some)
    table.seal()
    return table


@given(st.lists(st.sampled_from([f"file:///{n}" for n in range(40)]), max_size=60))
def test_rows_on_disk_and_in_memory_come_out_once_in_the_order_they_came(names: list[str]) -> None:
    table = filled(names, None, run=10)
    found = pa.concat_tables(table.rows(some) for some in together(table)).to_pylist()
    assert sorted(row["n"] for row in found) == list(range(len(names)))
    for name in set(names):
        mine = [row["n"] for row in found if row["uri"] == name]
        assert mine == [n for n, other in enumerate(names) if other == name]
    table.close()


def test_two_tables_meet_in_the_same_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdray.catalog.buckets._TOGETHER", 50)
    names = [f"file:///{n}" for n in range(500)]
    one, two = filled(names, None, run=100), filled(names[::-1], None)
    ranges = list(together(one, two))
    assert len(ranges) > 5
    for some in ranges:
        assert set(one.rows(some)["uri"].to_pylist()) == set(two.rows(some)["uri"].to_pylist())
    assert sum(len(one.rows(some)) for some in ranges) == 500


def test_the_folder_for_what_does_not_fit_holds_no_name_that_a_kill_could_leave(
    tmp_path: Path,
) -> None:
    table = filled([f"file:///{n}" for n in range(100)], tmp_path / "spill", run=10)
    assert list((tmp_path / "spill").iterdir()) == []
    table.close()
