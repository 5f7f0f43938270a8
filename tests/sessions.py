"""A session of tests: where they write, which run beside each other, what may be skipped, the table
of fault trials.

`make test` has two workers (pytest-xdist). What shares a costly fixture is one group and stays in
one worker; everything else goes by file.
"""

import os
import shutil
import signal
from pathlib import Path, PurePosixPath
from typing import Any

import psutil
import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.faults import trials

# What a machine can lack for good. Anything else that skips under CI is a broken installation.
_BEYOND_US = (
    "needs a GPU",
    "there is a GPU",
    "names no server",
    "root reads everything",
    "this CPU has no",
    "lets nobody mount",
)
# Folders, longest first. Of some all files stay together, because they share costly fixtures.
_LONG = {"faults": 0, "e2e": 1, "ray": 2, "browser": 3}
_TOGETHER = ("e2e", "browser")
_ALSO_TOGETHER = {"test_kill_index": "scenes", "test_nodes": "scenes"}
_APART = ("test_demo", "test_deadly_images")
_ROOM = 6 * 2**30  # bytes: a session writes one or two GiB
_surprising: list[str] = []


def pytest_configure() -> None:
    """Temporary folders are in memory where there is room: every index and every commit syncs its
    files, and a busy disk turns that into minutes. What a killed process leaves behind is the same.

    Nor does a property fail because the machine was busy for a moment. And whoever starts the tests
    in the background of a shell has Ctrl-C ignored in all that they start: servers would not end.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    memory = Path("/dev/shm")
    free = shutil.disk_usage(memory).free if memory.is_dir() else 0
    if min(free, psutil.virtual_memory().available) > _ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))
    settings.register_profile("patient", settings(), deadline=None)
    settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that no worker waits for the other at the end."""
    items.sort(key=lambda item: _LONG.get(item.path.parent.name, len(_LONG)))


class _Groups(LoadScopeScheduling):
    """Gives workers a group at a time."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Groups:
    """What decides which worker runs a test."""
    return _Groups(config, log)


def group(nodeid: str) -> str:
    """The tests that stay in one worker with this one: its file's, or more."""
    path = PurePosixPath(nodeid.partition("::")[0])
    if path.parent.name in _TOGETHER and path.stem not in _APART:
        return path.parent.name
    return _ALSO_TOGETHER.get(path.stem, str(path))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes a surprising skip; reports of workers come by in the process that started them."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else "")
        if not any(words in reason for words in _BEYOND_US):
            _surprising.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a session under CI for surprising skips. A worker hands on its fault trials."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["trials"] = trials.told()
    elif _surprising and os.environ.get("CI"):
        print("\nSkipped, though this machine should run them:", *_surprising, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes the fault trials of a worker that has ended."""
    trials.add(getattr(node, "workeroutput", {}).get("trials", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of fault trials."""
    lines = trials.table()
    if lines:
        terminalreporter.section("fault trials")
        for line in lines:
            terminalreporter.write_line(line)
