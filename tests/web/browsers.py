"""A browser that is ended and started again where it does not answer.

Some of Playwright's calls (a key, a script, closing) wait for as long as the browser takes, so one
that hangs would hold all tests. Each test is watched from a thread.
"""

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phnet.options import cores

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SECONDS = 60.0  # of a test, or of one wait, on a machine with nothing else to do
SLOWEST = 10.0  # times as long on one that is busy, at most
LOOK = 0.5  # seconds
GRACE = 10.0  # seconds, in which a call to a browser that was ended fails


def slowness() -> float:
    """How much longer work takes here now: what wants to run, for each core."""
    return min(SLOWEST, max(1.0, os.getloadavg()[0] / cores()))


def patience() -> float:
    """Milliseconds after which one wait of Playwright's fails, sooner than the whole test."""
    return 750 * SECONDS * slowness()


class Browsers:
    """One browser after the other.

    Args:
        program: path of the browser.
        seconds: that a test may take, on a machine with nothing else to do.
    """

    def __init__(self, program: str, seconds: float = SECONDS) -> None:
        self._program, self._seconds = program, seconds
        self._playwright: Any = None
        self._browser: Browser | None = None
        self._spoiled = False  # by the watch
        self.driver = 0
        """The number of Playwright's own process, which starts the browser's; 0 for none."""
        self.ended = 0
        """How many did not answer and were ended."""

    def browser(self) -> "Browser":
        """The one that runs, or another; for use while it is watched."""
        from playwright.sync_api import sync_playwright

        if self._browser is not None and not self._spoiled and self._browser.is_connected():
            return self._browser
        self._stop()
        before = set(descendants(os.getpid()))
        self._playwright = sync_playwright().start()
        started = [one for one in descendants(os.getpid()) if one not in before]
        self.driver = next(filter(_is_driver, started), 0)
        self._browser = self._playwright.chromium.launch(
            executable_path=self._program, args=["--no-sandbox"], timeout=patience()
        )
        return self._browser

    @contextmanager
    def watched(self) -> Iterator[None]:
        """End the browser where what is done here takes too long; then that fails.

        Raises:
            AssertionError: it was ended.
        """
        done, before = threading.Event(), self.ended
        watch = threading.Thread(target=self._watch, args=(done,), daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()
        assert self.ended == before, f"the browser did not answer for {self._seconds:g} seconds"

    def close(self) -> None:
        """End what runs."""
        with self.watched():
            if self._browser is not None and not self._spoiled:
                self._browser.close()
            self._stop()

    def _stop(self) -> None:
        playwright, self._playwright, self._browser = self._playwright, None, None
        self._spoiled, self.driver = False, 0
        if playwright is not None:
            playwright.stop()

    def _watch(self, done: threading.Event) -> None:
        gone = 0.0
        while gone < self._seconds:
            if done.wait(LOOK):
                return
            gone += LOOK / slowness()
        if not self.driver:
            return
        self.ended, self._spoiled = self.ended + 1, True
        for process in descendants(self.driver):
            _kill(process)
        if done.wait(GRACE):
            return
        # Playwright's own process hangs; before 1.65 nothing tells those who wait for it.
        _kill(self.driver)
        connection = self._playwright._impl_obj._connection
        if hasattr(connection, "cleanup"):
            connection._loop.call_soon_threadsafe(connection.cleanup, "Playwright did not answer")


class Site:
    """A page that several tests share, in one browser after the other.

    Args:
        address: where it is; requests to others are blocked.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._opened: tuple[Browser, Page] | None = None
        self.elsewhere: list[str] = []
        """What it asked others for."""
        self.wrong: list[str] = []
        """What it reported as errors."""

    def page(self, browser: "Browser") -> "Page":
        """The one that is open in this browser."""
        if self._opened is None or self._opened[0] is not browser:
            page = browser.new_page()
            page.set_default_timeout(patience())
            page.context.route(re.compile("^(?!blob:|data:)"), self._guard)
            page.on("pageerror", lambda error: self.wrong.append(str(error)))
            page.on("console", self._heard)
            page.goto(self._address)
            page.locator('main[aria-busy="false"]').wait_for()
            self._opened = browser, page
        return self._opened[1]

    def _guard(self, route: Any) -> None:
        if route.request.url.startswith(self._address):
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.wrong.append(message.text)


def descendants(process: int) -> list[int]:
    """Numbers of the processes that one started, and of those that they started."""
    found: list[int] = []
    with suppress(OSError):  # it has gone
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def _is_driver(process: int) -> bool:
    with suppress(OSError):
        return b"run-driver" in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


def _kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
