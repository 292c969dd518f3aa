"""Clean edges: what the old background left goes, the rest stays."""

import cv2
import numpy as np
import pytest

from phnet.harmonization.finishing.edges import clean_colors, clean_edges, soft_alpha
from phnet.images.arrays import Floats, Pixels

PERSON, OLD, NEW = (0.3, 0.5, 0.7), (0.95, 0.1, 0.1), (0.2, 0.6, 0.2)


def disc(sigma: float = 1.0) -> Floats:
    mask = np.zeros((160, 160), np.float32)
    cv2.circle(mask, (80, 80), 50, 1, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32)


def over(front: Pixels, behind: Pixels, mask: Floats) -> Floats:
    share = mask[..., None]
    return np.asarray(share * np.asarray(front) + (1 - share) * np.asarray(behind), np.float32)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("hard", [True, False])
def test_a_red_rim_goes_and_the_background_stays(hard: bool, kind: str) -> None:
    alpha = disc()
    mask = (alpha >= 0.5).astype(np.float32) if hard else np.where(alpha > 0.01, alpha, 0)
    cut = over(PERSON, OLD, alpha)
    paste, truth = over(cut, NEW, mask), over(PERSON, NEW, alpha)
    scale = {"uint8": 255, "uint16": 65535, "float32": 1}[kind]
    given = paste if scale == 1 else np.rint(paste * scale).astype(kind)
    made, shown = clean_edges(given, mask)
    assert made.dtype == given.dtype
    np.testing.assert_array_equal(made[mask == 0], given[mask == 0])
    assert (shown <= mask).all()
    band = (alpha > 0.02) & (alpha < 0.98) & (mask > 0)
    before = np.abs(paste - truth)[band].mean()
    after = np.abs(made / np.float32(scale) - truth)[band].mean()
    assert after < 0.75 * before


def test_what_is_clean_stays_as_it_is() -> None:
    alpha = disc()
    mask = np.where(alpha > 0.01, alpha, 0)
    paste = over(PERSON, NEW, mask)
    made, shown = clean_edges(paste, mask)
    np.testing.assert_allclose(made, paste, atol=0.02)
    np.testing.assert_array_equal(shown, mask)


def test_colors_are_cleaned_before_they_are_laid_over() -> None:
    alpha = disc()
    colors, mask = clean_colors(over(PERSON, OLD, alpha), alpha)
    band = (alpha > 0.3) & (alpha < 0.9)
    assert (
        np.abs(colors - np.float32(PERSON))[band].mean()
        < 0.5 * np.abs(over(PERSON, OLD, alpha) - np.float32(PERSON))[band].mean()
    )
    np.testing.assert_array_equal(mask, alpha)


def test_an_amount_of_0_changes_nothing() -> None:
    mask = (disc() >= 0.5).astype(np.float32)
    paste = over(over(PERSON, OLD, disc()), NEW, mask)
    made, shown = clean_edges(paste, mask, 0)
    np.testing.assert_allclose(made, paste, atol=1e-6)
    np.testing.assert_allclose(shown, mask, atol=1e-6)


def test_the_soft_alpha_of_a_hard_mask_stays_inside_it() -> None:
    mask = (disc() >= 0.5).astype(np.float32)
    alpha = soft_alpha(mask, 1)
    assert (alpha[mask == 0] == 0).all()
    assert alpha[80, 80] == 1
    assert ((alpha > 0.1) & (alpha < 0.9)).sum() > 100


def test_a_person_without_a_solid_part_is_left_alone() -> None:
    mask = np.zeros((40, 40), np.float32)
    mask[20, 5:35] = 0.4
    picture = np.full((40, 40, 3), 90, np.uint8)
    made, _ = clean_edges(picture, mask)
    np.testing.assert_array_equal(made, picture)
