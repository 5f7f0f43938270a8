"""What holds for every test: a skip needs a reason that no installation could mend."""

import os
from collections.abc import Generator

import pytest

# What a machine can lack for good. Anything else that skips under CI is a broken installation.
_BEYOND_US = (
    "needs a GPU",
    "there is a GPU",
    "names no server",
    "root reads everything",
)
_surprising: list[str] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else "")
        if not any(words in reason for words in _BEYOND_US):
            _surprising.append(f"{report.nodeid}: {reason}")
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _surprising and os.environ.get("CI"):
        print("\nSkipped, though this machine should run them:", *_surprising, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
