"""A real server over the sample scenes, and Chromium looking at it: one of each for all tests."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pdray.config import Settings
from pdray.ingest.target import index_target
from pdray.serve.app import build_app
from pdray.serve.engine import Engine
from pdray.serve.page import DIST
from tests.served import Made, copied, make, settings_of
from tests.waiting import until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = DIST.parent / "node_modules" / "axe-core" / "axe.min.js"

expect.set_options(timeout=10_000)


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("browsed"))


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The address of a server. The API runs in this process, without Ray."""
    assert (DIST / "index.html").is_file(), "The page isn't built: run make ui."
    with Engine(settings, index_target(settings)) as engine:
        config = uvicorn.Config(build_app(engine), host="127.0.0.1", port=0, log_level="warning")
        server = uvicorn.Server(config)
        with config.bind_socket() as listening:
            thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
            thread.start()
            until(lambda: server.started, "the server")  # bound alone, it refuses
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="package")
def server(made: Made) -> Iterator[str]:
    """The address of the one that most tests look at."""
    with served(settings_of(made)) as url:
        yield url


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium isn't installed: the page is tested with it (apt install chromium).")
    with sync_playwright() as playwright:
        # Inside containers, where tests run as root, Chromium has no sandbox to be had.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, server: str) -> Iterator[Page]:
    """A window as wide as a laptop's, in a new profile. Any error of the page fails the test."""
    context = chromium.new_context(
        base_url=server, viewport={"width": 1280, "height": 800}, locale="en-US"
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None,
    )
    yield page
    context.close()
    assert not wrong


@pytest.fixture(scope="package")
def axe() -> str:
    """The script that looks for what people who can't see or point stumble over."""
    return AXE.read_text("utf-8")


@pytest.fixture
def keyed(made: Made, tmp_path: Path) -> Iterator[str]:
    """The address of a server that asks for a key."""
    own = copied(made, tmp_path)
    with served(settings_of(own, serve_read_key="look", serve_write_key="change")) as url:
        yield url
