"""The Harmonizer: what goes in comes out, model files that are not models are refused."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

import phnet.harmonization.harmonizer
from phnet.errors import BadImage, BadMask, BadModel, BadOption
from phnet.harmonization.harmonizer import Harmonizer
from phnet.images import load, merged

ADOBE = imagecodecs.cms_profile("adobergb")
PHOTO = cv2.resize(astronaut(), (300, 400), interpolation=cv2.INTER_AREA)
MASK = np.zeros((400, 300), np.float32)
cv2.circle(MASK, (150, 200), 100, 1, -1)
MASK = cv2.GaussianBlur(MASK, (15, 15), 4)


@pytest.fixture(scope="module")
def harmonizer() -> Harmonizer:
    return Harmonizer(threads=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_arrays_come_back_in_their_type_with_their_background(
    harmonizer: Harmonizer, dtype: type
) -> None:
    scale = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    composite = (PHOTO / 255 * scale).astype(dtype)
    out = harmonizer.harmonize(composite, MASK)
    assert (out.dtype, out.shape) == (dtype, composite.shape)
    np.testing.assert_array_equal(out[MASK == 0], composite[MASK == 0])
    assert (out[MASK > 0.5] != composite[MASK > 0.5]).mean() > 0.3


def test_a_path_and_a_picture_give_a_picture_of_the_same_values(
    harmonizer: Harmonizer, tmp_path: Path
) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "c.png")
    mask = np.rint(MASK * 255).astype(np.uint8)
    Image.fromarray(mask).save(tmp_path / "m.png")
    expected = harmonizer.harmonize(PHOTO, mask)
    from_path = harmonizer.harmonize(tmp_path / "c.png", tmp_path / "m.png")
    from_picture = harmonizer.harmonize(Image.fromarray(PHOTO), Image.fromarray(mask))
    np.testing.assert_array_equal(np.asarray(from_path), expected)
    np.testing.assert_array_equal(np.asarray(from_picture), expected)


def test_a_pil_images_profile_is_followed_as_that_of_a_file_is(
    harmonizer: Harmonizer, tmp_path: Path
) -> None:
    mask = np.rint(MASK * 255).astype(np.uint8)
    image = Image.fromarray(PHOTO)
    image.info["icc_profile"] = ADOBE
    image.save(tmp_path / "c.png", icc_profile=ADOBE)
    picture = load(tmp_path / "c.png")
    assert picture.icc == ADOBE
    expected = merged(picture, harmonizer.harmonize(picture.colors, mask), mask / np.float32(255))
    out = harmonizer.harmonize(image, Image.fromarray(mask))
    assert out.info["icc_profile"] == ADOBE
    np.testing.assert_array_equal(np.asarray(out), expected)
    np.testing.assert_array_equal(np.asarray(out)[MASK == 0], PHOTO[MASK == 0])
    as_srgb = harmonizer.harmonize(PHOTO, mask)
    assert (np.asarray(out) != as_srgb)[MASK > 0.5].mean() > 0.2


def test_alpha_is_kept(harmonizer: Harmonizer) -> None:
    alpha = np.arange(400 * 300, dtype=np.uint8).reshape(400, 300, 1)
    out = harmonizer.harmonize(np.concatenate([PHOTO, alpha], 2), MASK)
    np.testing.assert_array_equal(out[..., 3:], alpha)
    np.testing.assert_array_equal(out[..., :3][MASK == 0], PHOTO[MASK == 0])
    full = np.concatenate([PHOTO, np.full_like(alpha, 255)], 2)
    opaque = harmonizer.harmonize(full, MASK)
    np.testing.assert_array_equal(opaque[..., :3], harmonizer.harmonize(PHOTO, MASK))


def test_several_threads_get_the_same_bits(harmonizer: Harmonizer) -> None:
    """Each thread has a photo and a mask of its own, so that mixing them up would show."""
    pairs = [
        (np.roll(PHOTO, 40 * i, axis=2 if i % 2 else 0), MASK * (1 - i / 16)) for i in range(8)
    ]
    expected = [harmonizer.harmonize(*pair) for pair in pairs]
    assert len({out.tobytes() for out in expected}) == 8
    with ThreadPoolExecutor(4) as pool:
        for out, alone in zip(
            pool.map(lambda pair: harmonizer.harmonize(*pair), pairs), expected, strict=True
        ):
            np.testing.assert_array_equal(out, alone)
    np.testing.assert_array_equal(Harmonizer(threads=2).harmonize(*pairs[0]), expected[0])


def test_strength(harmonizer: Harmonizer) -> None:
    composite = PHOTO.astype(np.float32) / 255
    full, half, none = (harmonizer.harmonize(composite, MASK, strength=s) for s in (1, 0.5, 0))
    np.testing.assert_array_equal(none, composite)
    np.testing.assert_allclose(half, (full + composite) / 2, atol=1e-6)
    with pytest.raises(BadOption, match="strength: expected a number between 0 and 2"):
        harmonizer.harmonize(composite, MASK, strength=2.5)


def test_the_self_ensemble_is_the_mean_of_both_sides(harmonizer: Harmonizer) -> None:
    image, mask = cv2.resize(PHOTO, (64, 96)).astype(np.float32) / 255, cv2.resize(MASK, (64, 96))
    both = Harmonizer(threads=1, self_ensemble=True)
    one, other = harmonizer.run(image, mask), harmonizer.run(image[:, ::-1], mask[:, ::-1])
    np.testing.assert_allclose(both.run(image, mask), (one + other[:, ::-1]) / 2, atol=1e-6)
    assert np.abs(one - other[:, ::-1]).max() > 0.005  # the network is not symmetric by itself
    mirrored = both.harmonize(PHOTO[:, ::-1], MASK[:, ::-1])[:, ::-1].astype(int)
    assert np.abs(mirrored - both.harmonize(PHOTO, MASK)).max() <= 1


def test_at_the_networks_own_size_its_pixels_are_taken(harmonizer: Harmonizer) -> None:
    image = cv2.resize(PHOTO, (256, 256)).astype(np.float32) / 255
    mask = (cv2.resize(MASK, (256, 256)) > 0.5).astype(np.float32)
    expected = np.where(mask[..., None] > 0, np.clip(harmonizer.run(image, mask), 0, 1), image)
    np.testing.assert_allclose(harmonizer.harmonize(image, mask), expected, atol=1e-5)


def test_what_is_no_composite_or_mask_is_refused(harmonizer: Harmonizer) -> None:
    with pytest.raises(BadImage, match="expected a path"):
        harmonizer.harmonize(object(), MASK)  # type: ignore[type-var]
    with pytest.raises(BadImage, match="floats in"):
        harmonizer.harmonize(PHOTO.astype(np.float32), MASK)
    with pytest.raises(BadMask, match="expected a path"):
        harmonizer.harmonize(PHOTO, object())  # type: ignore[arg-type]
    with pytest.raises(BadMask, match="empty"):
        harmonizer.harmonize(PHOTO, np.zeros((400, 300)))


def network(path: Path, name: str = "image", card: str = "{}", external: str = "") -> Path:
    """Write a tiny network; ``external`` names a file that its weights lie in."""
    onnx = pytest.importorskip("onnx")
    h, floats = onnx.helper, onnx.TensorProto.FLOAT
    weight = onnx.numpy_helper.from_array(np.full((3, 3, 1, 1), 0.5, np.float32), "w")
    if external:
        weight.ClearField("raw_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        entry = weight.external_data.add()
        entry.key, entry.value = "location", external
    inputs = [
        h.make_tensor_value_info(name, floats, [1, 3, "h", "w"]),
        h.make_tensor_value_info("mask", floats, [1, 1, "h", "w"]),
    ]
    output = h.make_tensor_value_info("harmonized", floats, [1, 3, "h", "w"])
    nodes = [
        h.make_node("Conv", [name, "w"], ["a"]),
        h.make_node("Mul", ["a", "mask"], ["harmonized"]),
    ]
    graph = h.make_graph(nodes, "g", inputs, [output], [weight])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=9)
    h.set_model_props(model, {"phnet": card})
    path.write_bytes(model.SerializeToString())
    return path


def test_a_card_is_read(tmp_path: Path) -> None:
    card = json.dumps({"name": "tiny", "resolution": 64, "multiple": 4})
    got = Harmonizer(network(tmp_path / "m.onnx", card=card)).card
    assert (got.name, got.resolution, got.multiple) == ("tiny", 64, 4)


@pytest.mark.parametrize("card", ["{", "[]", '{"resolution": "large"}', '{"resolution": 100000}'])
def test_a_bad_card_is_refused(tmp_path: Path, card: str) -> None:
    with pytest.raises(BadModel, match="card"):
        Harmonizer(network(tmp_path / "m.onnx", card=card))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="no such file"):
        Harmonizer(tmp_path / "missing.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(BadModel, match="expected an ONNX network"):
        Harmonizer(tmp_path / "text.onnx")
    with pytest.raises(BadModel, match="inputs image, mask"):
        Harmonizer(network(tmp_path / "m.onnx", name="picture"))


@pytest.mark.parametrize("place", ["", "../", "../../", "absolute"])
def test_weights_outside_the_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "weights.bin"
    weights.write_bytes(np.ones(9, np.float32).tobytes())
    name = str(weights) if place == "absolute" else f"{place}weights.bin"
    with pytest.raises(BadModel, match="expected an ONNX network"):
        Harmonizer(network(tmp_path / "m.onnx", external=name))


def test_loading_a_network_leaves_no_file_behind_and_reports_nothing(tmp_path: Path) -> None:
    places = dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), str(tmp_path))
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | places
    script = "import phnet, phnet.matting.matte as m; phnet.Harmonizer(); m.Matter()"
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    # ONNX Runtime's telemetry would keep an identifier and what it is about to send.
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


WHOLE_NUMBERS = (
    Path(phnet.harmonization.harmonizer.__file__).parents[1] / "weights" / "portrait-int8.onnx"
)


@pytest.mark.skipif(not WHOLE_NUMBERS.is_file(), reason="the weights in whole numbers do not ship")
def test_the_network_in_whole_numbers_is_close(harmonizer: Harmonizer) -> None:
    small = Harmonizer("int8", threads=1)
    assert small.card.about["storage"] == "int8"
    assert small.path.stat().st_size < harmonizer.path.stat().st_size
    assert small.card.about["images_seen"] == harmonizer.card.about["images_seen"]
    before, after = (h.harmonize(PHOTO, MASK).astype(int) for h in (harmonizer, small))
    inside = MASK > 0.5
    assert 0 < np.abs(after - before)[inside].mean() < 2
    assert np.abs(after - before).max() < 16
    assert np.abs(before - PHOTO)[inside].mean() > 2


def test_whole_numbers_that_are_not_there_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phnet.harmonization.harmonizer.resources.files", lambda _: tmp_path)
    with pytest.raises(BadModel, match="int8: expected"):
        Harmonizer("int8")
