"""Effects in video: steady measures, grain that moves, new measures at a cut, the same scene."""

import itertools
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from phnet import keywords
from phnet.harmonization.finishing.finish import finish
from phnet.harmonization.finishing.grain import NO_TRACES, Regrain
from phnet.harmonization.finishing.noise_level import GRAINS, LEVELS, Noise, measure_noise
from phnet.harmonization.finishing.sharpness import Refocus, blur_of
from phnet.images.arrays import Floats, Pixels
from phnet.options import EffectOptions, LiveOptions, options_of
from phnet.video import Live
from phnet.video.steady_effects import EVERY, Measured, SteadyEffects, mixed, silent_like
from tests.video.test_live import noisy

SIZE = (240, 320)
SENSOR = 1.0  # sigma of a frame's own noise, in levels
GRAIN = 4.0  # of the scene's
FRAMES = 2 * EVERY + 4


def shapes(blur: float, seed: int = 0) -> Pixels:
    """Bright and dark shapes, uint8 (H, W, 3), blurred by a sigma."""
    rng = np.random.default_rng(seed)
    made = np.full((*SIZE, 3), 120, np.uint8)
    for _ in range(60):
        corner = rng.integers(0, (SIZE[1], SIZE[0]))
        far, color = corner + rng.integers(12, 60, 2), rng.integers(40, 210, 3)
        cv2.rectangle(made, tuple(map(int, corner)), tuple(map(int, far)), color.tolist(), -1)
    return np.asarray(cv2.GaussianBlur(made, (0, 0), blur))


def soft_disc() -> Floats:
    made = np.zeros(SIZE, np.float32)
    cv2.circle(made, (150, 150), 90, 1, -1)
    made = np.asarray(cv2.GaussianBlur(made, (0, 0), 1.5))
    return np.where(made < 0.01, np.float32(0), made)


def scene(seed: int = 5) -> Pixels:
    """Softer than the person, grainy, bright."""
    soft = shapes(2.0, seed).astype(np.float32) * 0.7 + 90
    return noisy(soft, np.random.default_rng(7), GRAIN)


def person() -> Pixels:
    return np.asarray(shapes(0.6, 1) * 0.8, np.uint8)


def run(count: int = FRAMES, behind: Pixels | None = None, **options: Any) -> list[Pixels]:
    """The results of a still person with a sensor's noise."""
    rng = np.random.default_rng(1)
    live = Live(scene() if behind is None else behind, threads=1, **options)
    still, mask = person(), soft_disc()
    return [live.process(noisy(still, rng, SENSOR), mask) for _ in range(count)]


def flicker(results: list[Pixels]) -> float:
    """Largest mean change from frame to frame of what is coarser than grain, inside the mask."""
    inside = soft_disc() > 0.5
    low = [cv2.GaussianBlur(one.astype(np.float32), (0, 0), 6)[inside] for one in results[1:]]
    return max(float(np.abs(a - b).mean()) for a, b in itertools.pairwise(low))


def test_a_still_video_is_as_steady_with_all_effects_as_without() -> None:
    plain, full = run(), run(finish=True)
    outside = soft_disc() == 0
    for one in full:
        np.testing.assert_array_equal(one[outside], scene()[outside])
    assert flicker(full) < max(0.5, 3 * flicker(plain))  # grain leaves a little when it is blurred
    without_grain = run(finish=True, match_grain=0)
    assert flicker(without_grain) < 1.5 * flicker(plain) + 0.02
    assert np.abs(without_grain[-1].astype(int) - plain[-1])[soft_disc() > 0.9].mean() > 0.5


def test_grain_moves_and_its_sigma_stays() -> None:
    inside = soft_disc() > 0.99
    plain, full = run(match_grain=0), run(match_grain=1)
    grain = [(b.astype(np.float32) - a)[inside] for a, b in zip(plain, full, strict=True)]
    sigmas = np.array([one.std() for one in grain])
    assert sigmas.min() > 0.8 * sigmas.max() > 2
    for one, two in itertools.pairwise(grain):
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.1
        assert 0.95 < float(one.std() / two.std()) < 1.05
    again = run(match_grain=1)
    assert all(np.array_equal(a, b) for a, b in zip(full, again, strict=True))


def test_effects_come_to_what_pictures_get() -> None:
    """Sharpness and grain of the person are brought to the scene's, as in a picture."""
    behind, mask = scene(), soft_disc()
    inside = mask > 0.99
    plain, full = run(1)[0], run(1, match_sharpness=1, match_grain=1)[0]
    wanted = blur_of(behind, np.ones(SIZE, np.uint8))
    before, after = (
        blur_of(one, inside.astype(np.uint8)) for one in (plain, run(1, match_sharpness=1)[0])
    )
    assert wanted is not None
    assert before is not None
    assert after is not None
    assert abs(after - wanted) < 0.4 * abs(before - wanted)
    of_scene, of_person = measure_noise(behind, mask <= 0), measure_noise(full, inside)
    assert of_scene is not None
    assert of_person is not None
    assert float(of_person.sigmas[0, 3]) == pytest.approx(float(of_scene.sigmas[0, 3]), rel=0.25)
    wrapped, picture = run(1, light_wrap=1)[0], finish(plain, mask, EffectOptions(light_wrap=1))
    rim = (mask > 0.1) & (cv2.erode(mask, np.ones((7, 7))) < 0.99)
    more, expected = (
        float((one[rim].astype(int) - plain[rim]).mean()) for one in (wrapped, picture)
    )
    assert expected > 0.3
    assert more == pytest.approx(expected, rel=0.25)


def test_edges_are_cleaned_before_the_colors_and_a_hard_mask_becomes_soft() -> None:
    hard = (soft_disc() >= 0.5).astype(np.float32)
    frame = noisy(np.full((*SIZE, 3), 100, np.uint8), np.random.default_rng(0), SENSOR)
    frame[hard == 0] = (255, 0, 0)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    rim = (hard > 0) & (cv2.erode(hard, cross) == 0)
    frame[rim] = frame[rim] // 2 + np.array([127, 0, 0], np.uint8)
    grey = np.full((*SIZE, 3), 90, np.uint8)
    plain, clean = (
        Live(grey, threads=1, strength=0, clean_edges=amount).process(frame, hard)
        for amount in (0, 1)
    )
    red = [float((one[rim][:, 0].astype(int) - one[rim][:, 2]).mean()) for one in (plain, clean)]
    assert red[1] < 0.7 * red[0]
    np.testing.assert_array_equal(clean[hard == 0], grey[hard == 0])


def test_at_a_cut_the_measures_are_new() -> None:
    mask, rng = soft_disc(), np.random.default_rng(3)
    first = Live(scene(), threads=1, stabilise=1, finish=True)
    for _ in range(3):
        first.process(noisy(person(), rng, SENSOR), mask)
    before = first.effects.refocus.current
    other = np.asarray(255 - shapes(1.1, 9) * 0.8, np.uint8)
    first.process(other, mask)
    fresh = Live(scene(), threads=1, stabilise=1, finish=True)
    fresh.process(other, mask)
    assert first.cuts.seen == 1
    assert first.effects.refocus.current == fresh.effects.refocus.current != before
    assert first.effects.rim.current == fresh.effects.rim.current
    one, two = first.effects.regrain.current, fresh.effects.regrain.current
    assert one is not None
    assert two is not None
    assert one.more is not None
    assert two.more is not None
    np.testing.assert_array_equal(one.more.sigmas, two.more.sigmas)


def test_without_effects_nothing_is_measured_and_the_frames_are_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zero = {one.name: 0.0 for one in options_of(EffectOptions) if one.name != "finish"}
    plain, off = run(2), run(2, finish=True, **zero)
    monkeypatch.setattr(SteadyEffects, "apply", lambda *_: None)
    monkeypatch.setattr(SteadyEffects, "cleaned", None)
    for bare in (run(2), off):
        assert all(np.array_equal(a, b) for a, b in zip(plain, bare, strict=True))


def test_a_scene_that_stands_still_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import phnet.video.steady_effects as module

    looked: list[int] = []
    blur = module.blur_of
    monkeypatch.setattr(module, "blur_of", lambda *a: looked.append(1) or blur(*a))
    live, frame = Live(scene(), threads=1, match_sharpness=1), person()
    for _ in range(2 * EVERY):
        live.process(frame, soft_disc())
    assert len(looked) == 1
    live.background = scene(6)
    for _ in range(EVERY):
        live.process(frame, soft_disc())
    assert len(looked) == 2


def test_a_measure_is_taken_now_and_then_and_goes_slowly_to_the_next() -> None:
    found = iter([Refocus(1.0), Refocus(3.0), None])
    steady = Measured(0.5, Refocus())
    sigmas = [steady.at(lambda: next(found)).sigma for _ in range(2 * EVERY + 3)]
    assert sigmas[:EVERY] == [1.0] * EVERY
    np.testing.assert_allclose(sigmas[EVERY : EVERY + 3], [2, 2.5, 2.75])
    assert sigmas[-1] == pytest.approx(3, abs=0.01)  # None: what was known stays
    steady.forget()
    assert steady.at(lambda: Refocus(0.5)).sigma == 0.5
    unknown = Measured(0.5, Refocus())
    assert unknown.at(lambda: None) == Refocus()
    early = Measured(0.5, Refocus(), phase=3)
    counted = iter(range(9))
    for _ in range(EVERY - 3):
        early.at(lambda: Refocus(float(next(counted))))
    assert next(counted) == 1


def test_grain_that_is_found_late_comes_slowly() -> None:
    sigmas = np.full((3, LEVELS), 0.02, np.float32)
    grain, coarse = np.full(3, GRAINS[2], np.float32), np.zeros(3, np.float32)
    noise = Noise(sigmas, grain, coarse, np.ones(LEVELS, bool), sigmas)
    found = Regrain(75.0, noise, np.zeros(LEVELS, np.float32), noise)
    before = silent_like(Regrain(NO_TRACES), found)
    halfway = mixed(before, found, 0.5)
    np.testing.assert_allclose(halfway.more.sigmas, 0.01)
    assert halfway.quality == (75 + NO_TRACES) / 2
    assert halfway.more.sure.dtype == bool
    assert silent_like(found, replace(found, quality=20.0)) is found


def test_the_options_are_those_of_pictures() -> None:
    names = {one.name for one in options_of(EffectOptions)}
    assert names <= {one.name for one in options_of(LiveOptions)}
    assert names <= set(keywords.LiveKeywords.__optional_keys__)
    assert LiveOptions(finish=True, light_wrap=0).amount("light_wrap") == 0
    assert LiveOptions(finish=True).amount("match_grain") == 0.7
