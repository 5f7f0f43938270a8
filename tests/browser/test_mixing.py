"""Several images in one search: each with a weight, in the address as far as that goes."""

import re
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_looking import box, detail, drop, expect_first, tiles
from tests.served import Made


def chips(page: Page) -> Locator:
    return page.get_by_role("search").locator("[data-example]")


def id_of(page: Page, photo: Path) -> str:
    own = page.request.get("/api/v1/images?limit=100").json()["images"]
    return str(next(one["id"] for one in own if one["name"] == photo.name))


def jpegs(made: Made) -> list[Path]:
    return sorted(made.photos.glob("*.jpg"))


def weigh(page: Page, slider: str, key: str, times: int = 6) -> None:
    page.get_by_role("slider", name=slider).focus()
    for _ in range(times):
        page.keyboard.press(key)


def test_images_dropped_together_are_looked_for_together(page: Page, made: Made) -> None:
    one, other = jpegs(made)[3:5]
    page.goto("/")
    tiles(page)
    drop(page, one, other)
    page.wait_for_url(re.compile("drop=.*drop="))
    expect(chips(page)).to_have_count(2)
    expect(chips(page).first.locator("img")).to_be_visible()
    expect(page.get_by_text("Your images stay in this browser")).to_be_visible()
    both = {id_of(page, one), id_of(page, other)}
    assert both <= set(tiles(page)[:6])
    page.get_by_role("button", name="How much each part counts").click()
    weigh(page, f"Image 1, {one.name}", "ArrowRight")
    page.wait_for_url(re.compile("w=1%2C8%2C1%2C1"))
    expect_first(page, id_of(page, one))
    expect(chips(page).first).to_contain_text("× 8")
    page.get_by_role("switch", name="Less like image 1").click()
    page.wait_for_url(re.compile("w=1%2C-8%2C1%2C1"))
    expect_first(page, id_of(page, other))
    expect(chips(page).first).to_contain_text(f"Less like {one.name}")
    page.keyboard.press("Escape")
    # The bytes of both outlive a reload, and their weights do.
    page.reload()
    expect_first(page, id_of(page, other))
    page.get_by_role("button", name=f"Remove Less like {one.name}").click()
    expect(chips(page)).to_have_count(1)
    page.wait_for_url(re.compile(r"\?drop=[^&]*$"))


def test_more_like_this_joins_what_is_looked_for(page: Page) -> None:
    page.goto("/?q=a+red+circle")
    first, second, third = tiles(page)[:3]
    tile = page.get_by_role("listitem").filter(has=page.locator(f"[data-id='{second}']"))
    tile.hover()
    tile.get_by_role("button", name=re.compile("^Add to the search")).click()
    page.wait_for_url(re.compile(f"q=a.red.circle&like={second}"))
    expect(chips(page)).to_have_count(1)
    page.locator(f"[data-id='{first}']").focus()
    page.keyboard.press("a")
    page.wait_for_url(re.compile(f"like={second}&like={first}"))
    page.locator(f"[data-id='{third}']").click()
    detail(page).get_by_role("button", name="Add to the search").click()
    page.wait_for_url(re.compile(f"like={second}&like={first}&like={third}$"))
    expect(chips(page)).to_have_count(3)
    page.locator(f"[data-id='{third}']").click()
    expect(detail(page).get_by_role("button", name="More like this")).to_be_visible()
    expect(detail(page).get_by_role("button", name="Add to the search")).to_have_count(0)


def test_a_mix_of_known_images_is_all_in_its_address(page: Page, chromium: Browser) -> None:
    page.goto("/")
    one, other = tiles(page)[:2]
    address = f"/?q=square&like={one}&like={other}&w=0.5,2,-1,1"
    page.goto(address)
    found = tiles(page)
    expect(page.get_by_text("in this browser")).to_have_count(0)
    elsewhere = chromium.new_context(base_url=page.url, locale="en-US").new_page()
    elsewhere.goto(address)
    assert tiles(elsewhere)[: len(found)] == found[: len(tiles(elsewhere))]
    expect(chips(elsewhere).nth(1)).to_contain_text("Less like")
    elsewhere.context.close()


def test_a_dropped_image_joins_or_begins_a_search_by_where_it_is_dropped(
    page: Page, made: Made
) -> None:
    one, other = jpegs(made)[:2]
    page.goto("/?q=circle+format:jpeg")
    tiles(page)
    drop(page, one, onto="[data-drop='1']")
    page.wait_for_url(re.compile("q=circle.*drop="))
    expect(chips(page)).to_have_count(1)
    drop(page, other, onto="[data-drop='0']")
    page.wait_for_url(re.compile(r"/\?drop=[^&]*$"))
    expect(chips(page)).to_have_count(1)
    expect(chips(page)).to_contain_text(other.name)


def test_images_are_picked_by_hand_and_no_more_than_fit(page: Page, made: Made) -> None:
    page.goto("/?q=circle")
    tiles(page)
    with page.expect_file_chooser() as coming:
        page.get_by_role("button", name="Add images to the search").click()
    coming.value.set_files(jpegs(made)[:10])
    expect(page.get_by_text("A search takes 8 images: 2 were left out.")).to_be_visible()
    expect(chips(page)).to_have_count(8)
    tiles(page)
    box(page).fill("")
    box(page).press("Backspace")
    expect(chips(page)).to_have_count(7)


def test_an_image_that_is_elsewhere_can_be_left_out(page: Page) -> None:
    page.goto("/?q=circle&drop=0123456789abcdef")
    expect(page.get_by_role("heading", name="That image isn't here any more")).to_be_visible()
    page.get_by_role("button", name="Search without it").click()
    page.wait_for_url(re.compile(r"/\?q=circle$"))
    tiles(page)


def test_a_mix_is_said_in_spanish_too(page: Page) -> None:
    page.goto("/")
    one, other = tiles(page)[:2]
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("menuitemradio", name="Español").click()
    page.goto(f"/?like={one}&like={other}&w=1,1,-1,1")
    tiles(page)
    expect(chips(page).nth(1)).to_contain_text("Menos como")
    page.get_by_role("button", name="Cuánto cuenta cada parte").click()
    expect(page.get_by_role("switch", name="Menos como la imagen 2")).to_be_checked()
