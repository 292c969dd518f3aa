"""Painting a mask on the page, in a real browser."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")

from tests.web.pages import Opener, box_mask, choose, drag, gray, harmonize, photo, sent


@pytest.mark.slow
def test_a_painted_mask_has_the_pictures_own_size(opened: Opener) -> None:
    """The canvas has 1600 columns, the picture 2400."""
    page = opened()
    large = np.asarray(Image.fromarray(photo()).resize((2400, 1600)))
    given = np.repeat(np.repeat(box_mask(40, 60), 40, 0), 40, 1)
    choose(page, "composite", large, "JPEG")
    choose(page, "mask", given)
    brush = page.locator("#brush")
    brush.wait_for()
    drag(page, brush, (0.05, 0.1), (0.2, 0.1))  # outside the mask
    page.check('[name="way"][value="out"]')
    drag(page, brush, (0.4, 0.5), (0.6, 0.5))  # inside
    harmonize(page)
    mask = gray(sent(page)["mask"])
    assert mask.shape == given.shape
    radius = 0.002 * 100**0.45 * 2400
    changed = mask != given
    rows, columns = np.flatnonzero(changed[:400].any(1)), np.flatnonzero(changed[:400].any(0))
    assert mask[160, 130:470].min() >= 253
    assert np.allclose([rows[0], rows[-1]], [160 - radius, 160 + radius], atol=5)
    assert np.allclose([columns[0], columns[-1]], [120 - radius, 480 + radius], atol=5)
    assert mask[800, 970:1430].max() <= 2
    ring = mask[160 - int(radius) : 160, 300]  # from the edge inwards: soft, and never backwards
    assert (np.diff(ring.astype(int)) >= -2).all()
    assert len(np.unique(ring)) > 5
    far = np.ones_like(changed)
    far[100:220, 60:540] = far[740:860, 900:1500] = False
    assert not changed[far].any()


@pytest.mark.slow
def test_undo_and_redo_and_invert(opened: Opener) -> None:
    page = opened()
    given = box_mask(256, 256)
    choose(page, "composite", photo())
    choose(page, "mask", given)
    brush = page.locator("#brush")
    brush.wait_for()
    assert page.is_disabled("#undo")
    drag(page, brush, (0.1, 0.1), (0.2, 0.1))
    page.click("#invert")
    harmonize(page)
    inverted = gray(sent(page)["mask"])
    assert inverted[10, 128] == 255
    assert inverted[26, 40] == 0
    assert inverted[128, 128] == 0
    page.check('[name="view"][value="mask"]')
    page.click("#undo")
    page.keyboard.press("Control+z")
    assert page.is_disabled("#undo")
    harmonize(page)
    assert np.array_equal(sent(page)["mask"], given)
    page.check('[name="view"][value="mask"]')
    page.keyboard.press("Control+Shift+Z")
    harmonize(page)
    painted = gray(sent(page)["mask"])
    assert painted[26, 40] == 255
    assert painted[10, 128] == 0


def test_what_is_painted_zoomed_lies_where_it_was_painted(opened: Opener) -> None:
    page = opened()
    choose(page, "composite", photo())
    choose(page, "mask", box_mask(256, 256))
    brush = page.locator("#brush")
    brush.wait_for()
    page.locator("#zoom").press("End")
    well = page.locator("#well")
    assert well.evaluate("e => Math.round(e.scrollWidth / e.clientWidth)") == 6
    page.check('[name="way"][value="out"]')
    drag(page, well, (0.2, 0.5), (0.8, 0.5))  # the middle sixth of the picture is in view
    harmonize(page)
    mask = gray(sent(page)["mask"])
    assert mask[128, 116:140].max() == 0
    columns = np.flatnonzero(mask[128] != box_mask(256, 256)[128])
    radius = 0.002 * 100**0.45 * 256
    half = 0.3 * 256 / 6 + radius
    assert np.allclose([columns[0], columns[-1]], [128 - half, 128 + half], atol=3)
    page.check('[name="view"][value="mask"]')
    before = well.evaluate("e => e.scrollTop")
    brush.focus()
    for _ in range(30):
        page.keyboard.press("ArrowDown")
    assert well.evaluate("e => e.scrollTop") > before + 100
