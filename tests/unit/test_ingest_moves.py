"""Renames, swaps, chains and copies over several runs, with real catalogs and no model."""

import hashlib
import uuid
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdray.catalog.catalog import Catalog
from pdray.catalog.plan import Plan, Vanished
from pdray.catalog.planner import Planner
from pdray.catalog.units import Item, unit_id
from pdray.catalog.view import KnownContents, live_records
from pdray.ingest import moves
from pdray.ingest.stages import new_id
from pdray.records import ImageRecord, ImageRef, content_id

ROOT = "file:///p/"
SPACE = "space-a"


class Folder:
    """Files with versions as a file system gives them, and the runs that index them."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, str]] = {}
        self.catalog = Catalog.open(f"memory://{uuid.uuid4().hex}", create=True)
        self.clock = 0
        self.read: list[str] = []
        self.unreadable: set[str] = set()
        self.plan = Plan()
        self.moved = moves.Moves()

    def write(self, name: str, text: str) -> None:
        self.clock += 1
        self.files[name] = (text.encode(), f"{self.clock}-{len(text)}")

    def rename(self, old: str, new: str) -> None:
        self.files[new] = self.files.pop(old)

    def run(self, *, until: str = "end") -> None:
        with Planner(self.catalog, "c", SPACE, None) as planner:
            for name, (data, version) in sorted(self.files.items()):
                planner.add(ImageRef(ROOT + name, len(data), version), 0)
            planner.listed(ROOT)
            self.plan = planner.plan()
            self.plan.vanished = list(self.plan.vanished)
            run_id = uuid.uuid4().hex
            self.moved = moves.find(planner, self._read)
            moves.commit(self.catalog, "c", run_id, KnownContents.none(), SPACE, self.moved)
            if until == "moves":
                return
            for item in self.moved.rest(planner.items()):
                self._index(item, run_id)
        gone = [v for v in self.plan.vanished if v.uri not in self.moved.left]
        moves.commit_tombstones(self.catalog, "c", run_id, gone)

    def _read(self, item: Item) -> bytes:
        name = item.uri.removeprefix(ROOT)
        self.read.append(name)
        if name in self.unreadable:
            raise PermissionError(13, "Permission denied")
        return self.files[name][0]

    def _index(self, item: Item, run_id: str) -> None:
        content = content_id(self.files[item.uri.removeprefix(ROOT)][0])
        row = ImageRecord(
            item.uri, item.size, item.version, item.seq, "ok", run_id,
            item.image_id or new_id("c", item, content), content, space=SPACE,
        )  # fmt: skip
        self.catalog.commit("c", unit_id("c", "test", [item]), [row], {})

    def rows(self) -> dict[str, ImageRecord]:
        return {r.uri.removeprefix(ROOT): r for r in live_records(self.catalog, "c")}

    def ids(self) -> dict[str, str | None]:
        return {name: row.image_id for name, row in self.rows().items()}

    def check(self) -> None:
        rows = self.rows()
        assert rows.keys() == self.files.keys()
        for name, (data, version) in self.files.items():
            assert (rows[name].content_id, rows[name].version) == (content_id(data), version)
        ids = [row.image_id for row in rows.values()]
        assert len(set(ids)) == len(ids)


@pytest.fixture
def folder() -> Folder:
    return Folder()


def test_a_renamed_file_keeps_its_id_and_everything_else(folder: Folder) -> None:
    folder.write("a.jpg", "one")
    folder.run()
    before = folder.rows()["a.jpg"]
    folder.rename("a.jpg", "b.jpg")
    folder.run()
    after = folder.rows()["b.jpg"]
    assert (after.image_id, after.content_id) == (before.image_id, before.content_id)
    assert len(folder.moved.pairs) == 1
    folder.check()


def test_swapped_names_swap_ids_in_one_run(folder: Folder) -> None:
    folder.write("a.jpg", "one")
    folder.write("b.jpg", "two")
    folder.run()
    before = folder.ids()
    folder.rename("a.jpg", "x")
    folder.rename("b.jpg", "a.jpg")
    folder.rename("x", "b.jpg")
    folder.run()
    assert folder.ids() == {"a.jpg": before["b.jpg"], "b.jpg": before["a.jpg"]}
    assert (len(folder.moved.pairs), folder.moved.replaced) == (2, 2)
    folder.check()


def test_a_chain_of_renames_carries_every_id(folder: Folder) -> None:
    for number in range(5):
        folder.write(f"{number}.jpg", "text" * (number + 1))
    folder.run()
    before = folder.ids()
    for number in reversed(range(5)):
        folder.rename(f"{number}.jpg", f"{number + 1}.jpg")
    folder.run()
    assert folder.ids() == {f"{n + 1}.jpg": before[f"{n}.jpg"] for n in range(5)}
    folder.check()


def test_an_image_moved_onto_another_replaces_it(folder: Folder) -> None:
    folder.write("a.jpg", "one")
    folder.write("b.jpg", "another")
    folder.run()
    before = folder.ids()
    folder.rename("a.jpg", "b.jpg")
    folder.run()
    assert folder.ids() == {"b.jpg": before["a.jpg"]}
    folder.check()


def test_another_image_at_a_name_that_moved_on_starts_anew(folder: Folder) -> None:
    folder.write("a.jpg", "one")
    folder.run()
    before = folder.ids()["a.jpg"]
    folder.rename("a.jpg", "b.jpg")
    folder.write("a.jpg", "something else")
    folder.run()
    assert folder.ids()["b.jpg"] == before
    assert set(folder.moved.anew) == {ROOT + "a.jpg"}
    folder.check()


def test_a_run_killed_after_the_moves_is_finished_by_the_next(folder: Folder) -> None:
    folder.write("a.jpg", "one")
    folder.run()
    before = folder.ids()["a.jpg"]
    folder.rename("a.jpg", "b.jpg")
    folder.write("a.jpg", "something else")
    folder.run(until="moves")
    assert folder.ids() == {"b.jpg": before}
    folder.run()
    assert folder.ids()["b.jpg"] == before
    folder.check()


def test_a_changed_file_keeps_its_id(folder: Folder) -> None:
    folder.write("a.jpg", "one")
    folder.run()
    before = folder.ids()
    folder.write("a.jpg", "two")
    folder.run()
    assert folder.ids() == before
    folder.check()


def test_a_copy_is_an_image_of_its_own_and_outlives_its_original(folder: Folder) -> None:
    folder.write("a.jpg", "one")
    folder.run()
    original = folder.ids()["a.jpg"]
    folder.write("b.jpg", "one")
    folder.run()
    copy = folder.ids()["b.jpg"]
    assert copy != original
    del folder.files["a.jpg"]
    folder.run()
    assert folder.ids() == {"b.jpg": copy}


def test_of_two_copies_the_one_that_vanished_gives_its_id(folder: Folder) -> None:
    folder.write("a.jpg", "one")
    folder.write("b.jpg", "one")
    folder.run()
    before = folder.ids()
    folder.rename("b.jpg", "c.jpg")
    folder.run()
    assert folder.ids() == {"a.jpg": before["a.jpg"], "c.jpg": before["b.jpg"]}


def test_a_copy_back_to_a_name_that_was_left_gets_an_id_of_its_own(folder: Folder) -> None:
    folder.write("a.jpg", "one")
    folder.run()
    folder.rename("a.jpg", "b.jpg")
    folder.run()
    folder.write("a.jpg", "one")
    folder.run()
    folder.check()


def test_a_file_that_comes_back_gets_the_id_that_it_had(folder: Folder) -> None:
    folder.write("a.jpg", "one")
    folder.run()
    before = folder.ids()
    away = folder.files.pop("a.jpg")
    folder.run()
    assert folder.ids() == {}
    folder.files["a.jpg"] = away
    folder.run()
    assert folder.ids() == before


def test_a_moved_folder_pairs_equal_files_by_name(folder: Folder) -> None:
    for name in ("x", "y", "z"):
        folder.write(f"old/{name}.jpg", "same")
    folder.run()
    before = folder.ids()
    for name in ("x", "y", "z"):
        folder.rename(f"old/{name}.jpg", f"a/{name}.jpg")
    folder.run()
    assert folder.ids() == {f"a/{n}.jpg": before[f"old/{n}.jpg"] for n in ("x", "y", "z")}


def test_files_changed_in_place_are_not_hashed_for_moves(folder: Folder) -> None:
    for number in range(10):
        folder.write(f"{number}.jpg", "same size")
    folder.run()
    folder.read.clear()
    for number in range(10):
        folder.write(f"{number}.jpg", "also nine")
    folder.run()
    assert folder.read == []


def test_a_file_that_can_not_be_read_has_not_moved(folder: Folder) -> None:
    folder.write("a.jpg", "one")
    folder.run()
    folder.rename("a.jpg", "b.jpg")
    folder.unreadable.add("b.jpg")
    folder.run()
    assert folder.moved.pairs == []
    assert [v.uri for v in folder.plan.vanished] == [ROOT + "a.jpg"]


def test_a_touched_file_keeps_its_id_when_a_copy_has_its_old_time(folder: Folder) -> None:
    folder.write("a.jpg", "one")
    folder.run()
    before = folder.ids()["a.jpg"]
    folder.files["b.jpg"] = folder.files["a.jpg"]  # cp -p a b; touch a
    folder.write("a.jpg", "one")
    folder.run()
    assert folder.ids()["a.jpg"] == before
    folder.check()


def test_moves_committed_twice_are_committed_once(folder: Folder) -> None:
    folder.write("a.jpg", "one")
    folder.run()
    folder.rename("a.jpg", "b.jpg")
    folder.run()
    parts = folder.catalog.parts("c")
    moves.commit(folder.catalog, "c", "again", KnownContents.none(), SPACE, folder.moved)
    assert folder.catalog.parts("c") == parts


def _numbered(count: int) -> Iterator[tuple[Vanished, Item]]:
    for number in range(count):
        content = hashlib.sha256(str(number).encode()).hexdigest()[:32]
        row = Vanished(f"{ROOT}a{number}", 1, "v", 1, "ok", str(uuid.UUID(content)), content, "")
        yield row, Item(f"{ROOT}b{number}", 1, "v", 1, 0)


@given(st.permutations(range(6)))
def test_matching_does_not_depend_on_the_order_of_rows(order: list[int]) -> None:
    made = list(_numbered(6))
    found = moves.match([made[n][0] for n in order], [(item, row.content_id) for row, item in made])
    assert {(row.uri, item.uri) for row, item in found.pairs} == {
        (row.uri, item.uri) for row, item in made
    }


NAMES = st.sampled_from(["a", "b", "c", "d"])
STEP = st.one_of(
    st.tuples(st.just("write"), NAMES, st.sampled_from(["1", "2", "33"])),
    st.tuples(st.just("rename"), NAMES, NAMES),
    st.tuples(st.just("copy"), NAMES, NAMES),
    st.tuples(st.just("swap"), NAMES, NAMES),
    st.tuples(st.just("delete"), NAMES, st.just("")),
    st.tuples(st.just("run"), st.sampled_from(["end", "moves"]), st.just("")),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, max_size=14))
def test_whatever_happens_to_files_ids_stay_distinct_and_rows_true(
    steps: list[tuple[str, str, str]],
) -> None:
    folder = Folder()
    for what, one, two in steps:
        _STEPS[what](folder, one, two)
    folder.run()
    folder.check()


def _rename(folder: Folder, one: str, two: str) -> None:
    if one in folder.files:
        folder.rename(one, two)


def _copy(folder: Folder, one: str, two: str) -> None:
    if one in folder.files and one != two:
        folder.write(two, folder.files[one][0].decode())


def _swap(folder: Folder, one: str, two: str) -> None:
    if one in folder.files and two in folder.files:
        folder.files[one], folder.files[two] = folder.files[two], folder.files[one]


_STEPS: dict[str, Callable[[Folder, str, str], object]] = {
    "write": Folder.write,
    "rename": _rename,
    "copy": _copy,
    "swap": _swap,
    "delete": lambda folder, one, two: folder.files.pop(one, None),
    "run": lambda folder, one, two: folder.run(until=one),
}
