"""``phnet page``: the page without a server, in a real browser, against the Python result.

The fixture `browser` is in conftest.py, what it does with one that hangs in browsers.py.
"""

import functools
import http.server
import io
import re
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

pytest.importorskip("onnx")

from phnet.compositing.composer import Composer
from phnet.compositing.placement import Place
from phnet.harmonization.harmonizer import Harmonizer
from phnet.matting.matte import Matter
from phnet.web.static_site import write_page
from tests.web.browsers import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MOST = 2  # of 255, anywhere
PORTRAITS = Path(__file__).parents[1] / "portraits"
Command = Callable[..., tuple[int, str, str]]

# -- the folder ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("static") / "page"
    write_page(made, [None])
    return made


def test_the_folder_is_complete(folder: Path) -> None:
    """Every file that a file names is there, and nothing names another host."""
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"index.html", "local.js", "portrait.onnx", "matte.onnx", "models.json"} <= names
    assert "ort-wasm-simd-threaded.wasm" in names
    assert "remote.js" not in names
    for path in [*folder.glob("*.html"), *folder.glob("*.js")]:
        text = path.read_text("utf-8")
        used = set(
            re.findall(r"""(?:from|import\(|href=|src=)\s*["']\.?/?([\w.-]+\.\w+)["']""", text)
        )
        assert used <= names, path.name
        if not path.name.startswith("ort."):
            loaded = re.findall(r"""(?:from|fetch\(|import\(|href=|src=)\s*["']\w+://""", text)
            assert not loaded, path.name


def test_the_folder_says_which_engine_and_allows_no_other_host(folder: Path) -> None:
    start = (folder / "index.html").read_text("utf-8")
    assert '<meta name="phnet-engine" content="local.js">' in start
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', start)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert "connect-src 'self'" in policy[1]
    assert "//" not in policy[1]


def test_the_folder_holds_the_licences(folder: Path) -> None:
    licences = folder / "licences"
    assert "MIT License" in (licences / "onnxruntime-LICENSE").read_text("utf-8")
    assert "Apache License" in (licences / "phnet-LICENSE").read_text("utf-8")
    assert (licences / "onnxruntime-ThirdPartyNotices.txt").stat().st_size > 100_000


def test_the_command_writes_and_writes_again(command_line: Command, tmp_path: Path) -> None:
    for _ in range(2):
        code, out, err = command_line("page", "-o", tmp_path / "page")
        assert (code, err) == (0, "")
        assert re.search(r"\d+ files, \d+\.\d MB", out)
    assert (tmp_path / "page" / "models.json").is_file()


@pytest.mark.parametrize("what", ["other", "file", "parent", "model"])
def test_the_command_refuses(command_line: Command, tmp_path: Path, what: str) -> None:
    target, more = tmp_path / "page", []
    if what == "other":
        target.mkdir()
        (target / "diary.txt").write_text("dear diary")
    elif what == "file":
        target.write_text("x")
    elif what == "parent":
        target = tmp_path / "no" / "page"
    else:
        more = ["--model", tmp_path / "none.onnx"]
    before = sorted(tmp_path.rglob("*"))
    code, _, err = command_line("page", "-o", target, *more)
    assert code == 2
    assert err.startswith("phnet: ")
    assert len(err.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_two_models_of_one_name_are_refused(command_line: Command, tmp_path: Path) -> None:
    from phnet.harmonization.harmonizer import find_model

    file = find_model(None)
    code, _, err = command_line("page", "-o", tmp_path / "p", "--model", file, "--model", file)
    assert code == 2
    assert "a name not taken" in err
    assert not (tmp_path / "p").exists()


# -- in the browser -----------------------------------------------------------------------


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """What ``python -m http.server`` serves: no header that would allow threads."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def site(address: str) -> Iterator[Site]:
    """Every request to another host fails the tests at the end."""
    made = Site(address)
    yield made
    assert not made.elsewhere
    assert not made.wrong


@pytest.fixture
def page(browser: "Browser", site: Site) -> "Page":
    return site.page(browser)


@pytest.fixture
def fresh(page: "Page", address: str) -> "Page":
    page.goto(address)
    page.locator('main[aria-busy="false"]').wait_for()
    return page


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, kind, **options)
    return target.getvalue()


def choose(page: "Page", name: str, content: bytes) -> None:
    file = {"name": f"{name}.png", "mimeType": "image/png", "buffer": content}
    page.set_input_files(f'[name="{name}"]', files=[file])


def harmonized(page: "Page") -> np.ndarray:
    page.click('button[type="submit"]')
    page.locator("#status").filter(has_text=re.compile("Done|Sorry")).wait_for()
    assert "Done" in page.inner_text("#status")
    with page.expect_download() as caught:
        page.click("#download")
    return np.asarray(Image.open(caught.value.path()))


def difference(one: np.ndarray, other: np.ndarray) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other.astype(int)).max())


WORK = """async ([work, files, options]) => {
  const { engine } = await import("./local.js");
  const given = { mask: null, ...options };
  for (const [name, text] of Object.entries(files)) {
    given[name] = new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))]);
  }
  const reader = new FileReader();
  const answer = await (work === "matte" ? engine.matte(given.photo) : engine[work](given));
  reader.readAsDataURL(answer.picture ?? answer);
  await new Promise((resolve) => { reader.onload = resolve; });
  return reader.result.split(",")[1];
}"""


def engine(page: "Page", work: str, files: dict[str, bytes], options: dict[str, Any]) -> np.ndarray:
    """What the page's engine gives, without the page's own controls."""
    texts = {name: b64encode(content).decode() for name, content in files.items()}
    answer = page.evaluate(WORK, [work, texts, options])
    return np.asarray(Image.open(io.BytesIO(b64decode(answer))))


def portrait(name: str) -> tuple[bytes, bytes, np.ndarray, np.ndarray]:
    """Two files, and what is in them."""
    composite, mask = PORTRAITS / f"{name}.jpg", PORTRAITS / f"{name}.png"
    pixels = np.asarray(Image.open(composite).convert("RGB"))
    return (
        *(composite.read_bytes(), mask.read_bytes()),
        *(pixels, np.asarray(Image.open(mask).convert("L"))),
    )


def set_slider(page: "Page", name: str, value: float) -> None:
    page.locator(f'[name="{name}"]').evaluate(
        "(e, to) => { e.value = to; e.dispatchEvent(new Event('input', { bubbles: true })); }",
        value,
    )


@pytest.mark.slow
@pytest.mark.parametrize("lift", ["auto", "guided", "lut", "none"])
def test_a_portrait_as_in_python(fresh: "Page", lift: str) -> None:
    composite, mask, pixels, alpha = portrait("test_0192")  # 480 x 320
    choose(fresh, "composite", composite)
    choose(fresh, "mask", mask)
    fresh.select_option('[name="lift"]', lift)
    result = harmonized(fresh)
    expected = Harmonizer(threads=1).harmonize(pixels, alpha, lift=lift)
    assert difference(expected, pixels) > 10
    assert difference(result, expected) <= MOST


@pytest.mark.slow
def test_a_large_transparent_picture_as_in_python(fresh: "Page") -> None:
    """Alpha is kept, and colors where it is 0, too; the strength counts."""
    photo = np.asarray(Image.fromarray(astronaut()).resize((1100, 900)))
    shade = np.linspace(0, 255, 1100)[None].repeat(900, 0).astype(np.uint8)
    rgba, mask = np.dstack([photo, shade]), np.zeros((900, 1100), np.uint8)
    mask[200:, 300:800] = 255
    choose(fresh, "composite", encoded(rgba))
    choose(fresh, "mask", encoded(mask))
    set_slider(fresh, "strength", 0.5)
    result = harmonized(fresh)
    expected = Harmonizer(threads=1).harmonize(rgba, mask, strength=0.5)
    assert difference(result, expected) <= MOST
    assert np.array_equal(result[mask == 0], rgba[mask == 0])


@pytest.mark.slow
def test_light_and_trims_as_in_python(fresh: "Page") -> None:
    composite, mask, pixels, alpha = portrait("test_0019")
    choose(fresh, "composite", composite)
    choose(fresh, "mask", mask)
    options = {"light": 0.3, "strength": 1.4, "exposure": 0.5, "warmth": -0.6}
    for name, value in options.items():
        set_slider(fresh, name, value)
    result = harmonized(fresh)
    expected = Harmonizer(threads=1).harmonize(pixels, alpha, **options)
    assert difference(result, expected) <= MOST
    assert difference(expected, Harmonizer(threads=1).harmonize(pixels, alpha)) > 5


@pytest.mark.slow
def test_without_a_mask_the_person_is_found(fresh: "Page") -> None:
    """The network answers to a mask's last bits, so colors are compared with the mask at hand."""
    photo = encoded(astronaut())
    alpha = engine(fresh, "matte", {"photo": photo}, {})
    assert np.abs(alpha / 255 - Matter(threads=1).matte(astronaut())).max() <= 1.01 / 255
    choose(fresh, "composite", photo)
    expected = Harmonizer(threads=1).harmonize(astronaut(), alpha)
    assert difference(harmonized(fresh), expected) <= MOST


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["photo", "mask", "cut-out"])
@pytest.mark.parametrize("place", [None, "100,20,0.7"])
def test_a_person_is_put_into_a_scene(page: "Page", kind: str, place: str | None) -> None:
    rows, columns = np.mgrid[0:300, 0:400]
    scene = np.dstack([150 + columns // 5, 110 + rows // 5, columns * 0 + 60]).astype(np.uint8)
    person, alpha = astronaut(), np.zeros((512, 512), np.uint8)
    alpha[100:, 128:384] = np.linspace(40, 255, 256).astype(np.uint8)
    files = {"portrait": encoded(person), "background": encoded(scene), "mask": encoded(alpha)}
    if kind == "photo":
        alpha = engine(page, "matte", {"photo": files["portrait"]}, {})
        files["mask"] = encoded(alpha)
    elif kind == "cut-out":
        person = np.dstack([person, alpha])
        files = {"portrait": encoded(person), "background": files["background"]}
    options = {"place": place, "fit": None, "strength": 1, "lift": "auto", "model": "portrait"}
    made = engine(page, "compose", files, options)
    composer = Composer(Harmonizer(threads=1))
    cutout = composer.cut_out(person, None if kind == "cut-out" else alpha)
    where = None if place is None else Place(100, 20, 0.7)
    expected = composer.compose(cutout, scene, where).result
    assert difference(expected, scene) > 50
    assert difference(made, expected) <= MOST


@pytest.mark.slow
def test_the_page_composes(fresh: "Page") -> None:
    scene = np.full((300, 400, 3), (200, 140, 90), np.uint8)
    fresh.check('[name="mode"][value="compose"]')
    choose(fresh, "portrait", encoded(astronaut()))
    choose(fresh, "background", encoded(scene))
    result = harmonized(fresh)
    assert result.shape == scene.shape
    changed = (result != scene).any(2)
    assert 0.1 < changed.mean() < 0.8
    assert not changed[:5].any()
    assert changed[-5:].any()


@pytest.mark.slow
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_camera_s_orientation_is_applied(fresh: "Page", orientation: int) -> None:
    photo = np.asarray(Image.fromarray(astronaut()).resize((300, 200)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = encoded(photo, "JPEG", exif=exif, quality=95)
    turned = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
    turned = np.rot90(turned, {3: 2, 6: 3, 8: 1}[orientation])
    mask = np.zeros(turned.shape[:2], np.uint8)
    mask[20:150, 40:160] = 255
    choose(fresh, "composite", file)
    choose(fresh, "mask", encoded(mask))
    result = harmonized(fresh)
    expected = Harmonizer(threads=1).harmonize(np.ascontiguousarray(turned), mask)
    assert difference(result, expected) <= MOST


BROKEN = {
    "cut short": encoded(astronaut())[:5000],
    "cut short with alpha": encoded(np.dstack([astronaut(), astronaut()[..., 0]]))[:5000],
    "no picture": b"dear diary",
    "huge": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\0\xff\xff" * 2 + b"\x08\x06\0\0\0" + bytes(64),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_picture_gets_one_sentence(page: "Page", what: str) -> None:
    sentence = page.evaluate(
        """async (bytes) => {
          const { engine } = await import("./local.js");
          const composite = new Blob([new Uint8Array(bytes)]);
          const given = { composite, mask: null, strength: 1, lift: "auto", model: "portrait" };
          return engine.harmonize(given).then(() => "", (error) => error.message);
        }""",
        list(BROKEN[what]),
    )
    assert sentence.startswith("composite: expected ")
    assert "\n" not in sentence


@pytest.mark.slow
def test_giving_up_stops_the_work(page: "Page") -> None:
    """What runs is ended, what waits behind it is done all the same."""
    names = page.evaluate(
        """async (bytes) => {
          const { engine } = await import("./local.js");
          const composite = new Blob([new Uint8Array(bytes)]);
          const given = { composite, mask: composite, strength: 1, lift: "none", model: "" };
          const abort = new AbortController();
          const begun = () => abort.abort();
          const given_up = engine.harmonize(given, abort.signal, begun).catch((e) => e.name);
          const other = engine.harmonize(given).then(({ picture }) => picture.type);
          return [await given_up, await other];
        }""",
        list(encoded(astronaut()[::4, ::4])),
    )
    assert names == ["AbortError", "image/png"]


@pytest.mark.slow
def test_what_the_browser_cannot_read_is_told(fresh: "Page") -> None:
    choose(fresh, "composite", encoded(astronaut(), "TIFF"))
    fresh.locator("#empty").filter(has_text="Your browser cannot read this file.").wait_for()
    fresh.locator("#status.bad").filter(has_text="Sorry: composite: expected ").wait_for()
