"""That nobody is locked out: axe looks at every view, and at all that opens over one."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from pdray.catalog import lease, runs
from pdray.catalog.catalog import Catalog
from tests.browser.conftest import served
from tests.browser.test_looking import box, tiles
from tests.served import Made, commit, copied, settings_of

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
LIVE, ENDED = "20250102T030405.678Z-abcdef", "20250102T030405.678Z-abcdee"

# Where motion is reduced every change takes 0.01 ms, which is until the next frame: on a busy
# machine a button that was let go of has the colour of a disabled one for that long.
SETTLED = """() => Promise.allSettled(
  document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished)
)"""
Look = Callable[[], None]


@pytest.fixture(params=["light", "dark"])
def look(request: pytest.FixtureRequest, page: Page, axe: str) -> Look:
    """Has axe look at what the page shows now, and asserts that it finds nothing wrong."""
    page.set_default_timeout(10_000)
    page.emulate_media(color_scheme=request.param, reduced_motion="reduce")
    # Colours differ between the two, all else is the same.
    asked = {"runOnly": RULES if request.param == "light" else ["color-contrast"]}

    def now() -> None:
        page.evaluate(f"() => {{ {axe}; }}")
        page.evaluate(SETTLED)
        seen = page.evaluate(f"() => axe.run(document, {json.dumps(asked)})")
        assert not seen["violations"], "\n".join(
            f"{page.url} {one['id']}: {node['html'][:240]} {node.get('failureSummary', '')[:300]}"
            for one in seen["violations"]
            for node in one["nodes"]
        )

    return now


@pytest.fixture(scope="package")
def busy(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with folders in folders, one run that goes on, and one that had
    failures.
    """
    home = tmp_path_factory.mktemp("busy")
    for number in range(9):
        folder = home / "trips" / f"Day {number}" / "raw"
        folder.mkdir(parents=True)
        Image.new("RGB", (16, 12), (number, 9, 9)).save(folder / "x.png")
    (home / "trips" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    Image.new("RGB", (16, 12)).save(home / "top.png")
    own = copied(made, home)
    commit(home / "trips", own.workspace, "trips", ENDED)
    catalog = Catalog.open(str(own.workspace))
    places = [{"folder": (home / "trips").as_uri(), "done": 4, "failed": 1}]
    done = {"stages": {"decode": 3.2, "embed": 8.1}, "folders": places, "failed": 1}
    asked = {"collection": "trips", "sources": [str(home / "trips")], "model": "builtin"}
    runs.start(catalog, ENDED, asked)
    runs.end(catalog, ENDED, {"state": "failed", "read": 10, "error": "The disk is full.", **done})
    with lease.hold(catalog, "trips", LIVE):
        runs.start(catalog, LIVE, asked)
        progress = {"state": "running", "phase": "indexing", "done": 4, "total": 10, **done}
        runs.publish(catalog, LIVE, {**progress, "rate": 2.5, "eta_seconds": 3, "counts": {}})
        with served(settings_of(own)) as url:
            yield url


def test_axe_finds_nothing_wrong_in_what_is_found(page: Page, look: Look) -> None:
    page.goto("/?q=red+format:jpeg+-circle")
    first = tiles(page)[0]
    look()
    page.goto("/?q=near:1,1,1km")
    page.get_by_role("heading", name="Nothing found").wait_for()
    look()
    page.goto("/?q=shutter:5")
    page.get_by_text("There is no field shutter").wait_for()
    look()
    page.goto(f"/?image={first}")
    page.get_by_role("region", name="Similar images").locator("a").first.wait_for()
    look()


def test_axe_finds_nothing_wrong_in_the_search_box(page: Page, look: Look) -> None:
    page.goto('/?q=red+"nothing+says+this"+format:jpeg+-format:png+-square')
    page.get_by_role("heading", name="Nothing found").wait_for()
    box(page).fill("orient")
    page.get_by_role("option", name="orientation:").wait_for()
    look()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("orient"))
    page.get_by_role("button", name="Clear the search").click()
    box(page).click()
    page.get_by_role("option", name=re.compile("^orient")).wait_for()  # what was sought before
    look()
    page.goto("/?q=red")
    image = tiles(page)[0]
    page.goto(f"/?q=red&like={image}&w=1,-2,1")
    tiles(page)
    look()


def test_axe_finds_nothing_wrong_in_the_filters(page: Page, look: Look, busy: str) -> None:
    page.goto("/")
    tiles(page)
    page.get_by_role("button", name="Filters").click()
    camera = page.get_by_role("region", name="Camera")
    camera.get_by_role("button").first.click()
    page.get_by_role("button", name="Clear all filters").wait_for()
    look()
    page.goto(f"{busy}/?in=trips")
    tiles(page)
    page.get_by_role("button", name="Filters").click()
    folders = page.get_by_role("region", name="Folder")
    folders.get_by_role("button", name="Show what is in Day 3").click()
    folders.get_by_role("button", name=re.compile("^raw")).first.click()
    expect(page.get_by_text("1 image", exact=True)).to_be_visible()
    look()
    folders.get_by_role("textbox", name="Find in: Folder").fill("day 7")
    folders.get_by_role("button", name=re.compile("^Day 7")).wait_for()
    look()
    folders.get_by_role("textbox", name="Find in: Folder").fill("nowhere")
    folders.get_by_text("No folder is called that.").wait_for()
    look()
    page.set_viewport_size({"width": 390, "height": 844})
    drawer = page.get_by_role("dialog", name="Filters")
    drawer.get_by_role("region", name="Format").wait_for()
    look()


def test_axe_finds_nothing_wrong_in_what_opens_over_the_grid(
    page: Page, look: Look, busy: str
) -> None:
    page.goto(f"{busy}/?q=red")
    image = tiles(page)[0]
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("menuitemradio", name="Dark").wait_for()
    look()
    page.keyboard.press("Escape")
    for choice in ("Sort", "Collection"):
        page.get_by_role("combobox", name=choice, exact=True).click()
        page.get_by_role("option").nth(1).wait_for()
        look()
        page.keyboard.press("Escape")
    page.get_by_role("button", name="Save these results as a file").click()
    page.get_by_role("menuitem", name="Originals").wait_for()
    look()
    page.context.set_offline(True)
    page.get_by_role("menuitem", name="Originals").click()
    page.get_by_role("alert").wait_for()
    look()
    page.context.set_offline(False)
    page.goto(f"{busy}/?q=red+-blue&like={image}")
    tiles(page)
    page.get_by_role("button", name="How much each part counts").click()
    page.get_by_role("slider", name="Image").wait_for()
    look()
    page.goto("/")
    one, other = tiles(page)[:2]
    page.goto(f"/?q=red&like={one}&like={other}&w=1,2,-1,1")
    page.get_by_role("button", name="How much each part counts").click()
    page.get_by_role("switch", name="Less like image 2").wait_for()
    look()
    page.keyboard.press("Escape")
    page.evaluate("""() => {
      const data = new DataTransfer();
      data.items.add(new File([], "a.jpg"));
      const entering = new DragEvent("dragenter", { dataTransfer: data, bubbles: true });
      document.body.dispatchEvent(entering);
    }""")
    page.get_by_text("Add them to this search").wait_for()
    look()


def test_axe_finds_nothing_wrong_in_adding_images(
    page: Page, look: Look, busy: str, made: Made, tmp_path: Path
) -> None:
    page.goto(f"{busy}/runs")
    page.get_by_role("button", name="More choices").click()
    for choice in ("Precision", "Model", "Collection"):
        page.get_by_role("combobox", name=choice).click()
        page.get_by_role("option").first.wait_for()
        look()
        page.keyboard.press("Escape")
    page.get_by_role("textbox", name="Folders, archives or addresses").fill("trip")
    page.get_by_role("button", name="Start").click()
    page.get_by_text("trip is no whole path").wait_for()
    look()
    page.goto(f"{busy}/runs?from=here")
    choose = page.get_by_role("button", name="Choose images")
    choose.wait_for()
    look()
    broken, notes = tmp_path / "broken.jpg", tmp_path / "notes.txt"
    broken.write_bytes(b"\xff\xd8\xff no picture")
    notes.write_text("no picture either")
    page.locator("input[type=file]").first.set_input_files([broken, notes])
    page.get_by_role("combobox", name="Collection").fill("No Such/Name")
    page.get_by_role("combobox", name="Model").wait_for()
    page.get_by_role("button", name="Send").click()
    page.get_by_text(re.compile("^name: ")).wait_for()
    expect(choose).to_be_enabled()  # what is disabled while it sends may have little contrast
    look()
    page.get_by_role("combobox", name="Collection").fill("default")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("listitem").filter(has_text="broken.jpg").wait_for()
    expect(choose).to_be_enabled()
    look()


def test_axe_finds_nothing_wrong_in_a_run_and_what_it_asks(
    page: Page, look: Look, busy: str
) -> None:
    page.goto(f"{busy}/runs/{LIVE}")
    page.get_by_role("progressbar").wait_for()
    look()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog", name="Cancel").wait_for()
    look()
    page.goto(f"{busy}/runs/{ENDED}")
    page.get_by_role("region", name="What failed").wait_for()
    look()
    page.goto(f"{busy}/runs/{LIVE[:-1]}0")
    page.get_by_text("There is no run").wait_for()
    look()
    page.goto(f"{busy}/nowhere")
    page.get_by_role("heading", name="There is no such page").wait_for()
    look()


def test_axe_finds_nothing_wrong_in_asking_for_a_key(page: Page, look: Look, keyed: str) -> None:
    page.goto(keyed)
    page.get_by_role("textbox", name="Key").fill("wrong")
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("This key isn't known here.").wait_for()
    look()


def test_axe_finds_nothing_wrong_in_editing(page: Page, look: Look) -> None:
    page.goto("/?q=a+red+circle")
    page.locator("[data-id]").first.click()
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("textbox", name="Caption").wait_for()
    look()


def test_axe_finds_nothing_wrong_where_images_are_chosen(page: Page, look: Look) -> None:
    page.goto("/")
    tiles(page)
    page.locator("[data-id]").first.focus()
    page.keyboard.press("x")
    bar = page.get_by_role("region", name="Chosen images")
    bar.wait_for()
    look()
    bar.get_by_role("button", name="Edit", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="3").press("Space")
    look()
