"""Persons under one mask: told apart by their regions, or by the ids of an indexed mask."""

import io

import numpy as np
from PIL import Image

import phnet
from phnet.harmonization.persons import persons
from phnet.images import read_mask
from phnet.images.arrays import Floats, Pixels

SIZE = (96, 128)


def indexed() -> Image.Image:
    """Two persons that touch, with the ids 1 and 2."""
    ids = np.zeros(SIZE, np.uint8)
    ids[20:, 20:60], ids[30:, 60:100] = 1, 2
    made = Image.fromarray(ids, "P")
    made.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
    return made


def composite() -> Pixels:
    """A gray scene with one person too red and one too blue."""
    rng = np.random.default_rng(0)
    made = np.full((*SIZE, 3), 120, np.float32) + rng.normal(0, 6, (*SIZE, 3))
    made[20:, 20:60] += (70, 0, -40)
    made[30:, 60:100] += (-40, 0, 70)
    return made.clip(0, 255).astype(np.uint8)


def test_ids_of_a_palette_are_persons_and_together_the_mask() -> None:
    content = io.BytesIO()
    indexed().save(content, "PNG")
    for given in (indexed(), content.getvalue()):
        mask = read_mask(given, several=True)
        assert mask.ids is not None
        found = persons(mask.alpha, mask.ids)
        assert [int(one.sum()) for one in found] == [76 * 40, 66 * 40]
        np.testing.assert_array_equal(sum(found), mask.alpha)


def test_regions_are_persons_where_there_are_no_ids() -> None:
    mask: Floats = np.zeros(SIZE, np.float32)
    mask[10:40, 10:40] = mask[50:90, 60:120] = 1
    assert [int(one.sum()) for one in persons(mask)] == [40 * 60, 30 * 30]


def test_each_person_of_an_indexed_mask_gets_a_correction_of_their_own() -> None:
    picture = composite()
    mask = read_mask(indexed(), several=True)
    alone = [person > 0 for person in persons(mask.alpha, mask.ids)]
    together = phnet.harmonize(picture, (alone[0] | alone[1]).astype(np.float32))
    each = phnet.harmonize(picture, indexed(), each=True)
    outside = ~(alone[0] | alone[1])
    np.testing.assert_array_equal(each[outside], picture[outside])

    def cast(result: Pixels, person: Pixels) -> float:
        """How much redder than blue a person is."""
        return float(result[person][:, 0].mean() - result[person][:, 2].mean())

    apart = [abs(cast(made, alone[0]) - cast(made, alone[1])) for made in (picture, together, each)]
    assert apart[2] < apart[1] < apart[0]
