"""`pdray demo`: from nothing to three searches, and in seconds the second time."""

import pytest
from PIL import Image

pytestmark = [pytest.mark.e2e, pytest.mark.ray]


def test_the_demo_leaves_three_sheets_and_a_workspace_to_go_on_with(pdray, without, tmp_path):
    call = ("demo", "--once", "--count", 40)
    first = pdray(*call, cwd=tmp_path)
    assert "40 new of 40 images" in " ".join(first.out.split())
    for number in (1, 2, 3):
        with Image.open(tmp_path / "demo" / f"search-{number}.png") as sheet:
            assert sheet.width > 300
    again = pdray(*call, cwd=tmp_path, **without("ray"))
    assert "0 new, 40 unchanged of 40 images" in " ".join(again.out.split())
    status = pdray("status", "-w", tmp_path / "demo" / "workspace", "--json").document
    assert [one["points"] for one in status["collections"]] == [40]
