"""What fault trials share."""

import pytest

pytest.register_assert_rewrite("tests.faults.harness", "tests.faults.orphans")

from tests.faults.scenes import photos, undisturbed  # noqa: E402  after the line above

__all__ = ["photos", "undisturbed"]
