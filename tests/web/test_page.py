"""The page in a real browser: Debian's chromium, driven by Playwright's Python package.

The fixture `browser` is in conftest.py.
"""

import base64
import io
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

pytest.importorskip("fastapi")

from phnet.compositing.composer import Composer
from phnet.compositing.placement import Place
from phnet.harmonization.harmonizer import Harmonizer
from phnet.matting.matte import Matter
from tests.waiting import PATIENCE
from tests.web.services import Two
from tests.web.test_app import encoded, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SECONDS = 1000 * PATIENCE  # ms
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


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running(workers=1) as client:
        yield f"http://127.0.0.1:{client.port}/"


Opener = Callable[..., "Page"]


@pytest.fixture
def opened(browser: "Browser", address: str) -> Iterator[Opener]:
    """Open the page; at the end, nothing may have failed, and no other host may have been asked."""
    contexts, asked, failed = [], [], []

    def open_(at: str = address, width: int = 1280, scheme: str = "light", **more: Any) -> "Page":
        size = {"width": width, "height": 800}
        context = browser.new_context(viewport=size, color_scheme=scheme, **more)
        context.set_default_timeout(SECONDS)
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
    # a change of the options harmonizes anew
    page.locator('[name="strength"]').press("Home")
    says(page, "Done.")
    page.wait_for_function("() => window.sent.at(-1).get('strength') === '0'")
    says(page, "Done.")
    assert np.array_equal(downloaded(page), photo())


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
