"""Searching, browsing and looking at one image, as a person does it."""

import os
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.served import SCENES, Made


def box(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Search images")


def tiles(page: Page) -> list[str]:
    """The ids of the images that the grid shows, in its order."""
    page.locator("[data-id]").first.wait_for()
    found = page.locator("[data-id]").evaluate_all("all => all.map(one => one.dataset.id)")
    return [str(one) for one in found]


def expect_first(page: Page, id: str) -> None:
    expect(page.locator("[data-id]").first).to_have_attribute("data-id", id)


def detail(page: Page) -> Locator:
    return page.locator("[data-detail]")


def test_words_find_what_they_describe_and_the_address_holds_them(page: Page, made: Made) -> None:
    uri, caption = next(iter(made.captions.items()))
    page.goto("/")
    expect(page.get_by_text(f"{made.count} images")).to_be_visible()
    first = tiles(page)[0]
    box(page).fill(caption)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"q="))
    expect(page.locator("[data-id]").first).not_to_have_attribute("data-id", first)
    found = tiles(page)
    names = [page.request.get(f"/api/v1/images/{id}").json()["uri"] for id in found[:5]]
    assert uri in names
    page.reload()
    assert tiles(page) == found
    page.go_back()
    expect_first(page, first)


def test_a_condition_becomes_a_chip_and_goes_with_its_cross(page: Page, made: Made) -> None:
    page.goto("/")
    tiles(page)
    box(page).press_sequentially("format:png ")
    remove = page.get_by_role("button", name="Remove format:png")
    expect(remove).to_be_visible()
    expect(page.get_by_text(f"{made.count - SCENES} images")).to_be_visible()
    assert len(tiles(page)) == made.count - SCENES
    expect(box(page)).to_have_value("")
    remove.click()
    expect(page.get_by_text(f"{made.count} images")).to_be_visible()


def test_suggestions_come_from_what_there_is(page: Page) -> None:
    page.goto("/")
    tiles(page)
    box(page).fill("orient")
    page.get_by_role("option", name="orientation:").click()
    page.get_by_role("option", name=re.compile("orientation: portrait")).click()
    expect(page.get_by_role("button", name="Remove orientation:portrait")).to_be_visible()
    assert "orientation" in page.url


def test_filters_count_what_they_leave(page: Page, made: Made) -> None:
    page.goto("/")
    tiles(page)
    page.get_by_role("button", name="Filters").click()
    png = page.get_by_role("region", name="Format").get_by_role("button", name=re.compile("^png"))
    expect(png).to_have_text(re.compile(rf"{made.count - SCENES}$"))
    png.click()
    expect(png).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text(f"{made.count - SCENES} images")).to_be_visible()
    # Counts of a field are of what its other values would leave.
    jpeg = page.get_by_role("region", name="Format").get_by_role("button", name=re.compile("^jpeg"))
    expect(jpeg).to_be_visible()
    page.get_by_role("button", name="Clear all filters").click()
    expect(page.get_by_text(f"{made.count} images")).to_be_visible()


def test_a_dropped_image_finds_itself_first(page: Page, made: Made) -> None:
    photo = sorted(made.photos.glob("*.jpg"))[3]
    page.goto("/")
    tiles(page)
    drop(page, photo)
    page.wait_for_url(re.compile(r"drop="))
    expect(page.get_by_role("search").get_by_text(photo.name)).to_be_visible()
    own = page.request.get("/api/v1/images?limit=100").json()["images"]
    id = next(one["id"] for one in own if one["name"] == photo.name)
    expect_first(page, id)
    # Words may be added to it, and its bytes outlive a reload.
    box(page).fill("circle")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"q=circle.*drop=|drop=.*q=circle"))
    page.reload()
    expect(page.get_by_role("search").get_by_text(photo.name)).to_be_visible()
    assert id in tiles(page)


def drop(page: Page, *photos: Path, onto: str = "body") -> None:
    """As if the files came from the desktop, first over the page and then over a place on it."""
    script = """([files, onto]) => {
      const data = new DataTransfer();
      for (const [bytes, name] of files) {
        data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
      }
      const send = (kind, place) => place.dispatchEvent(
        new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }),
      );
      send("dragenter", document.body);
      return new Promise((done) => {
        const when = () => {
          const place = document.querySelector(onto);
          if (!place) return requestAnimationFrame(when);
          for (const kind of ["dragover", "drop"]) send(kind, place);
          done();
        };
        when();
      });
    }"""
    files = [[list(photo.read_bytes()), photo.name] for photo in photos]
    page.evaluate(script, [files, onto])


def test_one_image_large_and_the_next_by_keyboard(page: Page) -> None:
    page.goto("/")
    shown = tiles(page)
    page.locator("[data-id]").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(f"[data-id='{shown[1]}']")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"image={shown[1]}"))
    expect(detail(page).locator("img[data-original]")).to_be_visible()
    # Until then the arrow is the grid's, whose tile has it.
    expect(detail(page).locator("[data-autofocus]")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile(f"image={shown[2]}"))
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile(f"image={shown[0]}"))
    expect(detail(page).get_by_role("button", name="Previous image")).to_be_disabled()
    expect(
        detail(page).get_by_role("region", name="Similar images").locator("a")
    ).not_to_have_count(0)
    page.keyboard.press("Escape")
    expect(detail(page)).to_have_count(0)
    assert "image=" not in page.url
    expect(page.locator(f"[data-id='{shown[0]}']")).to_be_focused()


def test_more_like_this_starts_from_the_open_image(page: Page) -> None:
    page.goto("/")
    first = tiles(page)[0]
    page.goto(f"/?image={first}")
    detail(page).get_by_role("button", name="More like this").click()
    page.wait_for_url(re.compile(f"like={first}"))
    name = page.request.get(f"/api/v1/images/{first}").json()["name"]
    expect(page.get_by_role("search").get_by_text(f"Like {name}")).to_be_visible()
    expect_first(page, first)


def test_an_original_that_is_gone_says_why_over_its_thumbnail(page: Page, made: Made) -> None:
    page.goto("/?q=format:png")
    id = tiles(page)[0]
    photo = made.photos / page.request.get(f"/api/v1/images/{id}").json()["name"]
    kept = photo.read_bytes()
    stamp = photo.stat().st_mtime_ns
    photo.unlink()
    try:
        page.goto(f"/?image={id}")
        expect(detail(page).get_by_text("can't be reached")).to_be_visible()
        expect(detail(page).get_by_text("What you see is its thumbnail.")).to_be_visible()
        expect(detail(page).locator("img:not([data-original])").first).to_be_visible()
    finally:
        photo.write_bytes(kept)
        os.utime(photo, ns=(stamp, stamp))


def test_nothing_found_and_a_query_that_is_wrong_say_what_to_do(page: Page, made: Made) -> None:
    page.goto("/?q=red+near:1,1,1km")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    page.get_by_role("button", name="Search without the filters").click()
    tiles(page)
    page.goto("/?q=shutter:5")
    expect(page.get_by_text("There is no field shutter")).to_be_visible()
    page.get_by_role("button", name="Clear the search").click()
    expect(page.get_by_text(f"{made.count} images")).to_be_visible()


def test_a_server_that_goes_away_is_said_and_its_return_seen(page: Page, made: Made) -> None:
    page.goto("/")
    tiles(page)
    page.context.set_offline(True)
    box(page).fill("red")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Connection lost")).to_be_visible()
    expect(page.get_by_role("heading", name="The server can't be reached")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("Connection lost")).to_have_count(0)
    assert len(tiles(page)) > 1


def test_sorting_turns_the_order_round(page: Page) -> None:
    page.goto("/?q=has:date")
    newest = tiles(page)[0]
    page.get_by_role("combobox", name="Sort").click()
    page.get_by_role("option", name="Oldest first").click()
    page.wait_for_url(re.compile("sort=oldest"))
    expect(page.locator("[data-id]").first).not_to_have_attribute("data-id", newest)
