"""The whole way of a picture as one graph gives what the Python code gives."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

pytest.importorskip("onnx")
import onnxruntime as ort

from phnet.compositing.composer import Composer
from phnet.compositing.placement import Place
from phnet.harmonization.harmonizer import Harmonizer
from phnet.harmonization.lift import Kind
from phnet.harmonization.model_file import DEFAULT_LIGHT
from phnet.harmonization.tiling import Trims
from phnet.matting.matte import Matter
from phnet.web.graphs.builder import Graph
from phnet.web.graphs.compose import composing_model
from phnet.web.graphs.harmonize import LIFTS, harmonizing_model
from phnet.web.graphs.matte import matting_model
from phnet.web.graphs.resizing import area_taps, cubic_taps, linear_taps, resize
from tests.conftest import disc_mask

MOST = 1  # of 255; a rounding that falls to the other side
NONE = np.zeros((0, 0, 4), np.uint8)
PORTRAITS = Path(__file__).parents[1] / "portraits"
Run = Callable[..., np.ndarray]


def session(content: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def run() -> Run:
    return running()


def running(model: Path | None = None) -> Run:
    made = session(harmonizing_model(model).SerializeToString())

    def harmonized(
        rgba: np.ndarray,
        mask: np.ndarray,
        lift: str = "auto",
        strength: float = 1,
        light: float = DEFAULT_LIGHT,
        gains: tuple[float, float, float] = (1, 1, 1),
        **pictures: np.ndarray,
    ) -> np.ndarray:
        floats = mask if mask.dtype == np.float32 else mask / np.float32(255)
        feed = {
            "composite": rgba,
            "mask": floats,
            "foreground": NONE,
            "background": NONE,
            **pictures,
        }
        numbers = {"strength": np.float32(strength), "lift": np.int32(LIFTS.index(lift))}
        numbers |= {"light": np.float32(light), "gains": np.array(gains, np.float32)}
        feed |= {name: np.asarray(value) for name, value in numbers.items()}
        return made.run(None, feed)[0]

    return harmonized


@pytest.fixture(scope="module")
def harmonizer() -> Harmonizer:
    return Harmonizer(threads=1)


def with_alpha(rgb: np.ndarray, alpha: int = 255) -> np.ndarray:
    return np.dstack([rgb, np.full(rgb.shape[:2], alpha, np.uint8)])


def difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def portrait(name: str) -> tuple[np.ndarray, np.ndarray]:
    composite = np.asarray(Image.open(PORTRAITS / f"{name}.jpg").convert("RGB"))
    return composite, np.asarray(Image.open(PORTRAITS / f"{name}.png").convert("L"))


NAMES = sorted(path.stem for path in PORTRAITS.glob("*.jpg"))


@pytest.mark.parametrize("lift", LIFTS)
@pytest.mark.parametrize("name", NAMES[:2])
def test_a_portrait_as_in_python(run: Run, harmonizer: Harmonizer, name: str, lift: Kind) -> None:
    photo, mask = portrait(name)
    composite = np.where(mask[..., None] > 127, photo // 2, photo)  # the person far too dark
    expected = harmonizer.harmonize(composite, mask, lift=lift)
    assert difference(expected, composite) > 10  # there is something to compare
    most = MOST + (lift == "lut")  # which rounds the table's colors, too
    assert difference(run(with_alpha(composite), mask, lift)[..., :3], expected) <= most


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_portrait_as_in_python(run: Run, harmonizer: Harmonizer, name: str) -> None:
    composite, mask = portrait(name)
    for lift in ("guided", "none"):
        expected = harmonizer.harmonize(composite, mask, lift=lift, strength=0.7)
        assert difference(run(with_alpha(composite), mask, lift, 0.7)[..., :3], expected) <= MOST


@pytest.mark.parametrize(
    "size", [(1, 1), (2, 5), (31, 47), (64, 130), (256, 256), (513, 300), (700, 301), (1000, 1024)]
)
@pytest.mark.parametrize("lift", ["guided", "none"])
def test_sizes(run: Run, harmonizer: Harmonizer, size: tuple[int, int], lift: Kind) -> None:
    composite = cv2.resize(astronaut(), size[::-1], interpolation=cv2.INTER_AREA)
    mask = np.maximum(cv2.resize(disc_mask(300, 300), size[::-1]), 1)
    expected = harmonizer.harmonize(composite, mask, lift=lift)
    # The field's network sees small pictures enlarged: its own pixels, made small again by cubic
    # interpolation, carry a rounding further.
    most = MOST + (lift == "none")
    assert difference(run(with_alpha(composite), mask, lift)[..., :3], expected) <= most


@pytest.fixture(scope="module")
def field_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that puts out a field, with weights that change much from place to place."""
    torch = pytest.importorskip("torch")
    from phnet.export.onnx_export import export
    from phnet.networks import PHNet, PHNetConfig

    torch.manual_seed(5)
    widths = (3, 4, 6, 8, 8, 10, 12)
    net = PHNet(PHNetConfig(widths=widths, output="field", shrink=2, statistics=True)).eval()
    torch.nn.init.normal_(net.decoder[5].up.weight, std=0.02)
    assert net.statistics is not None
    torch.nn.init.normal_(net.statistics.color_map.weight, std=0.02)
    torch.nn.init.constant_(net.statistics.detail[2].bias, -0.8)
    path = tmp_path_factory.mktemp("field") / "field.onnx"
    export(net, path, {"name": "field", "resolution": 128, "light": 0.5})
    return path


@pytest.mark.parametrize("size", [(64, 200), (128, 128), (300, 181), (90, 700)])
@pytest.mark.parametrize("lift", LIFTS)
def test_a_field_as_in_python(field_file: Path, size: tuple[int, int], lift: Kind) -> None:
    run, harmonizer = running(field_file), Harmonizer(field_file, threads=1)
    composite = cv2.resize(astronaut(), size[::-1], interpolation=cv2.INTER_AREA)
    mask = np.maximum(cv2.resize(disc_mask(300, 300), size[::-1]), 1)
    alpha = mask / np.float32(255)
    look = harmonizer.color_map(composite, alpha, lift=lift, light=0.25)
    expected = look.apply(composite, alpha, 0.8, trims=Trims(0.5, -0.4))
    assert difference(expected, composite) > 20
    gains = Trims(0.5, -0.4).gains
    result = run(with_alpha(composite), mask, lift, 0.8, light=0.25, gains=gains)
    assert difference(result[..., :3], expected) <= MOST


def test_background_and_alpha_pass_through(run: Run) -> None:
    composite, mask = portrait(NAMES[2])
    rgba = with_alpha(composite)
    rgba[..., 3] = np.arange(rgba.shape[1], dtype=np.uint16).astype(np.uint8)
    result = run(rgba, mask)
    assert np.array_equal(result[mask == 0], rgba[mask == 0])
    assert np.array_equal(result[..., 3], rgba[..., 3])
    assert np.array_equal(run(rgba, mask, "lut", 0), rgba)


@pytest.mark.parametrize("side", [200, 512, 900])
def test_a_mask_of_another_size(run: Run, harmonizer: Harmonizer, side: int) -> None:
    composite, mask = astronaut(), disc_mask(side, side)
    expected = harmonizer.harmonize(composite, mask)
    assert difference(run(with_alpha(composite), mask)[..., :3], expected) <= MOST


@pytest.mark.parametrize("size", [(512, 512), (700, 230), (100, 120), (900, 1100)])
def test_the_matte_as_in_python(size: tuple[int, int]) -> None:
    made = session(matting_model().SerializeToString())
    photo = cv2.resize(astronaut(), size[::-1], interpolation=cv2.INTER_AREA)
    alpha, person = made.run(None, {"photo": with_alpha(photo, 9)})
    expected = Matter(threads=1).matte(photo)
    assert np.abs(alpha - expected).max() <= 1e-3
    assert 0.3 < person < 0.8


def test_no_person() -> None:
    made = session(matting_model().SerializeToString())
    gray = np.full((300, 400, 4), 128, np.uint8)
    assert made.run(["person"], {"photo": gray})[0] < 0.01


def scene(height: int, width: int) -> np.ndarray:
    """A warm, soft background."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = 150 + 80 * columns / width, 110 + 60 * rows / height
    return np.dstack([red, green, np.full_like(red, 60)]).astype(np.uint8)


@pytest.mark.parametrize(
    ("side", "place"),
    [
        (512, Place(100, 20, 0.5)),
        (300, Place(-40, 50, 1.3)),
        (200, Place(150, 100, 2)),
        pytest.param(2300, Place(-30, -20, 0.3), marks=pytest.mark.slow),
    ],
)
def test_a_person_in_a_scene_as_in_python(
    run: Run, harmonizer: Harmonizer, side: int, place: Place
) -> None:
    person, background = cv2.resize(astronaut(), (side, side)), scene(400, 500)
    alpha = disc_mask(side, side)
    composer = Composer(harmonizer)
    expected = composer.compose(composer.cut_out(person, alpha), background, place, strength=0.8)
    size = round(side * place.scale)
    made = session(composing_model().SerializeToString())
    feed = {
        "portrait": with_alpha(person),
        "alpha": alpha / np.float32(255),
        "scene": with_alpha(background),
        "estimate": np.array(True),
        "place": np.array([place.x, place.y, size, size], np.int64),
    }
    composite, foreground, mask = made.run(None, feed)
    assert np.abs(mask - expected.mask).max() < 1e-4
    assert difference(composite[..., :3], expected.composite) <= 1
    pictures = {"foreground": foreground, "background": with_alpha(background)}
    result = run(composite, mask, strength=0.8, **pictures)
    assert difference(expected.result, expected.composite) > 10
    assert difference(result[..., :3], expected.result) <= MOST
    assert np.array_equal(result[mask == 0], with_alpha(background)[mask == 0])


SMALLER = [(7, 11), (37, 20), (1, 2), (40, 50)]
LARGER = [(90, 121), (40, 51)]


@pytest.mark.parametrize(
    ("make", "how", "size"),
    [
        *((area_taps, cv2.INTER_AREA, size) for size in SMALLER),
        *((linear_taps, cv2.INTER_LINEAR, size) for size in SMALLER + LARGER),
        *((cubic_taps, cv2.INTER_CUBIC, size) for size in SMALLER + LARGER),
    ],
)
def test_resizing_is_opencvs(make: Callable[..., object], how: int, size: tuple[int, int]) -> None:
    source = np.random.default_rng(0).random((40, 50, 3)).astype(np.float32)
    graph = Graph()
    result = resize(
        graph.input("x", np.float32), graph.whole(size[0]), graph.whole(size[1]), 3, make
    )
    shape: list[str | int] = ["h", "w", 3]
    model = graph.model({"x": (np.float32, shape)}, {"y": (result, shape)}, {})
    (got,) = session(model.SerializeToString()).run(None, {"x": source})
    expected = cv2.resize(source, size[::-1], interpolation=how)
    assert np.abs(got - expected).max() < 2e-5
