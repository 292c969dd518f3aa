"""Matting: parity of the converted network, refinement, and what is refused."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut, rocket

from phnet.errors import BadInput, BadModel, MissingExtra
from phnet.matting.matte import LEAST_PERSON, Matter, matte, refine_guided

ROOT = Path(__file__).parents[2]
TFLITE = ROOT / "tests" / "fixtures" / "selfie_segmentation.tflite"


@pytest.fixture(scope="module")
def matter() -> Matter:
    return Matter(threads=1)


def squares() -> dict[str, np.ndarray]:
    """Inputs at the network's own size, float32, made without any resampling filter."""
    photo = astronaut().astype(np.float32) / 255
    return {
        "whole": photo.reshape(256, 2, 256, 2, 3).mean((1, 3)),
        "corner": photo[:256, 100:356],
    }


def test_the_converted_network_equals_mediapipes_file(matter: Matter) -> None:
    """Stored outputs are every fourth pixel of the tflite file's own, by ai-edge-litert 2.3."""
    stored = np.load(ROOT / "tests" / "fixtures" / "matte_litert.npz")
    for name, square in squares().items():
        ours = matter.segment(square)
        assert ours.shape == (256, 256)
        assert 0.4 < (ours > 0.5).mean() < 0.7
        np.testing.assert_allclose(ours[::4, ::4], stored[name], atol=1e-3)


@pytest.mark.slow
def test_parity_on_photos_when_the_tflite_runtime_is_here(matter: Matter) -> None:
    pytest.importorskip("ai_edge_litert")
    lite = Matter(TFLITE, threads=1)
    photos = sorted((ROOT / "tests" / "portraits").glob("*.jpg"))[:12]
    pictures = [np.asarray(Image.open(p).convert("RGB"), np.float32) / 255 for p in photos]
    for picture in [*pictures, *squares().values()]:
        np.testing.assert_allclose(matter.segment(picture), lite.segment(picture), atol=1e-3)


@pytest.mark.slow
def test_the_script_makes_the_shipped_file() -> None:
    pytest.importorskip("tflite")
    onnx = pytest.importorskip("onnx")
    spec = importlib.util.spec_from_file_location(
        "convert_matte", ROOT / "scripts" / "convert_matte.py"
    )
    assert spec is not None
    assert spec.loader is not None
    script: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = script.Converter(TFLITE.read_bytes()).convert()
    shipped = onnx.load(ROOT / "src" / "phnet" / "weights" / "matte.onnx")
    assert made.graph == shipped.graph
    assert {p.key for p in shipped.metadata_props} == {"phnet"}


def test_a_portrait_is_cut_out_at_its_own_size(matter: Matter) -> None:
    photo = np.ascontiguousarray(astronaut()[:400, :301])
    for refine in ("guided", "none"):
        alpha = matter.matte(photo, refine)
        assert alpha.shape == (400, 301)
        assert alpha.dtype == np.float32
        assert alpha.min() >= 0
        assert alpha.max() <= 1
        assert alpha[120, 220] > 0.99  # the face
        assert alpha[330, 180] > 0.99  # the suit
        assert alpha[20, 20] < 0.01  # the flag
        assert alpha[60, 130] < 0.05  # the wall


def test_paths_pictures_and_arrays_give_the_same(matter: Matter, tmp_path: Path) -> None:
    photo = astronaut()
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    expected = matter.matte(photo)
    np.testing.assert_array_equal(matter.matte(path), expected)
    np.testing.assert_array_equal(matter.matte(Image.fromarray(photo)), expected)
    np.testing.assert_array_equal(matter.matte(photo.astype(np.float32) / 255), expected)
    np.testing.assert_array_equal(matte(photo, threads=1), expected)


def test_the_guided_filter_follows_the_photos_edge() -> None:
    """A coarse alpha that is 3 pixels off and soft comes back to the edge in the photo."""
    rgb = np.full((512, 400, 3), (0.1, 0.3, 0.2), np.float32)
    rgb[:, 200:] = (0.8, 0.5, 0.4)
    ramp = np.clip((np.arange(400) - 193) / 8, 0, 1).astype(np.float32)  # crosses 0.5 at 197
    coarse = np.broadcast_to(ramp, (512, 400)).copy()
    refined = refine_guided(coarse, rgb)
    edge = rgb[..., 0] > 0.5
    wrong_before, wrong_after = (np.abs(a - edge).sum(1).mean() for a in (coarse, refined))
    assert wrong_after < 0.6 * wrong_before
    assert refined[256, 196] < 0.2 < 0.8 < refined[256, 203]
    # Where nothing guides, a constant stays as it is: 0.25 becomes 0.25² / (0.25² + 0.75²) = 0.1.
    flat = refine_guided(np.full((64, 64), 0.25, np.float32), np.full((90, 80, 3), 0.5, np.float32))
    np.testing.assert_allclose(flat, 0.1, atol=1e-5)


def test_a_photo_without_a_person_is_refused(matter: Matter, tmp_path: Path) -> None:
    path = tmp_path / "rocket.png"
    Image.fromarray(rocket()).save(path)
    with pytest.raises(BadInput, match=r"^no person was found in .*rocket\.png$"):
        matter.matte(path)
    for gray in (0, 128, 255):
        with pytest.raises(BadInput, match="no person was found in the picture"):
            matter.matte(np.full((300, 200, 3), gray, np.uint8))
    assert 0 < LEAST_PERSON <= 0.01


def test_bad_models_and_options_get_a_sentence(matter: Matter, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected one of guided, closed-form, none, got 'magic'"):
        matter.matte(astronaut(), "magic")
    with pytest.raises(BadModel, match=r"absent\.onnx: cannot be read"):
        Matter(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(BadModel, match=r"text\.onnx: expected an ONNX network"):
        Matter(tmp_path / "text.onnx")


def write_model(path: Path, inputs: list[list[int]], node: Any, output: list[int]) -> Path:
    """A model of one operator on float inputs called a, b, ..., with an output called out."""
    from onnx import TensorProto, helper

    entries = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip("abc", inputs, strict=False)
    ]
    result = helper.make_tensor_value_info("out", TensorProto.FLOAT, output)
    graph = helper.make_graph([node], "tiny", entries, [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_other_onnx_models_of_either_layout(tmp_path: Path) -> None:
    """A "person" is what is bright: the mean of the channels, or the third of three logits."""
    helper = pytest.importorskip("onnx").helper
    photo = np.zeros((80, 40, 3), np.uint8)
    photo[:40] = 255
    for shape, axis, output in (
        ([1, 3, 16, 8], 1, [1, 1, 16, 8]),
        ([1, 16, 8, 3], 3, [1, 16, 8, 1]),
    ):
        mean = helper.make_node("ReduceMean", ["a"], ["out"], axes=[axis], keepdims=1)
        path = write_model(tmp_path / f"mean{axis}.onnx", [shape], mean, output)
        alpha = Matter(path).matte(photo, "none")
        np.testing.assert_allclose(alpha[[5, 75], :], np.repeat([[1.0], [0.0]], 40, 1), atol=1e-6)
        assert alpha.shape == (80, 40)
    # Of several channels the first is background, and the picture is in [-1, 1]: where all
    # three logits are equal, the person's share is 2/3, sharpened to 16/17.
    same = helper.make_node("Identity", ["a"], ["out"])
    path = write_model(tmp_path / "many.onnx", [[1, 16, 8, 3]], same, [1, 16, 8, 3])
    np.testing.assert_allclose(Matter(path).matte(photo, "none"), 16 / 17, atol=1e-5)


def test_models_of_another_kind_are_refused(tmp_path: Path) -> None:
    helper = pytest.importorskip("onnx").helper
    add = helper.make_node("Add", ["a", "b"], ["out"])
    two = write_model(tmp_path / "two.onnx", [[1, 3, 8, 8]] * 2, add, [1, 3, 8, 8])
    with pytest.raises(BadModel, match=r"two\.onnx: expected one input and an output, got 2"):
        Matter(two)
    same = helper.make_node("Identity", ["a"], ["out"])
    gray = write_model(tmp_path / "gray.onnx", [[1, 1, 8, 8]], same, [1, 1, 8, 8])
    with pytest.raises(BadModel, match=r"gray\.onnx: expected one input, a float RGB picture"):
        Matter(gray)
    flat = helper.make_node("Flatten", ["a"], ["out"])
    line = write_model(tmp_path / "line.onnx", [[1, 3, 8, 8]], flat, [1, 192])
    with pytest.raises(BadModel, match=r"line\.onnx: expected one picture of numbers"):
        Matter(line).matte(astronaut())


def test_extras_that_are_missing_are_named(matter: Matter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymatting", None)
    with pytest.raises(MissingExtra, match=r"closed-form matting .*'\.\[matte\]'"):
        matter.matte(astronaut(), "closed-form")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingExtra, match=r"selfie_segmentation\.tflite.*'\.\[matte\]'"):
        Matter(TFLITE)


@pytest.mark.slow
def test_closed_form_refines_the_band_only(matter: Matter) -> None:
    pytest.importorskip("pymatting")
    photo = np.ascontiguousarray(astronaut()[:256, 100:356])
    coarse, solved = matter.matte(photo, "none"), matter.matte(photo, "closed-form")
    assert solved.shape == coarse.shape
    assert ((solved > 0.5) == (coarse > 0.5)).mean() > 0.95
    assert solved[120, 120] > 0.99
    assert solved[20, 20] < 0.01


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "phnet", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_writes_an_alpha_or_one_sentence(tmp_path: Path) -> None:
    photo, alpha = tmp_path / "photo.png", tmp_path / "alpha.png"
    Image.fromarray(astronaut()).save(photo)
    done = run("matte", photo, "-o", alpha)
    assert done.returncode == 0, done.stderr
    with Image.open(alpha) as image:
        assert (image.mode, image.size) == ("L", (512, 512))
        assert 0.5 < (np.asarray(image) > 127).mean() < 0.6
    before = photo.read_bytes()
    refused = run("matte", photo, "-o", photo)
    assert (refused.returncode, photo.read_bytes()) == (2, before)
    Image.new("RGB", (64, 64)).save(photo)
    refused = run("matte", photo, "-o", tmp_path / "none.png")
    assert refused.returncode == 2
    assert refused.stderr == f"phnet: no person was found in {photo}\n"
    assert not (tmp_path / "none.png").exists()
