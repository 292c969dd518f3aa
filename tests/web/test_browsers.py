"""A browser that hangs costs one test; ``browsers.py`` is what the other tests rely on for that."""

import os
import signal
import sys

import pytest

from tests.web import browsers
from tests.web.browsers import Browsers, descendants


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("what", ["browser", "driver", "script"])
def test_what_hangs_is_ended_and_followed_by_another(
    chromium: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    from playwright.sync_api import Error

    monkeypatch.setattr(browsers, "GRACE", 1)
    ours = Browsers(chromium)
    try:
        with ours.watched():
            first = ours.browser()
            page = first.new_page()
        monkeypatch.setattr(ours, "_seconds", 1)
        stopped = {"browser": descendants(ours.driver), "driver": [ours.driver], "script": []}
        for process in stopped[what]:
            os.kill(process, signal.SIGSTOP)
        script = "() => { while (true); }" if what == "script" else "1"
        with (
            pytest.raises(AssertionError, match="did not answer"),
            ours.watched(),
            pytest.raises(Error, match=r"closed|did not answer"),
        ):
            page.evaluate(script)
        monkeypatch.undo()
        with ours.watched():
            assert ours.browser() is not first
            assert ours.browser().new_page().evaluate("1 + 1") == 2
        assert ours.ended == 1
    finally:
        ours.close()
