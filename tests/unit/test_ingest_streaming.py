"""What a run refuses before it starts Ray."""

from pathlib import Path

import pytest
from PIL import Image

from pdray.config import load
from pdray.errors import UsageError
from pdray.ingest.current import Options
from pdray.ingest.report import Progress
from pdray.ingest.run import index


def test_compiling_on_a_cpu_is_refused_before_ray_starts(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "images" / "a.png")
    flags = {"workspace": str(tmp_path / "w"), "model": "builtin", "device": "cpu", "compile": True}
    phases: list[str] = []

    def watch(progress: Progress) -> None:
        phases.append(progress.phase)

    with pytest.raises(UsageError, match="gains nothing on CPUs: unset compile"):
        index(load(flags), [str(tmp_path / "images")], Options(), watch)
    assert "starting" not in phases
