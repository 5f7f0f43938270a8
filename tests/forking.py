"""Processes that start with everything imported: each is forked from one that has torch loaded.

Importing takes seconds of a core, which is most of what a small run costs. Such a process has a
memory, an environment, standard streams and an exit code of its own all the same. What is about
imports themselves, a terminal's signals or a kill takes a fresh interpreter.
"""

import functools
import multiprocessing
import os
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess

_IMPORTED = [
    "tests.faults.plain", "tests.command", "pdray.cli.app", "pdray.cli.indexing",
    "pdray.cli.keeping", "pdray.cli.looking", "pdray.cli.searching", "pdray.ingest.compose",
    "pdray.index.edge", "pdray.index.server", "pdray.models.encoder", "pdray.models.resolve",
    "transformers.models.auto.tokenization_auto", "s3fs",
]  # fmt: skip


_ENVIRONMENT = dict(os.environ)  # as tests found it


@functools.cache
def forking() -> ForkServerContext:
    """The context whose processes are forked from the one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    now = dict(os.environ)
    try:  # what the first test to ask has set is not for all the others
        os.environ.clear()
        os.environ.update(_ENVIRONMENT)
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(now)
    return context


def joined(process: BaseProcess, limit: float) -> int:
    """Its exit code once it has ended, minus a signal's number; it is killed at the limit."""
    process.join(limit)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError(f"{process} did not end within {limit:.0f} s")
    return process.exitcode
