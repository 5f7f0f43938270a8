"""Searching, browsing and looking at one image, as a person does it."""

import re

from playwright.sync_api import Page, expect

from tests.served import Made

BOX = "Search images"


def tiles(page: Page) -> list[str]:
    """The ids of the images that the grid shows."""
    page.locator("[data-id]").first.wait_for()
    return page.locator("[data-id]").evaluate_all("all => all.map(one => one.dataset.id)")


def search(page: Page, text: str) -> None:
    page.get_by_role("combobox", name=BOX).fill(text)
    page.keyboard.press("Enter")


def test_words_find_what_they_describe_and_the_address_holds_them(page: Page, made: Made) -> None:
    caption = next(iter(made.captions.values()))
    page.goto("/")
    expect(page.get_by_text(f"{made.count} images")).to_be_visible()
    before = tiles(page)
    search(page, caption)
    page.wait_for_url(re.compile(r"q="))
    page.wait_for_function(
        "id => document.querySelector('[data-id]')?.dataset.id !== id", arg=before[0]
    )
    found = tiles(page)
    assert found != before
    page.reload()
    assert tiles(page) == found
    page.go_back()
    page.wait_for_function(
        "id => document.querySelector('[data-id]')?.dataset.id === id", arg=before[0]
    )
