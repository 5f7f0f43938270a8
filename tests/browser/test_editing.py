"""What people say of an image, said on the page."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import served
from tests.browser.test_looking import detail, tiles
from tests.served import Made, copied, settings_of


@pytest.fixture(scope="module")
def own(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server whose images may be edited."""
    with served(settings_of(copied(made, tmp_path_factory.mktemp("edited")))) as url:
        yield url


def enter(page: Page, keyed: str) -> None:
    """With the key of those who may look."""
    page.goto(keyed)
    page.get_by_role("textbox", name="Key").fill("look")
    page.get_by_role("button", name="Continue").click()
    tiles(page)


def test_an_edit_shows_is_found_and_is_taken_back(page: Page, own: str) -> None:
    page.goto(f"{own}/?q=a+red+circle")
    image = tiles(page)[0]
    page.locator(f"[data-id='{image}']").click()
    panel = detail(page)
    said = panel.get_by_role("complementary").locator("p").first.inner_text()
    panel.get_by_role("button", name="Edit", exact=True).click()
    caption = panel.get_by_role("textbox", name="Caption")
    expect(caption).to_be_focused()
    caption.fill("A tram uphill")
    tags = panel.get_by_label("Tags", exact=True).first
    tags.fill("lisbon")
    tags.press("Enter")
    panel.get_by_role("radio", name="4").press("Space")
    tags.press("ArrowLeft")  # moves in the field, not to another image
    panel.get_by_role("button", name="Save", exact=True).click()
    expect(panel.get_by_text("A tram uphill")).to_be_visible()
    expect(panel.get_by_text("4 / 5")).to_be_visible()
    expect(panel.get_by_text("tags, rating, caption")).to_be_visible()
    panel.get_by_role("link", name="lisbon").click()
    page.wait_for_url(re.compile(r"q=tag%3Alisbon"))
    expect(page.get_by_text("1 image", exact=True)).to_be_visible()
    page.locator(f"[data-id='{image}']").click()
    panel.get_by_role("button", name="Edit", exact=True).click()
    panel.get_by_role("button", name="Take all edits back").click()
    expect(panel.get_by_text("A tram uphill")).to_have_count(0)
    if said:
        expect(panel.get_by_text(said).first).to_be_visible()
    expect(panel.get_by_role("link", name="lisbon")).to_have_count(0)


def test_cancel_changes_nothing(page: Page, own: str) -> None:
    page.goto(own)
    tiles(page)
    page.locator("[data-id]").first.click()
    panel = detail(page)
    panel.get_by_role("button", name="Edit", exact=True).click()
    panel.get_by_role("textbox", name="Caption").fill("Never said")
    panel.get_by_role("button", name="Cancel").click()
    expect(panel.get_by_role("button", name="Edit", exact=True)).to_be_visible()
    expect(panel.get_by_text("Never said")).to_have_count(0)


def test_who_may_not_write_is_told_so(page: Page, keyed: str) -> None:
    enter(page, keyed)
    page.locator("[data-id]").first.click()
    panel = detail(page)
    panel.get_by_role("button", name="Edit", exact=True).click()
    panel.get_by_role("textbox", name="Caption").fill("Mine")
    panel.get_by_role("button", name="Save", exact=True).click()
    expect(panel.get_by_role("alert")).to_be_visible()
    expect(panel.get_by_role("textbox", name="Caption")).to_have_value("Mine")


def test_what_somebody_else_says_shows_without_a_reload(page: Page, own: str) -> None:
    page.goto(f"{own}/?q=a+red+circle")
    image = tiles(page)[0]
    page.locator(f"[data-id='{image}']").click()
    panel = detail(page)
    expect(panel.get_by_role("button", name="Edit", exact=True)).to_be_visible()
    page.request.patch(f"{own}/api/v1/images/{image}", data={"caption": "Said elsewhere"})
    expect(panel.get_by_text("Said elsewhere")).to_be_visible()


def chosen(page: Page) -> Locator:
    return page.get_by_role("region", name="Chosen images")


def choose(page: Page, number: int) -> Locator:
    return page.get_by_role("checkbox", name=re.compile("^Choose: ")).nth(number)


def test_many_images_are_chosen_by_mouse_and_edited_at_once(page: Page, own: str) -> None:
    page.goto(own)
    tiles(page)
    page.locator("[data-id]").first.hover()
    choose(page, 0).click()
    expect(chosen(page)).to_contain_text("1 image chosen")
    page.locator("[data-id]").nth(3).click(modifiers=["Shift"])  # all from the first to here
    expect(chosen(page)).to_contain_text("4 images chosen")
    page.locator("[data-id]").nth(1).click()  # and not this one
    expect(choose(page, 1)).not_to_be_checked()
    expect(chosen(page)).to_contain_text("3 images chosen")
    wanted = {tiles(page)[number] for number in (0, 2, 3)}
    chosen(page).get_by_role("button", name="Edit", exact=True).click()
    dialog = page.get_by_role("dialog", name="Edit 3 images")
    tags = dialog.get_by_label("Tags to add", exact=True).first
    expect(tags).to_be_focused()
    dialog.get_by_role("radio", name="5").press("Space")
    tags.fill("porto")  # without Enter, as people do
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("3 images edited.")).to_be_visible()
    expect(chosen(page)).to_have_count(0)
    page.goto(f"{own}/?q=tag%3Aporto+rating%3A5")
    expect(page.get_by_text("3 images", exact=True)).to_be_visible()
    assert set(tiles(page)) == wanted


def test_images_are_chosen_by_keyboard_and_let_go_by_escape(page: Page, own: str) -> None:
    page.goto(own)
    tiles(page)
    page.locator("[data-id]").first.focus()
    page.keyboard.press("x")
    expect(choose(page, 0)).to_be_checked()
    for number in (1, 2):
        page.keyboard.press("ArrowRight")
        expect(page.locator("[data-id]").nth(number)).to_be_focused()
    page.keyboard.press("Shift+X")
    expect(chosen(page)).to_contain_text("3 images chosen")
    page.keyboard.press("Escape")
    expect(chosen(page)).to_have_count(0)
    expect(choose(page, 0)).not_to_be_checked()
    page.locator("[data-id]").first.click()  # opens again
    expect(detail(page)).to_be_visible()


def test_who_may_not_write_keeps_what_was_chosen_and_entered(page: Page, keyed: str) -> None:
    enter(page, keyed)
    page.locator("[data-id]").first.focus()
    page.keyboard.press("x")
    chosen(page).get_by_role("button", name="Edit", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="2").press("Space")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").last.click()
    expect(chosen(page)).to_contain_text("1 image chosen")
