"""What failed, put together by where and how it failed."""

from collections.abc import Iterable
from dataclasses import dataclass

from pdray.records import Failure

# Nothing of such an image has been seen yet, so another try may find it: every run makes one.
_UNSEEN = ("list", "read")


@dataclass(frozen=True, slots=True)
class Group:
    """Failures of one stage and kind. `every_run`: each run tries them again; the others wait until
    their file changes or someone asks for them.
    """

    stage: str
    kind: str
    images: int
    every_run: bool
    examples: tuple[Failure, ...]  # the first by uri


def grouped(failures: Iterable[Failure], examples: int) -> list[Group]:
    """By stage and kind, the largest group first."""
    by: dict[tuple[str, str], list[Failure]] = {}
    for failure in failures:
        by.setdefault((failure.stage, failure.kind), []).append(failure)
    groups = [
        Group(
            stage,
            kind,
            len(some),
            stage in _UNSEEN,
            tuple(sorted(some, key=lambda failure: failure.uri)[:examples]),
        )
        for (stage, kind), some in by.items()
    ]
    return sorted(groups, key=lambda group: (-group.images, group.stage, group.kind))
