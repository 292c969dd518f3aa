"""What is handed in is read once, and comes back as it came."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

import phnet
from phnet.errors import BadImage
from phnet.evaluation.baselines import METHODS
from phnet.images import load, read_picture

ADOBE = imagecodecs.cms_profile("adobergb")
RNG = np.random.default_rng(3)
COLORS = RNG.integers(40, 200, (48, 64, 3), dtype=np.uint8)
GRAY = COLORS[..., 0]
ALPHA = RNG.integers(1, 255, (48, 64), dtype=np.uint8)
MASK = np.zeros((48, 64), np.uint8)
MASK[10:30, 20:40] = 255
INSIDE = MASK > 0


def changed(given: Any) -> Any:
    """Hand a picture in, brighten the foreground, and take the result."""
    came = read_picture(given)
    colors = came.picture.colors
    step = 10 / 255 if colors.dtype.kind == "f" else 10 * np.iinfo(colors.dtype).max // 255
    result = np.where(INSIDE[..., None], colors + colors.dtype.type(step), colors)
    return came.back(result.astype(colors.dtype), INSIDE.astype(np.float32))


@pytest.mark.parametrize("mode", ["I;16", "I", "F", "I of 8 bits", "F of 1"])
def test_deep_grays_of_pil_come_back_in_their_mode_and_scale(mode: str) -> None:
    values: Any = {
        "I;16": GRAY.astype(np.uint16) * 257,
        "I": GRAY.astype(np.int32) * 257 + 100,
        "F": GRAY.astype(np.float32) + np.float32(0.25),
        "I of 8 bits": GRAY.astype(np.int32),
        "F of 1": (GRAY / 255).astype(np.float32),
    }[mode]
    scale = {"I;16": 65535, "I": 65535, "F": 255, "I of 8 bits": 255, "F of 1": 1}[mode]
    image = Image.fromarray(values)
    assert image.mode == mode.split(" ")[0]
    picture = read_picture(image).picture
    np.testing.assert_allclose(picture.rgb[..., 1], values / scale, atol=1e-4)
    out = changed(image)
    assert out.mode == image.mode
    np.testing.assert_array_equal(np.asarray(out)[~INSIDE], values[~INSIDE])
    difference = (np.asarray(out).astype(float) - values)[INSIDE] / scale
    np.testing.assert_allclose(difference, 10 / 255, atol=1e-3 if scale > 1 else 1e-4)


def test_a_file_keeps_its_alpha_and_profile_in_python_too(tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([COLORS, ALPHA]))
    image.save(tmp_path / "rgba.png", icc_profile=ADOBE, dpi=(300, 300))
    out = phnet.harmonize(str(tmp_path / "rgba.png"), MASK)
    assert isinstance(out, Image.Image)
    assert out.info["icc_profile"] == ADOBE
    assert round(out.info["dpi"][0]) == 300
    pixels = np.asarray(out)
    np.testing.assert_array_equal(pixels[..., 3], ALPHA)
    np.testing.assert_array_equal(pixels[~INSIDE][:, :3], COLORS[~INSIDE])
    assert (pixels[INSIDE][:, :3] != COLORS[INSIDE]).mean() > 0.3


def test_a_file_keeps_its_16_bits_in_python_too(tmp_path: Path) -> None:
    deep = np.dstack([COLORS, ALPHA]).astype(np.uint16) * 257 + np.uint16(5)
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(deep))
    out: Any = phnet.harmonize(tmp_path / "deep.png", MASK)
    assert (out.dtype, out.shape) == (np.uint16, deep.shape)
    np.testing.assert_array_equal(out[~INSIDE], deep[~INSIDE])
    np.testing.assert_array_equal(out[..., 3], deep[..., 3])
    assert (out[INSIDE] % 257 != 5).mean() > 0.3  # levels between those of 8 bits


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_arrays_come_back_as_arrays(dtype: Any) -> None:
    scale = 1 if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).max / 255
    values = (np.dstack([COLORS, ALPHA]) * (scale if scale > 1 else 1)).astype(dtype)
    if np.issubdtype(dtype, np.floating):
        values /= 255
    out = changed(values)
    assert (out.dtype, out.shape) == (values.dtype, values.shape)
    np.testing.assert_array_equal(out[~INSIDE], values[~INSIDE])
    np.testing.assert_array_equal(out[..., 3], values[..., 3])


def test_bytes_are_a_file(tmp_path: Path) -> None:
    Image.fromarray(COLORS).save(tmp_path / "c.png")
    content = (tmp_path / "c.png").read_bytes()
    np.testing.assert_array_equal(read_picture(content).picture.pixels, COLORS)
    np.testing.assert_array_equal(load(tmp_path / "c.png").pixels, COLORS)


def test_classical_methods_take_a_mask_from_alpha_and_keep_the_composites(tmp_path: Path) -> None:
    person = np.dstack([np.zeros_like(COLORS), MASK])
    Image.fromarray(person).save(tmp_path / "mask.png")
    composite = np.dstack([COLORS // 2, ALPHA])
    composite[INSIDE, :3] = COLORS[INSIDE]
    expected = METHODS["reinhard"].harmonize(composite, MASK)
    assert (expected[INSIDE] != composite[INSIDE]).mean() > 0.5
    for mask in (tmp_path / "mask.png", Image.fromarray(person), person):
        np.testing.assert_array_equal(METHODS["reinhard"].harmonize(composite, mask), expected)
    np.testing.assert_array_equal(expected[..., 3], ALPHA)
    image = METHODS["reinhard"].harmonize(Image.fromarray(composite), MASK)
    np.testing.assert_array_equal(np.asarray(image), expected)


@pytest.mark.parametrize(
    "given", [None, Image.new("F", (4, 4), -1), Image.new("F", (4, 4), float("nan")), b"text"]
)
def test_what_is_no_picture_is_refused(given: Any) -> None:
    with pytest.raises(BadImage, match="expected"):
        read_picture(given)
