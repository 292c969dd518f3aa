"""The result on the page: mixed at once, at 100%, as layers and as a table; pictures in a row."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import phnet
from tests.waiting import until
from tests.web.pages import (
    Opener,
    box_mask,
    choose,
    downloaded,
    drag,
    harmonize,
    largest_difference,
    photo,
    says,
    scene,
    sent,
)
from tests.web.test_app import encoded

if TYPE_CHECKING:
    from playwright.sync_api import Page

PASTE = """() => new Promise((resolve) => {
  const [made, drawn] = [new DataTransfer(), document.createElement("canvas")];
  drawn.width = drawn.height = 64;
  drawn.toBlob((blob) => {
    made.items.add(new File([blob], "clip.png", { type: "image/png" }));
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: made }));
    resolve(document.getElementById("status").textContent); // soon it tells of the search
  });
})"""
LIVE = """() => {
  const shown = document.getElementById("live");
  return [...shown.getContext("2d").getImageData(0, 0, shown.width, shown.height).data];
}"""


def with_result(opened: Opener) -> "Page":
    page = opened()
    choose(page, "composite", photo())
    choose(page, "mask", box_mask(256, 256))
    page.locator("#brush").wait_for()
    harmonize(page)
    return page


@pytest.mark.slow
def test_the_light_of_another_picture_is_taken_until_it_is_removed(opened: Opener) -> None:
    page = with_result(opened)
    without = downloaded(page)
    page.click("#reference summary")
    choose(page, "reference", scene()[..., ::-1])  # a blue one
    page.locator('.drop:has([name="reference"]) img').wait_for()
    assert page.locator("#download").is_hidden()  # what was made is out of date
    harmonize(page)
    assert np.array_equal(sent(page)["reference"], scene()[..., ::-1])
    made = downloaded(page)
    inside = box_mask(256, 256) > 0
    expected = phnet.harmonize(photo(), box_mask(256, 256), reference=scene()[..., ::-1])
    assert largest_difference(made[..., :3][inside], expected[inside]) <= 1
    assert largest_difference(made[..., :3][inside], without[..., :3][inside]) > 20
    page.click('.drop:has([name="reference"]) .remove')
    harmonize(page)
    assert "reference" not in sent(page)
    assert np.array_equal(downloaded(page), without)


@pytest.mark.slow
def test_strength_is_mixed_at_once_and_made_anew_for_the_download(opened: Opener) -> None:
    page = with_result(opened)
    whole = downloaded(page)
    asked = page.evaluate("() => window.sent.length")
    page.locator('[name="strength"]').fill("0.5")
    page.locator("#live").wait_for()
    half = (photo().astype(int) + whole[..., :3]) / 2

    def shown() -> np.ndarray:
        return np.array(page.evaluate(LIVE), np.uint8).reshape(256, 256, 4)[..., :3]

    until(lambda: np.abs(shown() - half).max() <= 1.5, "the mixture")
    mixed = shown()
    assert page.evaluate("() => window.sent.length") == asked
    assert largest_difference(downloaded(page)[..., :3], mixed) <= 2
    assert page.evaluate("() => window.sent.at(-1).get('strength')") == "0.5"


@pytest.mark.slow
def test_layers_and_a_table_can_be_downloaded_and_a_pixel_is_one_of_the_screen(
    opened: Opener,
) -> None:
    page = with_result(opened)
    with page.expect_download() as caught:
        page.click('[data-type="application/x-cube"]')
    assert caught.value.suggested_filename == "composite-harmonized.cube"
    assert "LUT_3D_SIZE 17" in Path(caught.value.path()).read_text()
    says(page, "Done.")
    with page.expect_download() as caught:
        page.click('[data-type="image/vnd.adobe.photoshop"]')
    with Image.open(caught.value.path()) as image:
        assert (image.format, image.size) == ("PSD", (256, 256))
    page.check("#large")
    box = page.locator("#compare").bounding_box()
    assert box
    assert (box["width"], box["height"]) == (256, 256)


@pytest.mark.slow
def test_pictures_are_pasted_and_harmonized_in_a_row(opened: Opener) -> None:
    page = opened()
    assert "Pasted as the composite." in page.evaluate(PASTE)
    files = [
        {"name": f"{name}.png", "mimeType": "image/png", "buffer": encoded(photo())}
        for name in ("one", "two")
    ]
    page.set_input_files('[name="composite"]', files=files)
    says(page, "The person was found.")
    page.click("#all")
    done = "() => [...document.querySelectorAll('#rows a')].every((link) => !link.hidden)"
    page.wait_for_function(done)
    names = page.locator("#rows a").evaluate_all("links => links.map((link) => link.download)")
    assert names == ["one-harmonized.png", "two-harmonized.png"]


@pytest.mark.slow
def test_the_shadows_end_is_dragged(opened: Opener) -> None:
    page = opened()
    page.locator('label:has([value="compose"])').click()
    person = np.zeros((300, 200, 4), np.uint8)
    person[40:280, 60:140] = (180, 120, 90, 255)
    choose(page, "portrait", person)
    choose(page, "background", scene(600, 400))
    page.locator("#placing").wait_for()
    page.locator("summary", has_text="Edges").click()
    page.check('[name="finish"]')
    assert page.input_value('[name="clean_edges"]') == "0.7"
    # The person is 320 pixels high, its feet at (300, 400); the end is at 25 degrees, 0.6 heights.
    x, y = 300 + 192 * np.sin(np.deg2rad(25)), 400 - 0.35 * 192 * np.cos(np.deg2rad(25))
    drag(page, page.locator("#placing"), (x / 600, y / 400), (140 / 600, 344 / 400))
    assert float(page.input_value('[name="shadow_angle"]')) == pytest.approx(-45, abs=2)
    harmonize(page)
    assert float(sent(page)["shadow_length"]) == pytest.approx(0.71, abs=0.04)
