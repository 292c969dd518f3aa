"""What lies hidden under alpha 0 says nothing: neither to the network nor in the result."""

from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

import phnet
from phnet.errors import BadImage, BadInput
from phnet.images.transparency import filled, seen_around
from phnet.matting.matte import Matter
from tests.conftest import smooth_photo

PHOTO = np.asarray(Image.fromarray(astronaut()).resize((96, 96)))
MASK = np.zeros((96, 96), np.uint8)
MASK[20:, 30:66] = 255


def cut_out(alpha: np.ndarray, under: int) -> np.ndarray:
    """The photo with an alpha, and a color where that is 0, (H, W, 4)."""
    colors = PHOTO.copy()
    colors[alpha == 0] = under
    return np.dstack([colors, alpha])


def half_hidden() -> np.ndarray:
    """An alpha that hides the upper half, and shows a quarter of one more row."""
    alpha = np.full((96, 96), 255, np.uint8)
    alpha[:48], alpha[48] = 0, 64
    return alpha


def test_places_are_filled_from_what_is_near_and_the_rest_stays() -> None:
    colors = np.zeros((60, 90, 3), np.uint8)
    colors[:, :45], colors[:, 45:] = (200, 40, 40), (40, 40, 200)
    alpha = np.full((60, 90), 255, np.uint8)
    alpha[20:40, 5:20] = alpha[20:40, 70:85] = 0
    hidden = alpha == 0
    dirty = colors.copy()
    dirty[hidden] = 255
    for whole in (True, False):
        result = filled(dirty, alpha, whole=whole).astype(int)
        np.testing.assert_array_equal(result[~hidden], colors[~hidden])
        assert np.abs(result - colors)[hidden].max() <= 2
    deep = filled(dirty.astype(np.uint16) * 257, alpha)
    assert np.abs(deep / 257 - colors)[hidden].max() <= 2
    alpha[:] = 128
    np.testing.assert_array_equal(filled(colors, alpha, whole=False), colors)


def test_the_person_does_not_spread_into_what_is_hidden() -> None:
    colors = np.full((64, 64, 3), 50, np.uint8)
    mask = np.zeros((64, 64), np.float32)
    mask[20:44, 20:44], colors[20:44, 20:44] = 1, 250
    alpha = np.full((64, 64), 255, np.uint8)
    alpha[:20] = 0
    assert filled(colors, alpha, mask)[:20].max() <= 51
    assert seen_around(alpha, mask)
    assert not seen_around((mask * 255).astype(np.uint8), mask)


@pytest.mark.parametrize("lift", ["auto", "guided", "lut", "none"])
def test_the_same_visible_picture_gives_the_same_result(lift: str) -> None:
    alpha = half_hidden()
    black, white = (
        phnet.harmonize(cut_out(alpha, under), MASK, lift=lift, resolution=64) for under in (0, 255)
    )
    seen = alpha > 0
    np.testing.assert_array_equal(black[seen], white[seen])
    assert (black[~seen, :3] == 0).all()
    assert (white[~seen, :3] == 255).all()
    assert (black[seen & (MASK > 0), :3] != PHOTO[seen & (MASK > 0)]).any()


def test_it_is_nearly_what_the_visible_part_alone_gives() -> None:
    whole = phnet.harmonize(cut_out(half_hidden(), 0), MASK)[49:, :, :3]
    part = phnet.harmonize(PHOTO[49:], MASK[49:])
    inside = MASK[49:] > 0
    assert abs(whole[inside].mean() - part[inside].mean()) < 6
    assert abs(whole[inside].mean() - PHOTO[49:][inside].mean()) > 0.5


def test_files_and_pil_images_too(tmp_path: Any) -> None:
    results = []
    for under in (0, 255):
        image = Image.fromarray(cut_out(half_hidden(), under))
        image.save(tmp_path / "c.png")
        results += [phnet.harmonize(image, MASK), phnet.harmonize(tmp_path / "c.png", MASK)]
    seen = half_hidden() > 0
    for other in results[1:]:
        np.testing.assert_array_equal(np.asarray(other)[seen], np.asarray(results[0])[seen])


@pytest.mark.parametrize("is_given", [True, False])
def test_a_cut_out_has_no_background_and_is_for_compose(is_given: bool) -> None:
    alpha = np.rint(Matter(threads=1).matte(PHOTO) * 255).astype(np.uint8)
    for under in (0, 255):
        with pytest.raises(BadInput, match=r"there is no background .* compose"):
            phnet.harmonize(cut_out(alpha, under), alpha if is_given else None)


def test_a_mask_where_nothing_is_seen_is_refused() -> None:
    with pytest.raises(BadInput, match="lies where the composite is transparent"):
        phnet.harmonize(cut_out(255 - MASK, 128), MASK)


def test_compose_takes_no_hidden_colors_either() -> None:
    scene = smooth_photo(np.random.default_rng(0), 80, 120)
    alpha = np.full((80, 120), 255, np.uint8)
    alpha[:, :50] = 0
    results = []
    for under in (0, 255):
        background = np.dstack([np.where(alpha[..., None] > 0, scene, under), alpha])
        portrait = cut_out(half_hidden(), under)
        results.append(phnet.compose(portrait, background.astype(np.uint8), mask=MASK))
    seen = (results[0][..., 3] > 0) & (results[1][..., 3] > 0)
    np.testing.assert_array_equal(results[0][seen], results[1][seen])
    assert (results[0][..., 3] == results[1][..., 3]).all()
    nothing = np.zeros((80, 120, 4), np.uint8)
    with pytest.raises(BadImage, match="but it is transparent"):
        phnet.compose(PHOTO, nothing, mask=MASK)
