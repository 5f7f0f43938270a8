"""The folders of an embedded index: generations, and the record that says which one serves.

    <state>/index/<space>/owner.json            who holds it (owner.py)
    <state>/index/<space>/current.json          which generation serves, written last
    <state>/index/<space>/<generation>/shard/   the Qdrant Edge shard
    <state>/index/<space>/<generation>/ledger/  the parts that it has applied

A generation serves once `current.json` names it, so one that a killed process left half made, or
half rebuilt, is never seen; the next owner sweeps it away.
"""

import json
import shutil
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from pdray.errors import IndexUnavailable
from pdray.index.ledger import write_durably
from pdray.index.schema import FORMAT

_CURRENT = "current.json"
_PREFIX = "g-"


@dataclass(frozen=True, slots=True)
class Current:
    """What `current.json` says."""

    generation: str
    dim: int
    format: int = FORMAT


def new_generation() -> str:
    """A name that no generation had before."""
    return f"{_PREFIX}{uuid.uuid4().hex[:12]}"


def read_current(folder: Path) -> Current | None:
    """Which generation serves; None where there was never an index.

    Raises IndexUnavailable for a record that can't be read or is of another format.
    """
    path = folder / _CURRENT
    try:
        current = Current(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise broken(folder, f"{path.name} can't be read") from error
    if current.format != FORMAT:
        raise broken(folder, f"it has format {current.format} and this pdray writes {FORMAT}")
    return current


def write_current(folder: Path, current: Current) -> None:
    """Makes a finished generation the one that serves: the commit point."""
    write_durably(folder / _CURRENT, json.dumps(asdict(current)).encode())


def sweep(folder: Path, keep: str) -> None:
    """Removes every generation but one. Only the owner may."""
    for path in folder.glob(f"{_PREFIX}*"):
        if path.name != keep:
            shutil.rmtree(path, ignore_errors=True)  # swept again by the next owner
    for path in folder.glob(f".{_CURRENT}.*.tmp"):
        path.unlink(missing_ok=True)


def broken(folder: Path, why: str) -> IndexUnavailable:
    """The error for an index that only a rebuild can mend."""
    return IndexUnavailable(
        f"The index in {folder} can't be used ({why}): run `pdray rebuild` to make it anew."
    )
