"""The set difference of a listing and the catalog: counts, identity, what has vanished."""

import uuid
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdray.catalog.catalog import Catalog
from pdray.catalog.plan import Plan, Vanished, outermost, under
from pdray.catalog.planner import Planner
from pdray.catalog.units import unit_id
from pdray.records import (
    Failure,
    ImageRecord,
    ImageRef,
    ModelSpec,
    content_id,
    image_id,
)
from tests.handmade import SPEC

Entry = ImageRef | Failure


@pytest.fixture
def catalog() -> Catalog:
    return Catalog.open(f"memory://{uuid.uuid4().hex}", create=True)


def ref(uri: str, version: str = "1") -> ImageRef:
    return ImageRef(uri, 10, version)


def unlisted(uri: str, kind: str = "broken-link") -> Failure:
    return Failure(uri, "list", kind, "The link leads to nothing.")


def planned(
    catalog: Catalog,
    entries: Iterable[Entry],
    roots: Iterable[str] = ("file:///p/",),
    *,
    space: str = SPEC.space,
    full: bool = False,
    excluded: Iterable[str] = (),
    unreadable: Iterable[str] = (),
) -> Plan:
    with Planner(catalog, "c", space, None) as planner:
        for entry in entries:
            planner.add(entry, 0)
        for root in roots:
            planner.listed(root)
        for prefix in unreadable:
            planner.unreadable(prefix)
        left_out = set(excluded)
        plan = planner.plan(full=full, covers=lambda uri: uri not in left_out)
        plan.vanished, plan.failures = list(plan.vanished), list(plan.failures)
        return plan


def commit(catalog: Catalog, *rows: ImageRecord) -> None:
    name = uuid.uuid4().hex
    catalog.commit("c", name, rows, {})


def index(catalog: Catalog, entries: Iterable[Entry], **how: object) -> None:
    """Commits what a plan asks for, as a run would."""
    with Planner(catalog, "c", SPEC.space, None) as planner:
        for entry in entries:
            planner.add(entry, 0)
        plan = planner.plan(full=bool(how.get("full")))
        items, failures = list(planner.items()), list(plan.failures)
    rows = []
    for item in items:
        content = content_id((item.uri + item.version).encode())
        identity = item.image_id or image_id("c", item.uri, content)
        rows.append(
            ImageRecord(
                item.uri, item.size, item.version, item.seq, "ok", "r", identity, content,
                space=SPEC.space,
            )
        )  # fmt: skip
    for item, failure in failures:
        rows.append(
            ImageRecord(
                item.uri, item.size, item.version, item.seq, "failed", "r", item.image_id,
                failure=failure,
            )
        )  # fmt: skip
    catalog.commit("c", unit_id("c", "t", [*items, *(i for i, _ in failures)]), rows, {})


def live(catalog: Catalog, uri: str, status: str = "ok", **more: object) -> ImageRecord:
    content = content_id(uri.encode())
    return ImageRecord(
        uri, 10, "1", 1, status, "r", image_id("c", uri, content), content,  # type: ignore[arg-type]
        space=SPEC.space, **more,  # type: ignore[arg-type]
    )  # fmt: skip


URIS = st.sampled_from([f"file:///p/{name}" for name in "abcdef"])
ENTRY: st.SearchStrategy[Entry] = st.one_of(
    st.builds(ref, URIS, st.sampled_from("12")), st.builds(unlisted, URIS)
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(ENTRY, max_size=8), min_size=1, max_size=3), st.booleans())
def test_every_image_seen_is_counted_once(listings: list[list[Entry]], full: bool) -> None:
    catalog = Catalog.open(f"memory://{uuid.uuid4().hex}", create=True)
    for listing in listings:
        plan = planned(catalog, listing, full=full)
        assert plan.seen == len({entry.uri for entry in listing})
        assert plan.seen == plan.work + plan.unchanged + len(plan.failures)
        index(catalog, listing, full=full)
    again = planned(catalog, listings[-1])
    assert (again.work, list(again.failures)) == (0, [])
    assert again.unchanged == again.seen


def test_new_changed_and_unchanged_are_told_by_version(catalog: Catalog) -> None:
    index(catalog, [ref("file:///p/a"), ref("file:///p/b")])
    plan = planned(catalog, [ref("file:///p/a"), ref("file:///p/b", "2"), ref("file:///p/c")])
    assert (plan.new, plan.changed, plan.unchanged) == (1, 1, 1)


def test_a_changed_image_carries_its_id_and_supersedes_its_row(catalog: Catalog) -> None:
    index(catalog, [ref("file:///p/a")])
    with Planner(catalog, "c", SPEC.space, None) as planner:
        planner.add(ref("file:///p/a", "2"), 3)
        planner.plan()
        (item,) = planner.items()
    assert (item.seq, item.source) == (2, 3)
    assert item.image_id == image_id("c", "file:///p/a", content_id(b"file:///p/a1"))


def test_a_failure_carries_the_id_until_the_image_is_mended(catalog: Catalog) -> None:
    uri = "file:///p/a"
    index(catalog, [ref(uri)])
    identity = image_id("c", uri, content_id(b"file:///p/a1"))
    ((item, _failure),) = planned(catalog, [unlisted(uri)]).failures
    assert (item.image_id, item.seq) == (identity, 2)
    index(catalog, [unlisted(uri)])
    with Planner(catalog, "c", SPEC.space, None) as planner:
        planner.add(ref(uri, "1"), 0)
        plan = planner.plan()
        (item,) = planner.items()
    assert (plan.changed, item.image_id, item.seq) == (1, identity, 3)


def test_the_same_listing_failure_is_noted_once_and_another_kind_again(catalog: Catalog) -> None:
    index(catalog, [unlisted("file:///p/a")])
    assert planned(catalog, [unlisted("file:///p/a")]).failures == []
    assert len(planned(catalog, [unlisted("file:///p/a", "permission")]).failures) == 1


@pytest.mark.parametrize(("stage", "again"), [("read", 1), ("decode", 0)])
def test_only_what_could_not_be_read_is_tried_again(
    catalog: Catalog, stage: str, again: int
) -> None:
    failure = Failure("file:///p/a", stage, "io", "No.")  # type: ignore[arg-type]
    commit(catalog, ImageRecord("file:///p/a", 10, "1", 1, "failed", "r", failure=failure))
    plan = planned(catalog, [ref("file:///p/a")])
    assert (plan.again, plan.retries) == (again, again)
    assert planned(catalog, [ref("file:///p/a")], full=True).retries == 0


@pytest.mark.parametrize("stage", ["read", "decode"])
def test_all_that_failed_is_tried_again_where_that_is_asked(catalog: Catalog, stage: str) -> None:
    failure = Failure("file:///p/a", stage, "io", "No.")  # type: ignore[arg-type]
    commit(catalog, ImageRecord("file:///p/a", 10, "1", 4, "failed", "r", failure=failure))
    index(catalog, [ref("file:///p/b")])
    with Planner(catalog, "c", SPEC.space, None) as planner:
        for name in "ab":
            planner.add(ref(f"file:///p/{name}"), 0)
        plan = planner.plan(failed=True)
        (item,) = planner.items()
    assert (plan.again, plan.unchanged) == (1, 1)
    assert (item.uri, item.seq) == ("file:///p/a", 5)


def test_what_was_set_aside_is_known_when_it_is_read_again(catalog: Catalog) -> None:
    kinds = {"a": ("decode", "crash"), "b": ("decode", "corrupt"), "c": ("read", "timeout")}
    for name, (stage, kind) in kinds.items():
        uri = f"file:///p/{name}"
        failure = Failure(uri, stage, kind, "No.")  # type: ignore[arg-type]
        commit(catalog, ImageRecord(uri, 10, "1", 1, "failed", "r", failure=failure))
    for version, asked, deadly in (
        ("1", True, {("file:///p/a", "1")}), ("2", True, set()), ("1", False, set())
    ):  # fmt: skip
        with Planner(catalog, "c", SPEC.space, None) as planner:
            for name in kinds:
                planner.add(ref(f"file:///p/{name}", version), 0)
            planner.plan(failed=asked)
            assert planner.deadly() == deadly


def test_retries_can_be_had_alone(catalog: Catalog) -> None:
    failure = Failure("file:///p/a", "read", "io", "No.")
    commit(catalog, ImageRecord("file:///p/a", 10, "1", 1, "failed", "r", failure=failure))
    with Planner(catalog, "c", SPEC.space, None) as planner:
        planner.add(ref("file:///p/a"), 0)
        planner.add(ref("file:///p/b"), 0)
        planner.plan()
        assert [i.uri for i in planner.items(retries=True)] == ["file:///p/a"]
        assert [i.uri for i in planner.items()] == ["file:///p/a", "file:///p/b"]


def test_items_can_be_streamed_while_the_planner_answers_other_questions(catalog: Catalog) -> None:
    with Planner(catalog, "c", SPEC.space, None) as planner:
        for number in range(25_000):
            planner.add(ref(f"file:///p/{number:06d}"), 0)
        planner.plan()
        stream = planner.items()
        first = next(stream)
        planner.candidates()
        assert first.uri == "file:///p/000000"
        assert sum(1 for _ in stream) == 24_999


def test_a_file_under_two_roots_is_seen_once(catalog: Catalog) -> None:
    plan = planned(
        catalog, [ref("file:///p/q/a"), ref("file:///p/q/a")], ["file:///p/", "file:///p/q/"]
    )
    assert (plan.seen, plan.new) == (1, 1)


def test_another_model_asks_for_every_image_again_unless_its_vector_is_known(
    catalog: Catalog,
) -> None:
    entries = [ref("file:///p/a"), ref("file:///p/b")]
    index(catalog, entries)
    other = ModelSpec("n", "n", None, "clip", 4, "other", SPEC.preprocessing)
    assert planned(catalog, entries, space=other.space).again == 2
    known = [content_id(b"file:///p/a1")]
    catalog.write_embeddings("0" * 32, "x", other, known, np.ones((1, 4), np.float32))
    assert planned(catalog, entries, space=other.space).again == 1


def test_vanished_is_judged_only_under_the_roots_that_were_listed(catalog: Catalog) -> None:
    index(catalog, [ref("file:///p/a"), ref("file:///q/b")])
    plan = planned(catalog, [], ["file:///q/"])
    assert [v.uri for v in plan.vanished] == ["file:///q/b"]
    assert planned(catalog, [ref("file:///r/c")], ["file:///r/"]).vanished == []


@pytest.mark.parametrize("root", ["file:///p%5F/", "file:///p_/", "file:///%/", "file:///P/"])
def test_a_root_is_no_pattern(catalog: Catalog, root: str) -> None:
    index(catalog, [ref("file:///px/a"), ref("file:///p/a")])
    assert planned(catalog, [], [root]).vanished == []


def test_a_root_that_is_one_file_does_not_judge_its_neighbours(catalog: Catalog) -> None:
    index(catalog, [ref("file:///p/a.jpg"), ref("file:///p/a.jpg.png")])
    plan = planned(
        catalog,
        [],
        ["file:///p/a.jpg"],
        excluded=["file:///p/a.jpg.png"],
    )
    assert [v.uri for v in plan.vanished] == ["file:///p/a.jpg"]
    assert plan.remaining == {"file:///p/a.jpg": 0}


def test_what_is_newly_excluded_or_could_not_be_listed_has_not_vanished(catalog: Catalog) -> None:
    index(catalog, [ref("file:///p/a"), ref("file:///p/q/b"), ref("file:///p/c")])
    plan = planned(catalog, [], excluded=["file:///p/a"], unreadable=["file:///p/q/"])
    assert [v.uri for v in plan.vanished] == ["file:///p/c"]


def test_among_many_roots_each_image_counts_for_its_own(catalog: Catalog) -> None:
    roots = [f"file:///{number:02d}/" for number in range(30)] + ["file:///40/a", "file:///40/b"]
    index(catalog, [ref(f"{root}x") for root in roots[:30]] + [ref(root) for root in roots[30:]])
    listed = [ref(f"{root}x") for root in roots[:20]] + [ref("file:///40/b")]
    unreadable = [f"file:///{number:02d}/" for number in range(5, 29)]
    plan = planned(catalog, listed, roots, unreadable=unreadable)
    assert [v.uri for v in plan.vanished] == ["file:///29/x", "file:///40/a"]
    assert plan.remaining == {
        root: int(root in roots[:20] or root == "file:///40/b") for root in roots
    }


def test_a_plan_in_many_pieces_is_the_plan_in_one(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [ref(f"file:///p/{n:04d}") for n in range(1000)]
    index(catalog, before[:600])
    index(catalog, before)
    now = [ref(r.uri, "2" if n % 7 == 0 else "1") for n, r in enumerate(before) if n % 5]
    now += [ref(f"file:///p/new-{n}") for n in range(50)] + now[:30]
    whole = planned(catalog, now)
    monkeypatch.setattr("pdray.catalog.buckets._TOGETHER", 40)
    assert planned(catalog, now) == whole
    assert (whole.new, len(whole.vanished), whole.remaining["file:///p/"]) == (50, 200, 800)
    assert whole.changed == sum(1 for n in range(1000) if n % 7 == 0 and n % 5)


def test_an_image_that_is_listed_as_a_failure_has_not_vanished(catalog: Catalog) -> None:
    index(catalog, [ref("file:///p/a")])
    assert planned(catalog, [unlisted("file:///p/a")]).vanished == []


def test_what_is_deleted_already_does_not_vanish_again_and_comes_back_as_new(
    catalog: Catalog,
) -> None:
    commit(catalog, live(catalog, "file:///p/a", "deleted"))
    assert planned(catalog, []).vanished == []
    assert planned(catalog, [ref("file:///p/a")]).new == 1


def gone(count: int, root: str = "file:///p/") -> list[Vanished]:
    return [Vanished(f"{root}{n}", 1, "v", 1, "ok", None, None, "") for n in range(count)]


@pytest.mark.parametrize(
    ("vanished", "remaining", "stops"),
    [
        (0, 0, False), (1, 1, False), (1, 0, True), (100, 1, False), (101, 1, True),
        (101, 404, False), (101, 403, True), (101, 10_000, False),
    ],
)  # fmt: skip
def test_an_empty_root_or_a_mass_disappearance_stops_deletion(
    vanished: int, remaining: int, stops: bool
) -> None:
    plan = Plan(vanished=gone(vanished), remaining={"file:///p/": remaining})
    assert (plan.suspicious() is not None) == stops


def test_an_emptied_root_stops_deletion_beside_a_full_one() -> None:
    plan = Plan(vanished=gone(5), remaining={"file:///p/": 0, "file:///q/": 10_000})
    assert "file:///p/" in str(plan.suspicious())


def test_many_small_losses_stop_deletion_together() -> None:
    roots = [f"file:///{n}/" for n in range(4)]
    plan = Plan(
        vanished=[v for root in roots for v in gone(30, root)],
        remaining=dict.fromkeys(roots, 50),
    )
    assert "120 of 320 images" in str(plan.suspicious())


def test_what_moved_is_no_loss() -> None:
    plan = Plan(vanished=gone(500), remaining={"file:///p/": 0})
    assert plan.suspicious({v.uri for v in plan.vanished}) is None


def test_an_unmounted_disk_is_noticed_when_other_images_are_newly_excluded(
    catalog: Catalog,
) -> None:
    index(catalog, [ref("file:///p/a"), ref("file:///p/b")])
    plan = planned(catalog, [], excluded=["file:///p/a"])
    assert plan.suspicious() is not None


def test_outermost_roots_hold_every_root_once() -> None:
    roots = ["file:///a/", "file:///a/b/", "file:///ab/", "file:///a/x.jpg", "file:///c.jpg"]
    assert list(outermost(roots)) == ["file:///a/", "file:///ab/", "file:///c.jpg"]
    assert not under("file:///ab/x", "file:///a/")
