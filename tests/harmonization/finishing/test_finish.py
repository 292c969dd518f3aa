"""All effects together, where pictures are transparent in part."""

import numpy as np
import pytest

import phnet
from phnet.errors import BadImage
from tests.conftest import disc_mask, smooth_photo

EFFECTS = {"finish": True, "each": True}


def see_through(hidden_color: int) -> tuple[np.ndarray, np.ndarray]:
    """A composite (H, W, 4) whose left third is transparent, and its mask."""
    rng = np.random.default_rng(2)
    picture = np.dstack([smooth_photo(rng, 120, 150), np.full((120, 150), 255, np.uint8)])
    picture[..., :3] = (picture[..., :3] + rng.normal(0, 4, (120, 150, 3))).clip(0, 255)
    picture[:, :55, :3], picture[:, :55, 3] = hidden_color, 0
    return picture, disc_mask(120, 150)


def test_what_is_hidden_says_nothing_to_any_effect_and_stays() -> None:
    (black, mask), (white, _) = see_through(0), see_through(255)
    one, other = (phnet.harmonize(picture, mask, **EFFECTS) for picture in (black, white))
    np.testing.assert_array_equal(one[:, 55:], other[:, 55:])
    np.testing.assert_array_equal(one[:, :55], black[:, :55])
    np.testing.assert_array_equal(other[:, :55], white[:, :55])
    assert not np.array_equal(one, phnet.harmonize(black, mask))


def test_what_is_hidden_in_a_reference_gives_no_light() -> None:
    picture, mask = see_through(0)
    picture, black, white = picture[..., :3], see_through(0)[0], see_through(255)[0]
    one, other = (phnet.harmonize(picture, mask, reference=light) for light in (black, white))
    np.testing.assert_array_equal(one, other)
    black[..., 3] = 0
    with pytest.raises(BadImage, match="reference: expected one that can be seen"):
        phnet.harmonize(picture, mask, reference=black)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 96), (96, 1), (3, 7), (8, 8), (7, 200)])
def test_every_effect_takes_the_smallest_pictures(height: int, width: int, dtype: str) -> None:
    rng = np.random.default_rng(height * 1000 + width)
    picture = rng.integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype)
    half = np.zeros((height, width), np.float32)
    half[: (height + 1) // 2, : (width + 1) // 2] = 1
    for mask in (half, np.ones_like(half)):
        made = phnet.harmonize(picture, mask, **EFFECTS)
        assert (made.shape, made.dtype) == (picture.shape, picture.dtype)
        np.testing.assert_array_equal(made[mask == 0], picture[mask == 0])
