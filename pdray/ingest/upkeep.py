"""Keeping a workspace small: the order in which a compaction goes. No model, no Ray.

The index catches up, so that it has what is about to be merged; merged embeddings are written, then
merged rows that name them; then old rows go, then what no row uses any more. Killed anywhere,
every file that a row needs is there, and the next compaction finds what was left.
"""

import time
from collections.abc import Callable, Sequence
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
    names = catalog.collections()
    if collection is not None and collection not in names:
        raise CatalogError(
            f"There is no collection {collection!r} in {catalog.store.url}: "
            f"it has {', '.join(names) or 'none'}."
        )
    done = Compacted(dry_run)
    chosen = names if collection is None else [collection]
    with ExitStack() as stack:
        if dry_run:
            busy = None
        else:
            Catalog.open(settings.workspace, create=True)  # what is written has today's format
            chosen = _hold(stack, catalog, chosen, done)
            busy = stack.enter_context(lease.alone(catalog, "compact", chosen))
            watch("bringing the index up to date")
            done.notes += [note for name in chosen if (note := catch_up(catalog, target, name))]
        if busy is not None:
            done.notes.append(
                f"Embeddings and thumbnails stay as they are: a run works on {busy!r} now."
            )
        spill = settings.state_dir / "tmp"
        watch("reading the catalog")
        before = {name: len(catalog.parts(name)) for name in chosen}
        rewritten = _repack(catalog, chosen, grace_seconds, dry_run) if busy is None else {}
        done.repacked = sum(rewritten.values())
        if done.repacked and not dry_run:
            done.notes += [note for name in chosen if (note := catch_up(catalog, target, name))]
        wanted = chosen if busy is not None else names
        mergers = {n: stack.enter_context(Merger(catalog, n, spill)) for n in wanted}
        work = {name: mergers[name] for name in chosen}
        sweeper = None
        if busy is None:
            used = (merger.used() for merger in mergers.values())
            sweeper = stack.enter_context(
                Sweeper(catalog, used, spill, grace_seconds=grace_seconds)
            )
        _tell(done, work, sweeper)
        for name, found in done.collections.items():
            found["parts_before"] = before[name]
            found["rows_before"] -= 0 if dry_run else rewritten.get(name, 0)
        if not dry_run:
            watch("merging")
            _carry_out(work, sweeper, settle_seconds)
            done.notes += [note for name in chosen if (note := catch_up(catalog, target, name))]
    done.notes = sorted(set(done.notes))
    return done


def _hold(stack: ExitStack, catalog: Catalog, names: Sequence[str], done: Compacted) -> list[str]:
    """Takes the leases that can be had."""
    held: list[str] = []
    refused: list[LeaseHeld] = []
    for name in names:
        try:
            stack.enter_context(lease.hold(catalog, name, "compact"))
            held.append(name)
        except LeaseHeld as error:
            refused.append(error)
            done.notes.append(f"Collection {name!r} stays as it is: a run works on it now.")
    if refused and not held:
        raise refused[0]
    return held


def _repack(
    catalog: Catalog, names: Sequence[str], grace_seconds: float, dry_run: bool
) -> dict[str, int]:
    """How many thumbnails of each collection moved, or would."""
    before = time.time() - grace_seconds
    sizes = {
        entry.path: entry.size
        for entry in catalog.store.walk("thumbs")
        if not entry.temporary and entry.modified is not None and entry.modified <= before
    }
    moved = {}
    for name in names:
        packs = wasteful(catalog, name, sizes)
        rows = sum(len(keys) for parts in packs.values() for keys in parts.values())
        moved[name] = rows if dry_run else repack(catalog, name, packs)
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
