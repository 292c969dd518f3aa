"""Light wrap: bright surroundings bleed over the edge, dark ones do not."""

import numpy as np
import pytest

from phnet.harmonization.finishing.light_wrap import light_wrap
from phnet.images.arrays import Floats, Pixels


def square() -> Floats:
    mask = np.zeros((200, 200), np.float32)
    mask[50:150, 50:150] = 1
    return mask


def pasted(person: int, scene: int) -> Pixels:
    inside = square()[..., None] > 0
    return np.where(inside, np.uint8(person), np.full((200, 200, 3), scene, np.uint8))


def test_bright_surroundings_bleed_over_the_edge_and_less_further_in() -> None:
    given = pasted(40, 250)
    made = light_wrap(given, square())
    np.testing.assert_array_equal(made[square() == 0], given[square() == 0])
    row = made[100, 50:100, 0].astype(int)
    assert row[0] > 60
    assert (np.diff(row) <= 0).all()
    assert row[-1] == 40


@pytest.mark.parametrize(("person", "scene"), [(120, 20), (40, 60), (255, 250)])
def test_dim_surroundings_change_nothing_and_nothing_is_darkened(person: int, scene: int) -> None:
    given = pasted(person, scene)
    made = light_wrap(given, square())
    assert (made >= given).all()
    assert (made.astype(int) - given).max() <= 1


def test_twice_the_size_gives_the_same_picture_larger() -> None:
    small = light_wrap(pasted(40, 250), square())
    given = pasted(40, 250).repeat(2, 0).repeat(2, 1)
    large = light_wrap(given, square().repeat(2, 0).repeat(2, 1))
    halves = large.reshape(200, 2, 200, 2, 3).mean((1, 3))
    assert np.abs(halves - small).max() < 12
