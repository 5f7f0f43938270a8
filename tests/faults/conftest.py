"""What the trials with Ray share."""

from tests.faults.scenes import photos, undisturbed

__all__ = ["photos", "undisturbed"]
