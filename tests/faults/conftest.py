"""The table of trials at the end of a session that had any."""

import pytest

pytest.register_assert_rewrite("tests.faults.harness", "tests.faults.orphans")

from tests.faults.harness import table  # noqa: E402  after the line above
from tests.faults.scenes import photos, undisturbed  # noqa: E402

__all__ = ["photos", "undisturbed"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = table()
    if lines:
        terminalreporter.section("fault trials")
        for line in lines:
            terminalreporter.write_line(line)
