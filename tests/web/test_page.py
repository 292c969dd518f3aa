"""The page in a real browser: Debian's chromium, driven by Playwright's Python package.

The fixture `browser` is in conftest.py, what it does with one that hangs in browsers.py.
"""

import base64
import re
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")

from phnet.harmonization.harmonizer import Harmonizer
from tests.web.pages import (
    Opener,
    box_mask,
    choose,
    downloaded,
    drag,
    gray,
    harmonize,
    largest_difference,
    photo,
    says,
    scene,
    sent,
)
from tests.web.services import Two
from tests.web.test_app import encoded, running


@pytest.mark.slow
def test_a_composite_is_harmonized_compared_and_downloaded(opened: Opener) -> None:
    page = opened()
    choose(page, "composite", photo())
    choose(page, "mask", box_mask(256, 256))
    page.locator("#brush").wait_for()
    page.select_option('[name="lift"]', "none")
    harmonize(page)
    expected = Harmonizer(threads=1).harmonize(photo(), box_mask(256, 256), lift="none")
    assert largest_difference(downloaded(page), expected) <= 1
    # the slider: at first where the person is, then by the pointer and by its keys
    assert 48 < float(page.input_value("#divide")) < 52
    drag(page, page.locator("#divide"), (0.5, 0.5), (0.2, 0.5))
    by_pointer = float(page.input_value("#divide"))
    assert 18 < by_pointer < 22
    page.keyboard.press("ArrowRight")
    assert float(page.input_value("#divide")) == by_pointer + 0.5
    covered = page.locator("#after").evaluate("e => getComputedStyle(e).clipPath")
    assert covered == f"inset(0px 0px 0px {by_pointer + 0.5:g}%)"
    # a change of the options harmonizes anew, one of the strength when it is downloaded
    page.locator('[name="strength"]').press("Home")
    page.locator("#live").wait_for()
    assert np.array_equal(downloaded(page), photo())
    assert page.evaluate("() => window.sent.at(-1).get('strength')") == "0"


@pytest.mark.slow
def test_every_option_of_the_mode_is_a_control_and_is_sent(opened: Opener) -> None:
    page = opened()
    shown = "els => els.filter(e => e.offsetParent).map(e => e.name)"
    there = page.locator("#options input, #options select").evaluate_all(shown)
    assert {"light", "strength", "exposure", "warmth", "lift"} <= set(there)
    default = Harmonizer(threads=1).card.light
    assert float(page.input_value('[name="light"]')) == pytest.approx(default)
    choose(page, "composite", photo())
    choose(page, "mask", box_mask(256, 256))
    page.locator("#brush").wait_for()
    for name, key in {"light": "Home", "exposure": "End", "warmth": "Home"}.items():
        page.locator(f'[name="{name}"]').press(key)
    assert page.locator('label:has([name="exposure"]) output').inner_text() == "+3 stops"
    harmonize(page)
    chosen = {"light": 0.0, "strength": 1.0, "exposure": 3.0, "warmth": -1.0}
    assert {name: float(sent(page)[name]) for name in chosen} == chosen
    expected = Harmonizer(threads=1).harmonize(photo(), box_mask(256, 256), **chosen)
    assert largest_difference(downloaded(page), expected) <= 1


def test_the_keyboard_alone_is_enough(opened: Opener) -> None:
    page = opened()

    def tab_to(selector: str, most: int = 30) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                """(selector) => {
                const element = document.activeElement;
                const shown = [element, element.nextElementSibling, element.closest('.drop'),
                    element.closest('.compare')];
                const seen = shown.some((e) => e && getComputedStyle(e).outlineStyle === 'solid');
                return [element.matches(selector), seen, element.outerHTML];
            }""",
                selector,
            )
            assert focused[1], f"no focus to be seen: {focused[2]}"
            if focused[0]:
                return
        raise AssertionError(f"{selector} is not reached by Tab")

    for name, pixels in (("composite", photo()), ("mask", box_mask(256, 256))):
        tab_to(f'[name="{name}"]')
        with page.expect_file_chooser() as chooser:
            page.keyboard.press(" ")
        file = {"name": "a.png", "mimeType": "image/png", "buffer": encoded(pixels)}
        chooser.value.set_files(files=[file])
        page.locator(f'.drop:has([name="{name}"]) img').wait_for()
        settled = "() => !document.querySelector('#status').textContent.startsWith('Finding')"
        page.wait_for_function(settled)
    page.locator("#brush").wait_for()
    tab_to("#brush")
    page.keyboard.press("x")  # paint out
    page.keyboard.press(" ")
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    page.keyboard.press(" ")
    for _ in range(30):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("() => document.activeElement.type") == "submit":
            break
    page.keyboard.press("Enter")
    says(page, "Done.")
    mask = gray(sent(page)["mask"])
    assert mask[118:129, 128].max() == 0
    assert mask[128, 160] == 255
    tab_to("#divide")
    page.keyboard.press("End")
    assert page.input_value("#divide") == "100"
    tab_to("#download")
    result = downloaded(page, lambda: page.keyboard.press("Enter"))
    assert result.shape == photo().shape


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phones_width_is_enough(opened: Opener, scheme: str) -> None:
    page = opened(width=360, scheme=scheme)

    def check() -> None:
        assert page.evaluate("() => document.documentElement.scrollWidth") == 360

    back = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in re.findall(r"\d+", back)) > 384) == (scheme == "light")
    check()
    choose(page, "composite", photo())
    says(page, "The person was found.")
    check()
    harmonize(page)
    check()
    assert page.locator("#after").is_visible()
    page.check('[name="mode"][value="compose"]')
    choose(page, "background", scene(1200, 300))
    choose(page, "portrait", photo())
    says(page, "The person was found.")
    page.locator("#placing").wait_for()
    check()
    harmonize(page)
    check()


def test_what_cannot_be_used_is_told(opened: Opener) -> None:
    page = opened()
    page.click('button[type="submit"]')
    says(page, "Choose a composite first.")
    choose(page, "composite", b"this is no picture")
    says(page, "Sorry: composite: expected an image")
    page.click('button[type="submit"]')
    page.wait_for_function("() => window.sent.length === 2")  # no longer what was said before
    says(page, "Sorry: composite: expected an image")
    assert page.locator("#progress").is_hidden()
    choose(page, "composite", scene())
    says(page, "Sorry: no person was found in the picture. Paint the person in, or choose a mask.")
    choose(page, "mask", box_mask(64, 64))
    says(page, "Sorry: the mask has 64x64 pixels, which is not the shape of the picture (400x300).")
    choose(page, "composite", photo())
    choose(page, "mask", box_mask(256, 256))
    harmonize(page)


def test_a_model_can_be_chosen(opened: Opener) -> None:
    page = opened()
    models = [{"name": "small", "resolution": 128}, {"name": "large", "resolution": 256}]
    models[0]["default"] = True
    page.route("**/v1/models", lambda route: route.fulfill(json={"models": models}))
    page.reload()
    page.locator("#models").wait_for()
    assert page.input_value('[name="model"]') == "small"
    choose(page, "composite", photo())
    choose(page, "mask", box_mask(256, 256))
    page.locator("#brush").wait_for()
    page.select_option('[name="model"]', "large")
    page.click('button[type="submit"]')
    says(page, "Sorry: model: expected one of portrait")
    assert sent(page)["model"] == "large"


@pytest.mark.slow
def test_the_model_that_is_chosen_does_the_work(opened: Opener) -> None:
    with running(make=Two, workers=1) as client:
        page = opened(f"http://127.0.0.1:{client.port}/")
        choose(page, "composite", photo())
        choose(page, "mask", box_mask(256, 256))
        page.locator("#brush").wait_for()
        harmonize(page)
        assert largest_difference(downloaded(page), photo()) > 10
        page.select_option('[name="model"]', "unmoved")  # harmonizes anew by itself
        page.wait_for_function("() => window.sent.at(-1).get('model') === 'unmoved'")
        says(page, "Done.")
        assert np.array_equal(downloaded(page), photo())


def test_the_slider_starts_where_the_person_is_and_stays_where_it_was_left(opened: Opener) -> None:
    page = opened()
    mask = np.zeros((256, 256), np.uint8)
    mask[64:, 26:102] = 255  # its middle is at a quarter
    choose(page, "composite", photo())
    choose(page, "mask", mask)
    page.locator("#brush").wait_for()
    harmonize(page)
    assert float(page.input_value("#divide")) == pytest.approx(25, abs=1)
    shown = page.locator("#after").evaluate("e => getComputedStyle(e).clipPath")
    assert float(shown.split()[-1][:-2]) == pytest.approx(25, abs=1)
    page.locator("#divide").press("End")
    harmonize(page)
    assert page.input_value("#divide") == "100"


def test_work_can_be_cancelled(opened: Opener) -> None:
    page = opened()
    held: list[Any] = []
    page.route("**/v1/harmonize", lambda route: held.append(route))
    choose(page, "composite", photo())
    choose(page, "mask", box_mask(256, 256))
    page.locator("#brush").wait_for()
    for cancel in (lambda: page.click("#cancel"), lambda: page.keyboard.press("Escape")):
        page.click('button[type="submit"]')
        page.locator("#progress").wait_for()
        cancel()
        says(page, "Cancelled.")
        assert page.locator("#progress").is_hidden()
        assert page.locator("#cancel").is_hidden()
    page.unroute("**/v1/harmonize")
    harmonize(page)


def test_files_can_be_dropped(opened: Opener) -> None:
    page = opened()
    for name, pixels in (("composite", photo()), ("mask", 255 - box_mask(256, 256))):
        content = base64.b64encode(encoded(pixels)).decode()
        dropped = page.evaluate_handle(
            """([name, content]) => {
                const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
                const dropped = new DataTransfer();
                dropped.items.add(new File([bytes], `${name}.png`, { type: "image/png" }));
                return dropped;
            }""",
            [name, content],
        )
        area = f'.drop:has([name="{name}"])'
        page.dispatch_event(area, "drop", {"dataTransfer": dropped})
        page.locator(f"{area} img").wait_for()
        assert page.input_value(f'[name="{name}"]').endswith(f"{name}.png")
    page.locator("#brush").wait_for()
    page.click('button[type="submit"]')
    says(page, "Done.")
    page.check('[name="view"][value="mask"]')
    page.click("#invert")
    page.click('button[type="submit"]')
    page.locator("#status").get_by_text("Done.", exact=True).wait_for()
    assert largest_difference(gray(sent(page)["mask"]), box_mask(256, 256)) == 0


@pytest.mark.slow
def test_a_server_with_a_token_is_asked_with_it(opened: Opener) -> None:
    with running("sesame", workers=1) as client:
        page = opened(f"http://127.0.0.1:{client.port}/")
        says(page, "Sorry: expected the server's bearer token.")
        page.keyboard.type("sesame")
        page.keyboard.press("Tab")
        says(page, "The server knows this token.")
        choose(page, "composite", photo())
        says(page, "The person was found.")
        harmonize(page)


def test_what_the_browser_cannot_show_is_harmonized_all_the_same(opened: Opener) -> None:
    page = opened()
    choose(page, "composite", photo(), "TIFF")
    choose(page, "mask", box_mask(256, 256))
    page.locator("#empty").filter(has_text="cannot show").wait_for()
    harmonize(page)
    page.locator("#unshown").filter(has_text="download it").wait_for()
    expected = Harmonizer(threads=1).harmonize(photo(), box_mask(256, 256))
    assert largest_difference(downloaded(page), expected) <= 1
