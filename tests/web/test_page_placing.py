"""Placing a person on the page, in a real browser."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("fastapi")

from phnet.compositing.composer import Composer
from phnet.compositing.placement import Place
from phnet.harmonization.harmonizer import Harmonizer
from phnet.matting.matte import Matter
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

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


@pytest.mark.slow
def test_a_portrait_is_put_into_a_background_with_an_edited_mask(opened: Opener) -> None:
    page = opened()
    page.check('[name="mode"][value="compose"]')
    choose(page, "background", scene())
    choose(page, "portrait", photo())
    says(page, "The person was found.")
    found = np.rint(Matter(threads=1).matte(photo()) * 255)
    page.check('[name="view"][value="mask"]')
    page.check('[name="way"][value="out"]')
    drag(page, page.locator("#brush"), (0.3, 0.9), (0.7, 0.9))
    harmonize(page)
    given = sent(page)
    mask = gray(given["mask"])
    assert mask[230, 100:160].max() == 0
    assert found[230, 100:160].min() > 128
    assert largest_difference(mask[:200], found[:200]) <= 1
    composer = Composer(Harmonizer(threads=1))
    x, y, scale = (float(part) for part in given["place"].split(","))
    cutout = composer.cut_out(photo(), mask)
    made = composer.compose(cutout, scene(), Place(x, y, scale)).result
    assert largest_difference(downloaded(page), made) <= 1
    page.check('[name="view"][value="mask"]')
    page.click("#undo")
    harmonize(page)
    assert largest_difference(sent(page)["mask"], found) <= 1


def ready_to_place(page: "Page") -> "Locator":
    """Hand in a person, the mask and a scene; the canvas on which the person is placed."""
    page.check('[name="mode"][value="compose"]')
    choose(page, "portrait", photo())
    choose(page, "portrait_mask", box_mask(256, 256))
    choose(page, "background", scene())
    canvas = page.locator("#placing")
    canvas.wait_for()
    return canvas


def placed(page: "Page") -> tuple[float, float, float]:
    harmonize(page)
    x, y, scale = (float(part) for part in sent(page)["place"].split(","))
    page.check('[name="view"][value="place"]')
    return x, y, scale


@pytest.mark.slow
def test_the_person_is_dragged_scaled_and_moved_by_keys(opened: Opener) -> None:
    page = opened()
    canvas = ready_to_place(page)
    x, y, scale = placed(page)
    assert (x, y) == (
        50,
        0,
    )  # as phnet/compositing/placement.py has it: at the bottom, centered, full height
    assert scale == pytest.approx(300 / 256, abs=1e-4)
    drag(page, canvas, (0.5, 0.5), (0.25, 0.75))
    assert placed(page) == pytest.approx((x - 100, y + 75, scale), abs=1.5)
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    x, y, scale = placed(page)
    assert (x, y) == pytest.approx((-42, 74), abs=1.5)
    canvas.hover()  # its middle, which the wheel keeps in place
    page.mouse.wheel(0, -400)
    larger = placed(page)
    ratio = larger[2] / scale
    assert 1.1 < ratio < 1.5
    assert larger[:2] == pytest.approx((200 + (x - 200) * ratio, 150 + (y - 150) * ratio), abs=1.5)
    page.click("#cover")
    assert placed(page) == pytest.approx((0, -50, 400 / 256), abs=1)
    canvas.press("-")
    smaller = placed(page)
    assert smaller[2] == pytest.approx(400 / 256 / 1.05, abs=1e-3)
    assert smaller[1] + 256 * smaller[2] == pytest.approx(350, abs=1.5)  # the feet stay
    result = downloaded(
        page, lambda: (page.check('[name="view"][value="result"]'), page.click("#download"))[0]
    )
    composer = Composer(Harmonizer(threads=1))
    cutout = composer.cut_out(photo(), box_mask(256, 256))
    assert (
        largest_difference(result, composer.compose(cutout, scene(), Place(*smaller)).result) <= 1
    )


def test_two_fingers_scale_the_person(opened: Opener) -> None:
    page = opened(width=360, has_touch=True)
    canvas = ready_to_place(page)
    x, y, scale = placed(page)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *shares: tuple[float, float]) -> None:
        points = [
            {"x": box["x"] + a * box["width"], "y": box["y"] + b * box["height"], "id": number}
            for number, (a, b) in enumerate(shares)
        ]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (0.4, 0.5), (0.6, 0.5))
    for step in range(1, 6):
        fingers("touchMove", (0.4 - 0.03 * step, 0.5), (0.6 + 0.03 * step, 0.5))
    fingers("touchEnd")
    larger = placed(page)
    ratio = larger[2] / scale
    assert ratio == pytest.approx(0.5 / 0.2, rel=0.02)
    assert larger[:2] == pytest.approx((200 + (x - 200) * ratio, 150 + (y - 150) * ratio), abs=4)
