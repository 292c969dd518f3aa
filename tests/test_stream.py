"""Frames of a call: steady colours, cuts, and what comes in."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from phnet.errors import BadInput
from phnet.lift import Field, Plain
from phnet.stream import STABILISE, Live, Steady, cover
from tests.conftest import disc_mask, smooth_photo


def portrait(size: int = 192) -> np.ndarray:
    return cv2.resize(astronaut(), (size, size), interpolation=cv2.INTER_AREA)


def scene() -> np.ndarray:
    return smooth_photo(np.random.default_rng(2), 120, 200)


def noisy(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(frame + rng.normal(0, 12, frame.shape), 0, 255).astype(np.uint8)


def flicker(stabilise: float) -> float:
    """Mean frame-to-frame change of the foreground's mean colour that the look alone causes.

    A still is shown with noise, and each frame's colour map is applied to the still without
    noise: the noise itself changes the mean, too, and no smoothing of the map can undo that.
    """
    rng, still, mask = np.random.default_rng(1), portrait(288), disc_mask(288, 288)
    live = Live(scene(), stabilise=stabilise, threads=1)
    means = []
    for _ in range(12):
        live.process(noisy(still, rng), mask)
        look = live.steady.current
        assert isinstance(look, Field)
        means.append(look.apply(still, mask / np.float32(255))[mask > 127].mean(0))
    return float(np.abs(np.diff(np.array(means), axis=0)).mean())


def test_smoothing_leaves_at_most_a_quarter_of_the_flicker() -> None:
    assert flicker(STABILISE) <= flicker(0) / 4


def test_smoothing_is_the_mean_of_parameters_and_a_cut_forgets_them() -> None:
    steady = Steady(0.75)
    zero, one = (Field(np.full((12, 2, 2), v, np.float32)) for v in (0, 1))
    black, white = np.zeros((36, 64, 3), np.uint8), np.full((36, 64, 3), 255, np.uint8)
    assert not steady.is_cut(black)
    steady.smooth(zero)
    assert not steady.is_cut(black + 10)
    looked = steady.smooth(one)
    assert isinstance(looked, Field)
    np.testing.assert_allclose(looked.coefficients, 0.25)
    assert steady.is_cut(white)
    assert steady.smooth(one) is one
    assert steady.cuts == 1


def test_a_map_of_pixels_is_not_mixed() -> None:
    steady, plain = Steady(0.5), Plain(np.zeros((2, 2, 3), np.float32))
    steady.smooth(Plain(np.ones((2, 2, 3), np.float32)))
    assert steady.smooth(plain) is plain


def test_the_background_is_replaced_and_the_person_is_found() -> None:
    live = Live(scene(), threads=1)
    assert np.isnan(live.latency)
    frame = portrait()
    result = live.process(frame)
    assert result.shape == frame.shape
    assert result.dtype == np.uint8
    behind = cover(scene(), (192, 192))
    assert np.array_equal(result[:20, :20], behind[:20, :20])
    face = np.s_[55:80, 78:96]
    off = np.abs(result[face].astype(int) - frame[face]).mean()
    assert off < np.abs(behind[face].astype(int) - frame[face]).mean() / 2
    assert live.latency > 0


def test_without_a_person_the_background_is_shown() -> None:
    live = Live(scene(), threads=1)
    empty = np.full((90, 160, 3), 128, np.uint8)
    assert np.array_equal(live.process(empty), cover(scene(), (90, 160)))


def test_the_network_may_run_every_few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live(scene(), every=3, threads=1)
    calls, run = [], live.composer.harmonizer.run
    monkeypatch.setattr(
        live.composer.harmonizer, "run", lambda *args: (calls.append(1), run(*args))[1]
    )
    for _ in range(7):
        live.process(portrait(), disc_mask(192, 192))
    assert len(calls) == 3


@pytest.mark.parametrize("size", [(50, 200), (200, 50), (33, 77)])
def test_cover_fills_the_frame(size: tuple[int, int]) -> None:
    assert cover(scene(), size).shape == (*size, 3)


def test_what_cannot_be_used_is_said() -> None:
    with pytest.raises(BadInput, match="stabilise: expected a number between 0 and 1, got 2"):
        Steady(2)
    with pytest.raises(BadInput, match="every: expected a whole number of 1 or more, got 0"):
        Live(scene(), every=0)
    with pytest.raises(BadInput, match="frame: expected uint8"):
        Live(scene(), threads=1).process(np.zeros((9, 9, 3), np.float32))
