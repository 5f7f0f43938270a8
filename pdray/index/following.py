"""A server that holds embedded indexes brings in what is committed, so others leave that to it.

It owns `<state>/index` itself for as long as it does so: whoever commits can tell.
"""

from pathlib import Path

from pdray.index.generations import read_current
from pdray.index.ledger import Ledger
from pdray.index.owner import Owner, own, owned_by
from pdray.index.target import IndexTarget


def follow(target: IndexTarget) -> Owner:
    """Says that this process follows, until it is released. Raises IndexUnavailable where another
    one does.
    """
    return own(_folder(target), label=target.label, wait_seconds=0.0)


def follower(target: IndexTarget) -> str | None:
    """Who follows, for a message; None where nobody does, or the index is a Qdrant server's."""
    said = owned_by(_folder(target)) if target.url is None else None
    if said is None:
        return None
    return f"{said.get('command', 'a server')} (process {said.get('pid', 'unknown')})"


def applied(target: IndexTarget, space: str) -> set[str]:
    """The parts that an embedded index has, whoever holds it. Raises IndexUnavailable."""
    folder = _folder(target) / space
    current = read_current(folder)
    return Ledger(str(folder / current.generation / "ledger")).applied() if current else set()


def _folder(target: IndexTarget) -> Path:
    return target.state_dir / "index"
