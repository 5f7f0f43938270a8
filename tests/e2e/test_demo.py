"""`pdray demo`: from nothing to three searches, and in seconds the second time."""

import json
import signal
import urllib.request

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


def test_the_demo_ends_on_the_page_with_what_it_indexed(starting, tmp_path):
    demo = starting("demo", "--count", 12, "--out", tmp_path / "demo", COLUMNS="400")
    try:
        said = next(line for line in demo.stdout if line.startswith("Look at your images: "))
        url = said.split()[4]
        with urllib.request.urlopen(f"{url}/api/v1/collections", timeout=30) as answer:
            (found,) = json.load(answer)["collections"]
        assert found["images"] == 12
        with urllib.request.urlopen(url, timeout=30) as page:
            assert b"<html" in page.read()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0
    finally:
        if demo.poll() is None:
            demo.kill()
        demo.communicate()
    assert (tmp_path / "demo" / "search-3.png").exists()
