"""What goes beyond looking: weighing, folders in any number, files out and files in."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from pdray.records import content_id
from tests.browser.conftest import served
from tests.browser.test_looking import box, tiles
from tests.served import Made, commit, copied, settings_of

FOLDERS = 120  # more than the page asks for at once


def test_words_and_an_image_are_weighed_against_each_other(page: Page) -> None:
    page.goto("/?q=a+blue+square")
    image = tiles(page)[5]
    page.goto(f"/?q=a+red+circle&like={image}")
    both = tiles(page)
    page.get_by_role("button", name="How much each part counts").click()
    page.get_by_role("slider", name="Image").focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile(r"w=1%2C8%2C1"))
    expect(page.locator("[data-id]").first).to_have_attribute("data-id", image)
    page.get_by_role("switch", name="Less like the image").click()
    page.wait_for_url(re.compile(r"w=1%2C-8%2C1"))
    expect(page.locator("[data-id]").first).not_to_have_attribute("data-id", image)
    expect(page.get_by_role("search").get_by_text("Less like ")).to_be_visible()
    page.get_by_role("button", name="All the same").click()
    page.wait_for_url(re.compile(r"like=[^&]*$"))
    expect(page.locator("[data-id]").first).to_have_attribute("data-id", both[0])


def test_one_part_alone_has_nothing_to_be_weighed_against(page: Page) -> None:
    page.goto("/?q=a+red+circle")
    tiles(page)
    weigh = page.get_by_role("button", name="How much each part counts")
    expect(weigh).to_have_count(0)
    box(page).press("End")
    box(page).press_sequentially(" -blue ")
    expect(weigh).to_be_visible()


@pytest.fixture
def nested(made: Made, tmp_path: Path) -> Iterator[str]:
    """The address of a server over many folders."""
    home = tmp_path / "many"
    for number in range(FOLDERS):
        folder = home / "days" / f"Day {number}"
        folder.mkdir(parents=True)
        Image.new("RGB", (16, 12), (number, 9, 9)).save(folder / "x.png")
    Image.new("RGB", (16, 12)).save(home / "top.png")
    own = copied(made, tmp_path)
    commit(home, own.workspace, "nested")
    with served(settings_of(own, collection="nested")) as url:
        yield url


def test_every_folder_can_be_come_to(page: Page, nested: str) -> None:
    page.goto(nested)
    tiles(page)
    page.get_by_role("button", name="Filters").click()
    folders = page.get_by_role("region", name="Folder")
    folders.get_by_role("button", name="Show what is in days").click()
    expect(folders.get_by_role("button", name=re.compile("^Day 99"))).to_be_visible()
    last = folders.get_by_role("button", name=re.compile(rf"^Day {FOLDERS - 1}"))
    expect(last).to_have_count(0)
    folders.get_by_role("button", name=re.compile("Show more")).click()
    expect(last).to_be_visible()
    folders.get_by_role("textbox", name="Find in: Folder").fill("day 107")
    folders.get_by_role("button", name=re.compile("^Day 107")).click()
    expect(page.get_by_text("1 image", exact=True)).to_be_visible()
    assert len(tiles(page)) == 1


def test_what_was_found_is_saved_as_a_table(page: Page) -> None:
    page.goto("/?q=a+red+circle")
    shown = tiles(page)
    page.get_by_role("button", name="Save these results as a file").click()
    with page.expect_download() as coming:
        page.get_by_role("menuitem", name="Table (CSV)").click()
    assert coming.value.suggested_filename == "pdray-default.csv"
    rows = list(csv.DictReader(io.StringIO(coming.value.path().read_text("utf-8"))))
    assert [row["id"] for row in rows[: len(shown)]] == shown
    expect(page.get_by_text("Saving")).to_have_count(0)


def test_what_can_not_be_saved_says_why(page: Page) -> None:
    page.goto("/?q=a+red+circle")
    tiles(page)
    page.get_by_role("button", name="Save these results as a file").click()
    page.context.set_offline(True)
    page.get_by_role("menuitem", name="Originals").click()
    expect(page.get_by_role("alert")).to_contain_text("can't be reached")
    page.context.set_offline(False)


def test_images_of_this_device_are_sent_and_each_is_answered_for(
    page: Page, made: Made, tmp_path: Path
) -> None:
    # What is there already begins no run, which would take half a minute.
    photo = sorted(made.photos.glob("*.jpg"))[0]
    kept = made.workspace / "uploads" / "default"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / f"x.{content_id(photo.read_bytes())}.jpg").write_bytes(photo.read_bytes())
    broken, notes = tmp_path / "broken.jpg", tmp_path / "notes.txt"
    broken.write_bytes(b"\xff\xd8\xff no picture")
    notes.write_text("no picture either")
    page.goto("/runs?from=here")
    page.locator("input[type=file]").first.set_input_files([photo, broken, notes])
    expect(page.get_by_text("2 images")).to_be_visible()
    expect(page.get_by_text("1 other file is left out.")).to_be_visible()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("1 was there already.")).to_be_visible()
    refused = page.get_by_role("listitem").filter(has_text="broken.jpg")
    expect(refused).to_contain_text("jpeg")


def test_a_collection_that_can_not_be_made_says_so_at_its_name(page: Page, made: Made) -> None:
    page.goto("/runs?from=here")
    photo = sorted(made.photos.glob("*.jpg"))[0]
    page.locator("input[type=file]").first.set_input_files(photo)
    page.get_by_role("combobox", name="Collection").fill("No Such/Name")
    expect(page.get_by_role("combobox", name="Model")).to_be_visible()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text(re.compile("^name: "))).to_be_visible()
