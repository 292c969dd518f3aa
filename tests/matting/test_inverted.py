"""Masks that are white where the background is: said, where a person lies in the rest."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from phnet.harmonization.harmonize_picture import harmonize_picture
from phnet.harmonization.harmonizer import Harmonizer
from phnet.images import Mask, load, load_mask, read_picture
from phnet.matting.inverted import (
    TURNED,
    UNTOLD,
    advice,
    leaves_out_the_person,
    may_be_inverted,
)
from phnet.matting.matte import Matter
from phnet.options import HarmonizeOptions

PORTRAITS = sorted((Path(__file__).parents[1] / "portraits").glob("*.jpg"))


class Nobody(Matter):
    """A matting session that must not be asked, or sees nobody."""

    def __init__(self, asked: bool) -> None:
        self._asked = asked

    def segment(self, rgb: np.ndarray) -> np.ndarray:  # noqa: ARG002
        assert self._asked
        return np.zeros((8, 8), np.float32)


@pytest.fixture(scope="module")
def matter() -> Matter:
    return Matter(threads=1)


def test_portraits_are_told_from_their_surroundings(matter: Matter) -> None:
    for path in PORTRAITS[::3]:
        colors, mask = load(path).colors, load_mask(path.with_suffix(".png"))
        assert not may_be_inverted(mask), path
        assert may_be_inverted(1 - mask), path
        assert not leaves_out_the_person(mask, colors, matter), path
        assert leaves_out_the_person(1 - mask, colors, matter), path


def test_the_network_is_asked_only_where_it_is_worth_it() -> None:
    colors = np.zeros((50, 60, 3), np.uint8)
    mask = np.zeros((50, 60), np.float32)
    mask[10:, 20:40] = 1
    assert advice(mask, colors, Nobody(asked=False)) == []
    assert "covers everything" in advice(mask * 0 + 1, colors, Nobody(asked=False))[0]
    # Where it sees nobody, the mask's shape decides.
    assert "looks like the background" in advice(1 - mask, colors, Nobody(asked=True))[0]


def test_a_person_that_fills_the_frame_is_no_inverted_mask(matter: Matter) -> None:
    """Its mask reaches the border, with a hole in the middle: the network sees a person in it."""
    photo = astronaut()
    mask = np.ones(photo.shape[:2], np.float32)
    mask[200:400, 150:350] = 0
    person = matter.matte(photo)
    assert may_be_inverted(mask)
    inside = float((person * mask).sum() / person.sum())
    assert inside > 0.3
    assert advice(mask, photo, matter) == []


def test_it_is_said_and_the_mask_is_taken_as_it_is() -> None:
    path = PORTRAITS[2]
    mask = 1 - load_mask(path.with_suffix(".png"))
    made = harmonize_picture(
        read_picture(path).picture,
        Mask(mask),
        HarmonizeOptions(resolution=64),
        harmonizer=Harmonizer(threads=1),
    )
    (note,) = made.notes
    assert "the person that is seen in the picture lies outside the mask" in note
    assert "(invert_mask)" in note
    np.testing.assert_allclose(made.mask, mask)


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_mask_painted_on_the_photo_as_it_is_stored_is_told(
    tmp_path: Path, matter: Matter, orientation: int
) -> None:
    """Upside down, or square and on its side: the shape does not tell, the person does."""
    photo = astronaut()
    alpha = np.rint(matter.matte(photo) * 255).astype(np.uint8)
    back = {3: 2, 6: 1}[orientation]  # quarters, against the clock
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.rot90(photo, back)).save(tmp_path / "photo.png", exif=exif)
    picture = load(tmp_path / "photo.png")
    assert np.array_equal(picture.colors, photo)
    told = []
    for mask in (alpha, np.rot90(alpha, back)):
        given = Mask(mask.astype(np.float32) / 255)
        options, harmonizer = HarmonizeOptions(lift="none"), Harmonizer(threads=1)
        made = harmonize_picture(picture, given, options, harmonizer=harmonizer, matter=matter)
        told.append(any(TURNED in note for note in made.notes))
    assert told == [False, True]


def test_where_nobody_is_seen_a_mask_that_fits_both_ways_is_named() -> None:
    colors, mask = np.zeros((50, 60, 3), np.uint8), np.zeros((50, 60), np.float32)
    mask[:20, 20:50] = 1
    nobody = Nobody(asked=True)
    assert advice(mask, colors, nobody, orientation=3) == [UNTOLD]
    assert advice(mask, colors, Nobody(asked=False), orientation=6) == []  # its shape tells
    assert advice(np.maximum(mask, mask[::-1, ::-1]), colors, nobody, orientation=3) == []
