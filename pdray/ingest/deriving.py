"""What a run makes of images that the catalog knows: captions, or vectors of another model."""

from pdray.catalog.units import Item
from pdray.catalog.view import KnownContents, live_versions
from pdray.ingest.current import Run
from pdray.ingest.origins import reachable
from pdray.ingest.stages import failed_row
from pdray.ingest.tally import Outcome

_NAMED = 3  # of the images that can't be reached


def lacking(run: Run, known: KnownContents) -> list[Item]:
    """One live row of each content of the collection that isn't known, by uri."""
    seen: set[str] = set()
    found = []
    for image, uri, version, seq, content in live_versions(run.catalog, run.collection):
        if content is None or content in seen or known.find(content):
            continue
        seen.add(content)
        found.append(Item(uri, 0, version, seq, 0, image, content))
    return found


def reach(run: Run, items: list[Item]) -> list[Item]:
    """Those that can be read, with the run's sources set to read them; the others count as failed
    and the first few are named.
    """
    found, lost = reachable(run.settings, items)
    run.sources = found.sources
    run.report.failed += len(lost)
    rows = [failed_row(run.report.run_id, Item(f.uri, 0, "", 0, 0), f) for f in lost]
    run.tally.add(Outcome.of(rows))
    for failure in lost[:_NAMED]:
        run.note(f"{failure.uri} can't be read: {failure.reason}")
    return found.items
