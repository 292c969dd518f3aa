"""Frames of a call: steady colors, cuts, and what comes in."""

from typing import Any

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from phnet.compositing.composer import over
from phnet.errors import BadInput
from phnet.harmonization.lift import Field, Plain
from phnet.harmonization.tiling import Changed, Trims, in_strips
from phnet.images.arrays import to_float
from phnet.matting.matte import Matter
from phnet.options import LiveOptions
from phnet.video import Live
from phnet.video.live import blended, box_around, cover, map_colors, trimmed
from phnet.video.temporal_smoothing import STABILISE, Cuts, SteadyMap, SteadyMatte
from tests.conftest import disc_mask, smooth_photo


def portrait(size: int = 192) -> np.ndarray:
    return cv2.resize(astronaut(), (size, size), interpolation=cv2.INTER_AREA)


def scene() -> np.ndarray:
    return smooth_photo(np.random.default_rng(2), 120, 200)


def noisy(frame: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    return np.clip(np.rint(frame + rng.normal(0, noise, frame.shape)), 0, 255).astype(np.uint8)


def flicker(still: np.ndarray, noise: float, stabilise: float) -> float:
    """Mean frame-to-frame change of the foreground's mean color in the finished frames.

    The foreground is each frame's own matte, so that what the matte does counts, and so does the
    noise itself, which is in the finished frames, too, and cannot be smoothed away.
    """
    rng = np.random.default_rng(1)
    live = Live(scene(), stabilise=stabilise, threads=1)
    means = []
    for _ in range(14):
        result = live.process(noisy(still, rng, noise))
        assert live.alpha is not None
        share = live.alpha[..., None]
        means.append((result * share).sum((0, 1)) / share.sum())
    return float(np.abs(np.diff(np.array(means[2:]), axis=0)).mean())


@pytest.mark.parametrize(("size", "noise"), [(192, 12), (288, 4)])
def test_smoothing_leaves_at_most_a_quarter_of_the_flicker(size: int, noise: float) -> None:
    still = portrait(size)
    assert flicker(still, noise, STABILISE) <= flicker(still, noise, 0) / 4


def test_a_moving_person_leaves_no_trail() -> None:
    """Where the person was, the matte is as dark with smoothing as without."""
    still = portrait(192)
    alpha = Matter(threads=1).matte(still)
    behind = cv2.resize(scene()[:, ::-1], (360, 192))
    left = {}
    for stabilise in (0.0, 0.95):
        live, rng = Live(scene(), stabilise=stabilise, threads=1), np.random.default_rng(1)
        for x in (0, 20, 40, 60, 80, 100, 120, 140):
            frame = behind.copy()
            part = frame[:, x : x + 192]
            part[:] = part + alpha[..., None] * (still.astype(np.float32) - part)
            live.process(noisy(frame, rng, 3))
        assert live.alpha is not None
        person = np.zeros(live.alpha.shape, np.uint8)
        person[:, 140:332] = alpha > 0.02
        away = cv2.dilate(person, np.ones((15, 15), np.uint8)) == 0
        left[stabilise] = float(live.alpha[away].sum() / alpha.sum())
    assert left[0.95] < left[0.0] + 0.005


def test_a_map_is_the_mean_of_parameters_and_a_cut_forgets_them() -> None:
    steady, cuts = SteadyMap(0.75), Cuts()
    zero, one = (Field(np.full((12, 2, 2), v, np.float32)) for v in (0, 1))
    steady.smooth(zero)
    looked = steady.smooth(one)
    assert isinstance(looked, Field)
    np.testing.assert_allclose(looked.coefficients, 0.25)
    steady.forget()
    assert steady.smooth(one) is one
    black, white = np.zeros((36, 64, 3), np.uint8), np.full((36, 64, 3), 255, np.uint8)
    assert [cuts.is_cut(p, black) for p in (black, black + 10, white, white)] == [0, 0, 1, 0]
    assert cuts.is_cut(white, white)  # the background may be what changes
    assert cuts.seen == 2


def test_the_look_starts_anew_at_a_cut() -> None:
    live = Live(scene(), stabilise=1, threads=1)
    mask, first, other = disc_mask(192, 192), portrait(), 255 - portrait()
    live.process(first, mask)
    kept = live.maps.current
    assert isinstance(kept, Field)
    live.process(noisy(first, np.random.default_rng(0), 3), mask)
    assert isinstance(live.maps.current, Field)
    np.testing.assert_array_equal(live.maps.current.coefficients, kept.coefficients)
    fresh = Live(scene(), threads=1).process(other, mask)
    assert np.array_equal(live.process(other, mask), fresh)
    assert live.cuts.seen == 1


def test_a_matte_is_steady_where_nothing_moves_and_follows_what_does() -> None:
    rng = np.random.default_rng(0)
    mattes, frame = SteadyMatte(0.9), smooth_photo(rng, 90, 160)
    low, high = np.full((90, 160), 0.4, np.float32), np.full((90, 160), 0.6, np.float32)
    mattes.smooth(frame, low)
    moved = noisy(frame, rng, 4)
    moved[30:60, 60:100] = 255 - moved[30:60, 60:100]
    alpha = mattes.smooth(moved, high)
    assert abs(alpha[:, :40].mean() - 0.42) < 2e-3
    assert alpha[:, :40].max() < 0.45
    np.testing.assert_allclose(alpha[32:58, 62:98], 0.6, atol=1e-3)
    # where nothing moves, but the matte is quite another, it is believed
    assert mattes.smooth(moved, np.ones_like(high))[:, :40].min() > 0.9


def test_a_map_of_another_kind_is_not_mixed() -> None:
    steady, plain = SteadyMap(0.5), Plain(np.zeros((2, 2, 3), np.float32))
    steady.smooth(Plain(np.ones((2, 2, 3), np.float32)))
    assert steady.smooth(plain) is plain


def test_the_box_gets_what_the_whole_picture_would() -> None:
    rng = np.random.default_rng(4)
    drawn = rng.normal(0, 1, (16, 16, 12)).astype(np.float32)
    smooth = cv2.GaussianBlur(drawn, (0, 0), 1.5)  # as a network's field is
    look = Field(np.ascontiguousarray(smooth.transpose(2, 0, 1)))
    picture, alpha = to_float(smooth_photo(rng, 120, 200)), np.zeros((120, 200), np.float32)
    alpha[50:90, 70:150] = rng.random((40, 80))
    box = box_around(alpha)
    whole = look.apply(picture, np.ones_like(alpha))
    part = map_colors(look, picture[box], box, alpha.shape)
    np.testing.assert_allclose(part, np.clip(whole[box], 0, 1), atol=2 / 255)
    below = smooth_photo(rng, 120, 200)
    blend = blended(part, alpha[box], below[box])
    np.testing.assert_allclose(blend, over(whole, alpha, below)[box], atol=2)
    assert np.array_equal(blend[alpha[box] == 0], below[box][alpha[box] == 0])


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


def test_between_its_runs_the_parameters_are_interpolated(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live(scene(), stabilise=0, every=3, threads=1)
    calls, field = [], live.harmonizer.field

    def darker(*arguments: Any) -> Field:
        calls.append(1)
        return Field(field(*arguments).coefficients * np.float32(1 - 0.1 * len(calls)))

    monkeypatch.setattr(live.harmonizer, "field", darker)
    looks = []
    for _ in range(7):
        live.process(portrait(), disc_mask(192, 192))
        assert isinstance(live.maps.current, Field)
        looks.append(live.maps.current.coefficients)
    assert len(calls) == 3
    for k in range(3):  # one, two and three thirds of the way from the first answer to the second
        expected = looks[2] + (looks[5] - looks[2]) * (k + 1) / 3
        np.testing.assert_allclose(looks[3 + k], expected, atol=1e-5)
    assert np.abs(looks[5] - looks[2]).max() > 0.01


def test_trims_are_those_of_pictures() -> None:
    """Strength, exposure and warmth come to what a picture of the same colors gets."""
    rng = np.random.default_rng(3)
    own, new = (rng.random((40, 60, 3)).astype(np.float32) for _ in range(2))
    options = LiveOptions(strength=1.4, exposure=-0.7, warmth=0.5)

    def changing(_: Any, columns: slice) -> Changed:
        return lambda _, rows: [np.array(new[rows, columns, c]) for c in range(3)]

    mask = np.ones((40, 60), np.float32)
    expected = in_strips(own, mask, options.strength, 1, changing, Trims(-0.7, 0.5))
    np.testing.assert_allclose(trimmed(new, own, options), expected, atol=1e-6)
    assert trimmed(new, own, LiveOptions()) is new


def test_light_strength_exposure_and_warmth_change_the_person_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame, mask = portrait(), disc_mask(192, 192)
    plain = Live(scene(), stabilise=0, threads=1)
    results = {"plain": plain.process(frame, mask)}
    shared = {"harmonizer": plain.harmonizer, "matter": plain.matter, "stabilise": 0.0}
    own = blended(to_float(frame), mask / np.float32(255), cover(scene(), (192, 192)))
    for name, value in (("strength", 0.0), ("exposure", -1.0), ("warmth", 1.0), ("light", 0.0)):
        live = Live(scene(), **shared, **{name: value})  # type: ignore[arg-type]
        results[name] = live.process(frame, mask)
        assert np.array_equal(results[name][mask == 0], results["plain"][mask == 0])
    face = np.s_[55:80, 78:96]
    means = {name: picture[face].mean((0, 1)) for name, picture in results.items()}
    np.testing.assert_allclose(results["strength"][face], own[face], atol=1)
    np.testing.assert_allclose(means["exposure"] / means["plain"], 0.5 ** (1 / 2.2), atol=0.02)
    assert (means["warmth"] / means["plain"])[0] > 1 > (means["warmth"] / means["plain"])[2]
    assert np.abs(means["light"] - means["plain"]).max() > 1

    asked = []
    field = plain.harmonizer.field
    monkeypatch.setattr(plain.harmonizer, "field", lambda *a: asked.append(a[-1]) or field(*a))
    Live(scene(), **shared, light=0.25).process(frame, mask)  # type: ignore[arg-type]
    assert asked == [0.25]


@pytest.mark.parametrize("size", [(50, 200), (200, 50), (33, 77)])
def test_cover_fills_the_frame(size: tuple[int, int]) -> None:
    assert cover(scene(), size).shape == (*size, 3)


def test_what_cannot_be_used_is_said() -> None:
    with pytest.raises(BadInput, match="stabilise: expected a number between 0 and 1, got 2"):
        SteadyMap(2)
    with pytest.raises(BadInput, match="every: expected a whole number of at least 1, got 0"):
        Live(scene(), every=0)
    with pytest.raises(BadInput, match="strength: expected a number between 0 and 2, got 3"):
        Live(scene(), strength=3)
    with pytest.raises(BadInput, match="frame: expected uint8"):
        Live(scene(), threads=1).process(np.zeros((9, 9, 3), np.float32))
