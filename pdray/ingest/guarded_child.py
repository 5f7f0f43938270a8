"""The child of ingest/guarded.py: decodes what comes in, answers, and may die of it."""

import os
import pickle
import resource
import sys
from pathlib import Path

from pdray.images.examine import examine
from pdray.models.resizing import fast_resize


def answer() -> None:
    """Reads pickled questions until the input ends.

    The answers go to what was standard output; whatever a codec prints goes nowhere.
    """
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    # As the workers resize, so that a good image gives the same hash and thumbnail here as there.
    resize = fast_resize()
    _limit_memory(pickle.load(sys.stdin.buffer))
    _write(answers, None)
    while True:
        try:
            data, rules, options = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        found: object
        try:
            found = examine(data, rules, resize=resize, **options)
        except Exception as error:
            found = error
        _write(answers, found)


def _limit_memory(extra: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    if pages:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + extra, hard))


def _write(stream: object, value: object) -> None:
    stream.write(pickle.dumps(value))  # type: ignore[attr-defined]
    stream.flush()  # type: ignore[attr-defined]
