"""Pastes under foreign light, for training and for the benchmark: seeded, and lit as they say."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from skimage.data import astronaut, coffee

from phnet.datasets.foreign_light import LIGHTS, covering, paste
from phnet.datasets.scene_light import (
    Light,
    blackbody,
    draw_backdrop,
    draw_light,
    is_plain,
    make_scene_light,
    relight,
    traces,
)
from tests.conftest import disc_mask


def photo(side: int = 128) -> np.ndarray:
    return np.asarray(cv2.resize(astronaut(), (side, side), interpolation=cv2.INTER_AREA))


def linear(picture: np.ndarray) -> np.ndarray:
    x = picture / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def test_a_light_that_changes_nothing() -> None:
    result = relight(photo(), Light(), np.random.default_rng(0))
    assert np.abs(result.astype(int) - photo()).max() <= 1


def test_exposure_is_a_factor_in_linear_light() -> None:
    result = relight(photo(), Light(exposure=-1), np.random.default_rng(0))
    bright = photo() > 60
    ratio = linear(result)[bright].mean() / linear(photo())[bright].mean()
    assert abs(ratio - 0.5) < 0.01
    warm = relight(photo(), Light(gains=(1.5, 1, 0.5)), np.random.default_rng(0))
    means = (linear(warm) / np.maximum(linear(photo()), 1e-3))[(photo() > 60).all(2)]
    assert means[:, 2].mean() < 0.6 < 0.95 < means[:, 1].mean()


def test_light_from_the_side_falls_off() -> None:
    gray = np.full((64, 64, 3), 128, np.uint8)
    lit = relight(gray, Light(side=1, angle=0), np.random.default_rng(0)).astype(float)
    assert lit[:, -8:].mean() > lit[:, 28:36].mean() + 20 > lit[:, :8].mean() + 40


def test_black_bodies_are_warmer_the_more_mireds() -> None:
    colors = [blackbody(m) for m in (70, 154, 250, 450)]
    ratios = [color[0] / color[2] for color in colors]
    assert ratios == sorted(ratios)
    assert all(abs(color @ [0.2126, 0.7152, 0.0722] - 1) < 1e-9 for color in colors)


def test_drawn_lights_are_seeded_and_amount_scales_them() -> None:
    assert draw_light(np.random.default_rng(3)) == draw_light(np.random.default_rng(3))
    none = draw_light(np.random.default_rng(3), 0.0)
    quiet = replace(none, angle=0.0)
    assert np.allclose(quiet.gains, 1)
    assert (quiet.exposure, quiet.haze, quiet.side, quiet.contrast, quiet.saturation) == (
        *(0, 0, 0, 0),
        1,
    )
    exposures = [draw_light(np.random.default_rng(i)).exposure for i in range(300)]
    assert min(exposures) < -2.6
    assert max(exposures) > 0.6


def test_composite_and_target_differ_on_the_person_alone() -> None:
    mask = disc_mask(128, 128)
    scene = np.asarray(cv2.resize(coffee(), (128, 128)))
    kinds, elsewhere = set(), 0
    for seed in range(40):
        made, real = make_scene_light(photo(), mask, seed, scene)
        assert np.array_equal(made.image[~made.mask], real[~made.mask])
        kinds.add(made.parameters["own"]["person"])
        elsewhere += made.parameters["other_scene"]
        again, same = make_scene_light(photo(), mask, seed, scene)
        assert np.array_equal(again.image, made.image)
        assert np.array_equal(same, real)
    assert kinds == {"kept", "milder", "recolored"}
    assert 10 < elsewhere < 30


def test_traces_leave_the_two_pictures_of_one_size_and_alike() -> None:
    composite = photo(160)
    real = np.clip(composite + 20.0, 0, 255).astype(np.uint8)
    sizes = set()
    for seed in range(30):
        one, other = traces([composite, real], np.random.default_rng(seed), 96)
        sizes.add((one.shape, other.shape))
        assert abs((other.astype(float) - one).mean() - 18) < 4
    assert sizes == {((96, 96, 3), (96, 96, 3))}


@pytest.mark.parametrize("seed", range(len(LIGHTS)))
def test_the_benchmark_lights_person_and_background_alike(seed: int) -> None:
    made = paste(photo(), disc_mask(128, 128), coffee(), [1, seed])
    assert made.light in LIGHTS
    assert np.array_equal(made.composite[~made.mask], made.real[~made.mask])
    assert np.array_equal(made.composite[made.mask], photo()[made.mask])
    assert np.abs(made.composite[made.mask].astype(int) - made.real[made.mask]).mean() > 3
    again = paste(photo(), disc_mask(128, 128), coffee(), [1, seed])
    assert np.array_equal(again.real, made.real)


def test_a_scene_covers() -> None:
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = 255
    assert covering(wide, 50, 50).mean() == 255


def test_a_backdrop_is_plain_and_a_scene_is_not() -> None:
    photo, mask = np.asarray(astronaut()[:256, :256]), disc_mask(256, 256)
    backdrops = [draw_backdrop(256, np.random.default_rng(seed)) for seed in range(20)]
    assert len({int(b.mean()) for b in backdrops}) > 10
    plain = [is_plain(np.where(mask[..., None] > 0.5, photo, b), mask) for b in backdrops]
    assert sum(plain) >= 18
    assert not is_plain(np.asarray(coffee()[:256, :256]), mask)
    assert not is_plain(backdrops[0], np.full_like(mask, 255))  # nothing is to be seen of it
