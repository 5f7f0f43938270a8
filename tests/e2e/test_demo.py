"""`pdray demo`: from nothing to three searches and the page, and in seconds the second time."""

import json
import signal
import urllib.request

import pytest
from PIL import Image

pytestmark = [pytest.mark.e2e, pytest.mark.ray]


@pytest.fixture(scope="module")
def shown(starting, tmp_path_factory):
    """The folder where a demo ran until Ctrl-C, what it said, and what was seen of its page."""
    home = tmp_path_factory.mktemp("demo")
    demo = starting("demo", "--count", 40, cwd=home, COLUMNS="400")
    said, seen = [], {}
    try:
        for line in demo.stdout:
            said.append(line)
            if line.startswith("Look at your images: "):
                break
        url = said[-1].split()[4]
        with urllib.request.urlopen(f"{url}/api/v1/collections", timeout=30) as answer:
            seen["collections"] = json.load(answer)["collections"]
        with urllib.request.urlopen(url, timeout=30) as page:
            seen["page"] = page.read()
        demo.send_signal(signal.SIGINT)
        seen["code"] = demo.wait(60)
    finally:
        if demo.poll() is None:
            demo.kill()
        demo.communicate()
    return home, " ".join("".join(said).split()), seen


def test_the_demo_ends_on_the_page_with_what_it_indexed(shown):
    _, said, seen = shown
    assert "40 new of 40 images" in said
    (found,) = seen["collections"]
    assert found["images"] == 40
    assert b"<html" in seen["page"]
    assert seen["code"] == 0


def test_the_demo_leaves_three_sheets_and_a_workspace_to_go_on_with(shown, pdray, without):
    home, _, _ = shown
    for number in (1, 2, 3):
        with Image.open(home / "demo" / f"search-{number}.png") as sheet:
            assert sheet.width > 300
    again = pdray("demo", "--once", "--count", 40, cwd=home, **without("ray"))
    assert "0 new, 40 unchanged of 40 images" in " ".join(again.out.split())
    status = pdray("status", "-w", home / "demo" / "workspace", "--json").document
    assert [one["points"] for one in status["collections"]] == [40]
