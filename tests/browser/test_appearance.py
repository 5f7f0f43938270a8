"""Themes, languages, widths, keys."""

import re

from playwright.sync_api import Page, expect

from tests.browser.test_looking import tiles


def dark(page: Page) -> bool:
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", ground)[:3])) < 200


def test_the_theme_is_the_systems_until_one_is_chosen(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto("/")
    assert dark(page)
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("menuitemradio", name="Light").click()
    assert not dark(page)
    page.reload()
    tiles(page)
    assert not dark(page)


def test_the_language_is_the_browsers_until_one_is_chosen(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("menuitemradio", name="Español").click()
    expect(page.get_by_role("button", name="Filtros")).to_be_visible()
    page.reload()
    expect(page.get_by_role("combobox", name="Buscar imágenes")).to_be_visible()
    assert page.evaluate("() => document.documentElement.lang") == "es"


def test_a_phone_shows_all_of_it_without_scrolling_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    first = tiles(page)[0]
    for place in ("/", f"/?image={first}", "/runs"):
        page.goto(place)
        page.get_by_role("link", name="pdray").first.wait_for(state="attached")
        wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, place
    page.goto("/")
    tiles(page)
    page.get_by_role("button", name="Filters").click()
    expect(page.get_by_role("dialog", name="Filters")).to_be_visible()
    page.get_by_role("button", name="Close the filters").click()
    expect(page.get_by_role("dialog", name="Filters")).to_have_count(0)


def test_nothing_is_asked_of_any_other_host(page: Page, server: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/")
    page.goto(f"/?image={tiles(page)[0]}")
    page.get_by_role("region", name="Similar images").locator("a").first.wait_for()
    page.goto("/docs")
    page.get_by_text("/api/v1/search/batch").first.wait_for()
    assert len(asked) > 10
    others = [url for url in asked if not url.startswith((server, "data:", "blob:", "ws://127."))]
    assert not others


def test_a_server_that_asks_for_a_key_is_given_it_once(page: Page, keyed: str) -> None:
    page.goto(keyed)
    key = page.get_by_role("textbox", name="Key")
    key.fill("wrong")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("This key isn't known here.")).to_be_visible()
    key.fill("look")
    page.get_by_role("button", name="Continue").click()
    # Images are fetched with the key, which no address holds.
    expect(page.locator("[data-id] img").first).to_have_attribute("src", re.compile("^blob:"))
    page.reload()
    tiles(page)
    assert "look" not in page.url
    page.goto(f"{keyed}/runs")
    page.get_by_role("textbox", name="Folders, archives or addresses").fill("/none")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("This key may only look")).to_be_visible()
