"""Keeping a workspace small: the order in which a compaction goes. No model, no Ray.

The index catches up, so that it has what is about to be merged; merged embeddings are written, then
merged rows that name them; then old rows go, then what no row uses any more. Killed anywhere,
every file that a row needs is there, and the next compaction finds what was left.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from pdray.catalog import lease, pointer
from pdray.catalog.catalog import Catalog
from pdray.catalog.merging import SETTLE_SECONDS, Merger
from pdray.catalog.packing import repack, wasteful
from pdray.catalog.sweeping import GRACE_SECONDS, Sweeper
from pdray.config import Settings
from pdray.errors import CatalogError, IndexUnavailable, LeaseHeld
from pdray.index.target import IndexTarget
from pdray.ingest import following
from pdray.ingest.project import Projector


@dataclass(slots=True)
class Compacted:
    """What a compaction did, or with `dry_run` would do."""

    dry_run: bool = False
    collections: dict[str, dict[str, int]] = field(default_factory=dict)
    embeddings: dict[str, int] = field(default_factory=dict)  # parts merged, and into how many
    repacked: int = 0  # thumbnails that move out of packs that are mostly dead
    removed: dict[str, int] = field(default_factory=dict)  # by kind, and their bytes
    young: int = 0  # shared files too young to be judged
    notes: list[str] = field(default_factory=list)


def compact(
    settings: Settings,
    target: IndexTarget,
    collection: str | None = None,
    *,
    dry_run: bool = False,
    grace_seconds: float = GRACE_SECONDS,
    settle_seconds: float = SETTLE_SECONDS,
    watch: Callable[[str], None] = lambda words: None,
) -> Compacted:
    """Compacts one collection or all, and what they share. Raises LeaseHeld where each is in use.

    A collection that a run works on is passed over, and shared files stay as they are while any is.
    """
    catalog = Catalog.open(settings.workspace)
    work = _Work(settings, catalog, target, _chosen(catalog, collection), Compacted(dry_run))
    with ExitStack() as stack:
        if not dry_run:
            watch("bringing the index up to date")
            _claim(stack, work)
            _tell_index(work)
        watch("reading the catalog")
        before = {name: len(catalog.parts(name)) for name in work.chosen}
        rewritten = {} if work.busy else _repack(work, grace_seconds)
        mergers, sweeper = _look(stack, work, grace_seconds)
        _tell(work.done, mergers, sweeper)
        for name, found in work.done.collections.items():
            found["parts_before"] = before[name]
            found["rows_before"] -= 0 if dry_run else rewritten.get(name, 0)
        if not dry_run:
            watch("merging")
            _carry_out(mergers, sweeper, settle_seconds)
            _tell_index(work)
    work.done.notes = sorted(set(work.done.notes))
    return work.done


@dataclass(slots=True)
class _Work:
    """What the steps of a compaction share."""

    settings: Settings
    catalog: Catalog
    target: IndexTarget
    chosen: list[str]
    done: Compacted
    busy: str | None = None  # what works somewhere, so that shared files stay


def _chosen(catalog: Catalog, collection: str | None) -> list[str]:
    names = catalog.collections()
    if collection is None:
        return names
    if collection not in names:
        raise CatalogError(
            f"There is no collection {collection!r} in {catalog.store.url}: "
            f"it has {', '.join(names) or 'none'}."
        )
    return [collection]


def _claim(stack: ExitStack, work: _Work) -> None:
    """Takes the leases that can be had, and with them the shared files where no run is at work."""
    Catalog.open(work.settings.workspace, create=True)  # what is written has today's format
    held: list[str] = []
    refused: list[LeaseHeld] = []
    for name in work.chosen:
        try:
            stack.enter_context(lease.hold(work.catalog, name, "compact"))
            held.append(name)
        except LeaseHeld as error:
            refused.append(error)
            work.done.notes.append(f"Collection {name!r} stays as it is: a run works on it now.")
    if refused and not held:
        raise refused[0]
    work.chosen = held
    work.busy = stack.enter_context(lease.alone(work.catalog, "compact", held))
    if work.busy:
        work.done.notes.append(
            f"Embeddings and thumbnails stay as they are: a run works on {work.busy!r} now."
        )


def _tell_index(work: _Work) -> None:
    notes = (catch_up(work.catalog, work.target, name) for name in work.chosen)
    work.done.notes += [note for note in notes if note]


def _look(
    stack: ExitStack, work: _Work, grace_seconds: float
) -> tuple[dict[str, Merger], Sweeper | None]:
    """What can be merged in each collection chosen, and what no row of any uses."""
    spill = work.settings.state_dir / "tmp"
    # What all collections use decides what none does.
    wanted = work.chosen if work.busy else work.catalog.collections()
    mergers = {n: stack.enter_context(Merger(work.catalog, n, spill)) for n in wanted}
    chosen = {name: mergers[name] for name in work.chosen}
    if work.busy:
        return chosen, None
    used = (merger.used() for merger in mergers.values())
    sweeper = Sweeper(work.catalog, used, spill, grace_seconds=grace_seconds)
    return chosen, stack.enter_context(sweeper)


def _repack(work: _Work, grace_seconds: float) -> dict[str, int]:
    """How many thumbnails of each collection moved, or would."""
    catalog, dry_run = work.catalog, work.done.dry_run
    before = time.time() - grace_seconds
    sizes = {
        entry.path: entry.size
        for entry in catalog.store.walk("thumbs")
        if not entry.temporary and entry.modified is not None and entry.modified <= before
    }
    moved = {}
    for name in work.chosen:
        packs = wasteful(catalog, name, sizes)
        rows = sum(len(keys) for parts in packs.values() for keys in parts.values())
        moved[name] = rows if dry_run else repack(catalog, name, packs)
    work.done.repacked = sum(moved.values())
    if work.done.repacked and not dry_run:
        _tell_index(work)
    return moved


def catch_up(catalog: Catalog, target: IndexTarget, name: str) -> str | None:
    """What is wrong, where the index can't be brought up to date."""
    serving = pointer.current(catalog, name)
    if serving is None:
        return None
    try:
        if following.left_to(catalog, target, name, serving.spec):
            following.wait(catalog, target, name, serving.spec, seconds=15.0)
            return None
        projector = Projector.open(catalog, target, serving.spec)
        try:
            projector.catch_up(name)
        finally:
            projector.close()
    except IndexUnavailable as error:
        return f"{error} The catalog is compacted all the same; the next run tells the index."
    return None


def _carry_out(work: dict[str, Merger], sweeper: Sweeper | None, settle_seconds: float) -> None:
    moved = sweeper.write() if sweeper else {}
    for merger in work.values():
        merger.write(moved)
        merger.delete(settle_seconds)
    if sweeper:
        sweeper.delete()


def _tell(done: Compacted, work: dict[str, Merger], sweeper: Sweeper | None) -> None:
    for name, merger in work.items():
        merge = merger.merge
        done.collections[name] = {
            "parts_before": merge.parts,
            "parts_after": merge.parts - len(merge.replaced) + len(merge.groups),
            "rows_before": merge.rows,
            "rows_after": merge.rows - merge.dropped,
        }
    if sweeper is None:
        return
    sweep = sweeper.sweep
    done.embeddings = {
        "merged": sum(len(group) for _, group in sweep.groups),
        "into": len(sweep.groups),
    }
    done.removed = {
        "embeddings": len(sweep.embeddings),
        "packs": len(sweep.packs),
        "temporary": len(sweep.temporary),
        "bytes": sum(entry.size for entry in sweep.removed),
    }
    done.young = sweep.young
