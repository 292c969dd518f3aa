"""What an answer must hardly hang on, and what families of color maps can do at best."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from phnet.benchmarks.color_models import FAMILIES, least_error, shares
from phnet.benchmarks.invariance import SIDES, Invariance, invariance_figures
from phnet.harmonization.harmonizer import Harmonizer
from tests.conftest import disc_mask

PORTRAITS = Path(__file__).parents[1] / "portraits"


def test_the_two_measures_by_hand() -> None:
    sharpness = np.array([[10.0, 11, 12], [4, 5, 10], [1, 1, 1]])
    sizes = np.zeros((2, len(SIDES), 3))
    sizes[:, :, 0] = 10
    sizes[1, 0, 1] = 2
    found = Invariance(sharpness, sizes)
    assert found.sharp_to_soft == pytest.approx(1.2)
    assert found.spread == pytest.approx((0 + 0.2) / 2)


def test_a_family_finds_what_is_in_it() -> None:
    real = np.asarray(cv2.resize(astronaut(), (96, 96), interpolation=cv2.INTER_AREA))
    mask = disc_mask(96, 96) > 127
    blurred = cv2.GaussianBlur(real, (3, 3), 0, borderType=cv2.BORDER_REPLICATE)
    darker = np.where(mask[..., None], np.rint(real * 0.7 + 9), real).astype(np.uint8)
    softer = np.where(mask[..., None], blurred, real).astype(np.uint8)
    assert least_error(darker, mask, real, "affine") < 0.2
    affine, detail = (least_error(softer, mask, real, f) for f in FAMILIES[:2])
    assert detail < affine / 2
    found = shares([(darker, mask, real), (softer, mask, real)])
    values = [found[family] for family in FAMILIES]
    assert values[1] < values[0] < 0.2
    assert values[3] < values[2] < values[0]


@pytest.mark.slow
def test_sharpness_and_size_hardly_steer_the_answer() -> None:
    harmonizer = Harmonizer(threads=1)
    figures = invariance_figures(PORTRAITS, harmonizer)
    found = figures[f"light {harmonizer.card.light:g}"]
    changes = [value for name, value in found.items() if name.startswith("mean_change")]
    assert max(changes) <= 1.25 * min(changes)
    assert found["sharpened_to_blurred_median"] <= 1.35
    assert found["sizes_200_to_512_median"] <= 0.15
    # At light 0 these bounds do not hold since the seam branch: an edge is a matter of sharpness
    # (docs/method.md, docs/model-card.md). What is held here is that it gets no worse.
    paper = figures["light 0"]
    assert paper["sharpened_to_blurred_median"] <= 3
    assert paper["sizes_200_to_512_median"] <= 0.4
