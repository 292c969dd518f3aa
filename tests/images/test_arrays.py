"""Arrays as pictures and masks: what fits, what is noted, what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from phnet.errors import BadImage, BadMask
from phnet.images import (
    blend,
    check_image,
    check_mask,
    load_mask,
    mask_notes,
)
from tests.images.test_picture import some_mask, write


def test_masks_are_alpha_where_there_is_some_else_gray_and_stay_soft(tmp_path: Path) -> None:
    soft = np.tile(np.arange(60, dtype=np.uint8) * 4, (40, 1))
    Image.fromarray(soft).save(tmp_path / "gray.png")
    Image.fromarray(np.dstack([soft * 0, soft * 0, soft * 0, soft])).save(tmp_path / "alpha.png")
    opaque = np.dstack([soft, soft, soft, np.full_like(soft, 255)])
    Image.fromarray(opaque).save(tmp_path / "opaque.png")
    write(tmp_path / "deep.png", soft.astype(np.uint16) * 257)
    for name in ("gray.png", "alpha.png", "opaque.png", "deep.png"):
        np.testing.assert_allclose(load_mask(tmp_path / name), soft / 255, atol=1e-6)


def test_a_mask_is_resized_to_the_composites_size() -> None:
    mask = np.zeros((50, 100), np.float32)
    mask[:, 50:] = 1
    large = check_mask(mask, (200, 400))
    assert large.shape == (200, 400)
    assert large[:, :190].max() == 0
    assert large[:, 210:].min() == 1
    assert check_mask(mask, (25, 50))[:, 25:].min() == 1
    np.testing.assert_array_equal(check_mask(mask > 0, (50, 100)), mask)


@pytest.mark.parametrize("size", [(80, 101), (81, 100), (40, 50), (41, 50), (160, 199)])
def test_a_pixel_of_rounding_is_allowed(size: tuple[int, int]) -> None:
    assert check_mask(np.ones(size, np.uint8) * 255, (80, 100)).shape == (80, 100)


@pytest.mark.parametrize("size", [(100, 80), (80, 110), (80, 103), (60, 60), (400, 515)])
def test_another_aspect_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BadMask, match=rf"expected the composite's aspect .*{size[1]}x{size[0]}"):
        check_mask(np.ones(size, np.float32), (80, 100), "m.png")


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(BadMask, match=r"m.png: .*empty"):
        check_mask(np.zeros((4, 4), np.uint8), (4, 4), "m.png")


def test_notes_on_masks() -> None:
    person = np.zeros((40, 60), np.float32)
    person[10:, 20:40] = 1
    assert mask_notes(person) == []
    assert "no background" in mask_notes(np.ones((40, 60), np.float32))[0]
    assert "invert_mask" in mask_notes(1 - person)[0]
    thick = np.zeros((40, 60), np.float32)
    thick[5:, 3:57] = 1  # a close portrait that touches the lower border
    assert mask_notes(thick) == []


def test_blend_keeps_both_sides_exactly() -> None:
    rng = np.random.default_rng(0)
    front, back = rng.random((2, 40, 60, 3), np.float32)
    mask = some_mask()
    result = blend(front, back, mask)
    np.testing.assert_array_equal(result[mask == 0], back[mask == 0])
    np.testing.assert_array_equal(result[mask == 1], front[mask == 1])
    half = mask == 0.5
    np.testing.assert_allclose(result[half], (front[half] + back[half]) / 2, atol=1e-6)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.int32),
        np.full((4, 4, 3), 2.0),
        np.full((4, 4, 3), np.nan),
    ],
)
def test_arrays_that_are_no_images_are_refused(image: np.ndarray) -> None:
    with pytest.raises(BadImage, match=r"expected .*got"):
        check_image(image)
