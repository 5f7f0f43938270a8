"""The index of a run, written beside it by a process of its own.

Apart from `compose.py` because that process imports what this module does: 70 MB less than with
Ray Data.
"""

from typing import NamedTuple

from pdray.errors import PdrayError
from pdray.index.retry import RETRIES
from pdray.index.target import IndexTarget
from pdray.ingest.orphans import end_with_parent
from pdray.ingest.project import Projector
from pdray.ingest.stages import Job


class Answer(NamedTuple):
    """Why the index can't be written, None where it can: an exception would lose its type. And how
    often requests to it were tried again so far.
    """

    broken: str | None
    retries: int


class Projecting:
    """The projector of a run, as an actor.

    Once it failed it tries no more: each part that waits would have its own minute of retries.
    """

    def __init__(self, job: Job, target: IndexTarget) -> None:
        end_with_parent()
        self.job, self.target = job, target
        self.projector: Projector | None = None
        self.broken: str | None = None

    def open(self) -> Answer:
        """Opens the index, or waits for who holds it."""
        try:
            self.projector = Projector.open(self.job.catalog, self.target, self.job.spec)
        except PdrayError as error:
            self.broken = str(error)
        return self._answer(self.broken)

    def apply(self, part: str) -> Answer:
        """Brings a committed part in."""
        try:
            if self.projector is not None and self.broken is None:
                self.projector.apply(part)
        except PdrayError as error:
            self.broken = str(error)
        return self._answer(self.broken)

    def close(self) -> Answer:
        """Lets the index go."""
        try:
            if self.projector is not None:
                self.projector.close()
        except PdrayError as error:
            return self._answer(str(error))
        return self._answer(None)

    def _answer(self, broken: str | None) -> Answer:
        return Answer(broken, round(RETRIES.total()))
