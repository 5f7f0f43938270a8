"""Adding images from the page, and watching it happen."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from pdray.samples.collection import write_collection

A_RUN = 120_000  # milliseconds: it starts Ray, and others may be at work


def test_a_run_started_here_shows_its_progress_failures_and_images(
    page: Page, tmp_path: Path
) -> None:
    write_collection(tmp_path / "trip", 12, 77, sides=(60, 90))
    (tmp_path / "trip" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    page.goto("/runs")
    page.get_by_role("textbox", name="Folders, archives or addresses").fill("trip")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert").or_(page.locator("[class*=error]")).first).to_be_visible()
    page.get_by_role("textbox", name="Folders, archives or addresses").fill(str(tmp_path / "trip"))
    page.get_by_role("button", name="More choices").click()
    page.get_by_role("combobox", name="Collection").fill("trip")
    page.get_by_role("combobox", name="Model").fill("builtin")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"/runs/\d{8}T"), timeout=A_RUN)
    expect(page.get_by_text("13 / 13")).to_be_visible(timeout=A_RUN)
    expect(page.get_by_text("Complete", exact=True)).to_be_visible(timeout=A_RUN)
    expect(page.get_by_role("region", name="Folders")).to_contain_text("trip")
    expect(page.get_by_role("region", name="What failed")).to_contain_text("broken.jpg")
    expect(page.get_by_role("button", name="Try the failed ones again")).to_be_visible()
    page.get_by_role("link", name="Look at the images").click()
    expect(page.get_by_text("12 images")).to_be_visible(timeout=A_RUN)


def _look_away(page: Page, hidden: bool) -> None:
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_a_page_that_nobody_looks_at_holds_no_connection(page: Page) -> None:
    page.clock.install()
    with page.expect_websocket() as first:
        page.goto("/")
    socket = first.value
    socket.wait_for_event("framereceived", lambda frame: '"hello"' in frame)
    _look_away(page, True)
    page.clock.fast_forward(29_000)
    _look_away(page, False)
    page.clock.fast_forward(29_000)
    assert not socket.is_closed()  # looked at again in time
    _look_away(page, True)
    with socket.expect_event("close"):
        page.clock.fast_forward(31_000)
    with page.expect_websocket() as second:
        _look_away(page, False)
    assert "last_event_id=" in second.value.url
    second.value.wait_for_event("framereceived")
