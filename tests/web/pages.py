"""What tests of the page share: pictures, and what a person does with the page."""

import base64
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

pytest.importorskip("fastapi")

from tests.web.test_app import encoded

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


# Keeps what the page sends, since the browser does not tell what is in an uploaded file.
SPY = """
window.sent = [];
const send = XMLHttpRequest.prototype.send;
XMLHttpRequest.prototype.send = function (body) {
  if (body instanceof FormData) window.sent.push(body);
  return send.call(this, body);
};
"""


LAST_SENT = """async () => {
  const fields = {};
  for (const [name, value] of window.sent.at(-1)) {
    fields[name] = typeof value === "string" ? value : await new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(value);
    });
  }
  return fields;
}"""


Opener = Callable[..., "Page"]


def photo(side: int = 256) -> np.ndarray:
    return np.asarray(Image.fromarray(astronaut()).resize((side, side)))


def scene(width: int = 400, height: int = 300) -> np.ndarray:
    """A warm, soft background."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = 150 + 80 * columns / width, 110 + 60 * rows / height
    return np.dstack([red, green, np.full_like(red, 60)]).astype(np.uint8)


def box_mask(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 :, width // 4 : 3 * width // 4] = 255
    return mask


def choose(page: "Page", name: str, pixels: np.ndarray | bytes, kind: str = "PNG") -> None:
    content = pixels if isinstance(pixels, bytes) else encoded(pixels, kind)
    file = {"name": f"{name}.png", "mimeType": "image/png", "buffer": content}
    page.set_input_files(f'[name="{name}"]', files=[file])


def says(page: "Page", sentence: str) -> None:
    page.locator("#status").filter(has_text=sentence).wait_for()


def harmonize(page: "Page") -> None:
    page.click('button[type="submit"]')
    says(page, "Done.")


def sent(page: "Page") -> dict[str, Any]:
    """The fields of the last request: texts, and pictures as arrays."""
    fields = page.evaluate(LAST_SENT)
    return {
        name: decoded(value) if value[:5] == "data:" else value for name, value in fields.items()
    }


def decoded(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))))


def gray(mask: np.ndarray) -> np.ndarray:
    return mask if mask.ndim == 2 else mask[..., 0]


def downloaded(page: "Page", press: Callable[[], None] | None = None) -> np.ndarray:
    with page.expect_download() as caught:
        (press or (lambda: page.click("#download")))()
    return np.asarray(Image.open(caught.value.path()))


def largest_difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def drag(
    page: "Page", target: "Locator", start: tuple[float, float], end: tuple[float, float]
) -> None:
    """From one place to another, both as shares of the element's width and height."""
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=10)
    page.mouse.up()
