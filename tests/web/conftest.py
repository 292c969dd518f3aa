"""A server to ask, a browser, and the server's page, opened there."""

import os
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from tests.waiting import PATIENCE
from tests.web.browsers import Browsers, patience

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.web.pages import Opener
    from tests.web.test_app import Client


@pytest.fixture(autouse=True, scope="session")
def patient() -> Iterator[None]:
    """A process of the server's may take as long to start as a busy machine needs."""
    with pytest.MonkeyPatch.context() as patched:
        if find_spec("fastapi"):
            patched.setattr("phnet.web.pool.SECONDS_TO_START", PATIENCE)
        yield


@pytest.fixture(scope="module")
def client() -> Iterator["Client"]:
    from tests.web.test_app import running

    with running(workers=2) as client:
        yield client


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from tests.web.test_app import running

    with running(workers=1) as client:
        yield f"http://127.0.0.1:{client.port}/"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's chromium, never a download; where it is missing the test is skipped, in CI fails."""
    missing = pytest.fail if os.environ.get("CI") else pytest.skip
    program = shutil.which("chromium")
    if program is None:
        missing("expected Debian's chromium (apt-get install chromium)")
    if not find_spec("playwright"):
        missing("expected Playwright's Python package (the group dev)")
    return program


@pytest.fixture(scope="module")  # Playwright holds an event loop as long as it runs
def browsers(chromium: str) -> Iterator[Browsers]:
    browsers = Browsers(chromium)
    yield browsers
    browsers.close()


@pytest.fixture
def browser(browsers: Browsers) -> Iterator["Browser"]:
    """One that answers; it is ended where the test takes too long, and the next gets another."""
    with browsers.watched():
        yield browsers.browser()


@pytest.fixture
def opened(browser: "Browser", address: str) -> Iterator["Opener"]:
    """Open the page; at the end, nothing may have failed, and no other host may have been asked."""
    from tests.web.pages import SPY

    contexts, asked, failed = [], [], []

    def open_(at: str = address, width: int = 1280, scheme: str = "light", **more: Any) -> "Page":
        size = {"width": width, "height": 800}
        context = browser.new_context(viewport=size, color_scheme=scheme, **more)
        context.set_default_timeout(patience())
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append((at, request.url)))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.add_init_script(SPY)
        page.goto(at)
        page.locator('main[aria-busy="false"]').wait_for()
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not failed
    assert asked
    assert [url for at, url in asked if not re.match(f"{at}|blob:{at}|data:", url)] == []
