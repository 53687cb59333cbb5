"""The page in a real Chromium, before a real service that wants keys: one of each for all tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import REPOSITORY, missing
from worker.cli.stack import Stack
from worker.contract.settings import Settings
from worker.service.server import RedisServer
from worker.store.keys import Keyring

SCREENSHOTS = REPOSITORY / "out" / "browser"
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# What Chromium says in the console of an answer that the test provoked; nothing else may stand there.
PROVOKED = "Failed to load resource"
PATIENCE = 60_000  # milliseconds, for machines that are busy
Visit = Callable[..., Page]


@pytest.fixture(scope="package")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(redis_url=None, state_dir=tmp_path_factory.mktemp("state"), allow_anonymous=False)


@pytest.fixture(scope="package")
def key(settings: Settings) -> str:
    """A key of the service, made before it starts: without one it would not."""
    with RedisServer(settings) as server:
        keyring = Keyring(Settings(redis_url=server))
        text, _ = keyring.create("ada", ["read", "submit"])
        keyring.close()
    return text


@pytest.fixture(scope="package")
def stack(settings: Settings, key: str) -> Iterator[Stack]:
    with Stack(settings) as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        missing("There is no chromium: the page was not tested.")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def visit(browser: Browser, stack: Stack, key: str) -> Iterator[Visit]:
    """`visit(size, key=..., provoked=...)` opens the page. At the end: no error was logged, no request left the origin.

    `provoked`: answers that the browser logs as errors are part of the test.
    """
    opened: list[tuple[Any, list[str], list[str], bool]] = []

    def open_page(
        size: dict[str, int] = DESK, *, shown: str | None = key, scheme: Any = "light", provoked: bool = False
    ) -> Page:
        context = browser.new_context(
            viewport=size, color_scheme=scheme, base_url=stack.url, reduced_motion="reduce", accept_downloads=True
        )
        if shown:
            context.add_init_script(f"if (location.host) sessionStorage.setItem('surety-key', '{shown}')")
        asked: list[str] = []
        wrong: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        context.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        context.on("weberror", lambda error: wrong.append(str(error.error)))
        opened.append((context, asked, wrong, provoked))
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto("/")
        return page

    yield open_page
    for context, asked, wrong, provoked in opened:
        context.close()
        assert asked and [url for url in asked if not url.removeprefix("blob:").startswith(stack.url)] == []
        assert [text for text in wrong if not (provoked and PROVOKED in text)] == []


def keep(page: Page, name: str) -> Path:
    """A screenshot of the whole page, for people."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path


def no_wider_than_the_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))
