"""On PYTHONPATH: every Python of a run arms itself as it starts (see tests/faults/points.py)."""

from tests.faults.points import arm_from_environment

arm_from_environment()
