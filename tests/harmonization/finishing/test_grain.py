"""Grain: measured by level, size and color, and matched without ever adding too much."""

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from phnet.harmonization.finishing.block_traces import (
    quality_for,
    scene_steps,
    steps_of,
    through_jpeg,
)
from phnet.harmonization.finishing.grain import match_grain, noise_rows
from phnet.harmonization.finishing.noise_level import COARSE, OPPONENT, measure_noise
from phnet.images.arrays import Floats, Pixels
from tests.conftest import disc_mask

SIZE = (320, 400)


def slope() -> Floats:
    """A smooth picture of all brightnesses, (H, W, 3)."""
    across = np.linspace(0.1, 0.85, SIZE[1], dtype=np.float32)
    return np.asarray(np.tile(across[None, :, None], (SIZE[0], 1, 3)), np.float32)


def noise(size: float, seed: int) -> Floats:
    return np.dstack([noise_rows(slice(0, SIZE[0]), SIZE[1], size, seed, c) for c in range(3)])


def mask() -> Floats:
    made = np.zeros(SIZE, np.float32)
    made[60:260, 20:380] = 1
    return np.asarray(cv2.GaussianBlur(made, (0, 0), 1.5).round(3), np.float32)


def paste(person: Floats, scene: Floats, dtype: str = "uint8") -> Pixels:
    share = mask()[..., None]
    mixed = np.clip(share * person + (1 - share) * scene, 0, 1)
    scale = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    return mixed if scale == 1 else np.rint(mixed * scale).astype(dtype)


@pytest.mark.parametrize("size", [0.0, 0.6, 1.0])
def test_level_size_and_color_are_measured(size: float) -> None:
    found = measure_noise(slope() + 0.02 * noise(size, 1), np.ones(SIZE, bool))
    assert found is not None
    expected = 0.02 * np.sqrt((OPPONENT**2).sum(1))
    np.testing.assert_allclose(np.median(found.sigmas, 1), expected, rtol=0.15)
    np.testing.assert_allclose(found.grain, size, atol=0.3 if size == 0 else 0.22)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_clean_person_gets_the_noise_of_the_scene_at_each_brightness(dtype: str) -> None:
    clean = slope()
    curve = 0.03 * np.sqrt(0.2 + 1.2 * clean)
    given = paste(clean, clean + curve * noise(0.7, 1), dtype)
    made = match_grain(given, mask())
    assert made.dtype == given.dtype
    np.testing.assert_array_equal(made[mask() == 0], given[mask() == 0])
    scale = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    off = made / np.float32(scale) - clean
    inside = mask() > 0.99
    for low in (0.2, 0.4, 0.6):
        part = inside & (clean[..., 0] > low) & (clean[..., 0] < low + 0.15)
        assert off[part].std() == pytest.approx(float(curve[part].mean()), rel=0.2)


def test_a_person_with_more_is_never_given_more() -> None:
    given = paste(slope() + 0.03 * noise(0.5, 1), slope() + 0.01 * noise(0.5, 2))
    made = match_grain(given, mask())
    inside = mask() > 0.99
    before, after = ((p / 255 - slope())[inside].std() for p in (given, made))
    assert 0.6 * before < after < before  # a little less: not plastic


def test_grain_is_the_same_however_the_picture_is_cut_and_worked_on() -> None:
    whole = noise_rows(slice(0, 600), 50, 0.8, 7, 1)
    np.testing.assert_allclose(
        noise_rows(slice(250, 300), 50, 0.8, 7, 1), whole[250:300], atol=1e-5
    )
    given = paste(slope(), slope() + 0.03 * noise(0, 1))
    one, two = match_grain(given, mask(), threads=1), match_grain(given, mask(), threads=2)
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, match_grain(given, mask(), seed=1))


def test_too_small_a_person_is_left_alone() -> None:
    picture = np.full((40, 40, 3), 100, np.uint8)
    small = np.zeros((40, 40), np.float32)
    small[20:24, 20:24] = 1
    np.testing.assert_array_equal(match_grain(picture, small), picture)


def through(picture: Pixels, quality: int) -> Pixels:
    """Through a JPEG and back."""
    _, content = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))[..., ::-1]


@pytest.mark.parametrize("quality", [30, 60, 85])
def test_block_traces_are_found_and_given(quality: int) -> None:
    busy = np.rint(255 * np.clip(slope() + 0.05 * noise(1.0, 2), 0, 1)).astype(np.uint8)
    smooth = np.rint(255 * slope()).astype(np.uint8)
    blocky, everywhere, person = through(busy, quality), np.ones(SIZE, bool), mask()
    assert steps_of(busy, everywhere) is None
    found = steps_of(blocky, everywhere)
    assert found is not None
    assert abs(found.quality - quality) <= 2
    given = np.where(person[..., None] > 0, busy, blocky)
    wanted = quality_for(given, person, scene_steps(given, person))
    assert wanted is not None
    assert abs(wanted - quality) <= 2
    made = through_jpeg(given, person, wanted)
    np.testing.assert_array_equal(made[person == 0], given[person == 0])
    assert quality_for(made, person, scene_steps(made, person)) is None
    assert quality_for(busy, person, scene_steps(busy, person)) is None
    # A scene with little in it says nothing, and a person of other busyness is no reason.
    calm = np.where(person[..., None] > 0, busy, smooth)
    for picture in (calm, through(calm, quality), through(given, quality)):
        assert quality_for(picture, person, scene_steps(picture, person)) is None


def test_what_has_been_through_a_jpeg_as_a_whole_stays() -> None:
    photo, person = astronaut(), (disc_mask(512, 512) / 255).astype(np.float32)
    whole = through(photo, 60)
    steps = scene_steps(whole, person)
    assert steps is not None
    assert quality_for(whole, person, steps) is None


def test_a_texture_without_color_is_not_taken_for_grain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves are coarser in brightness than the noise is, which shows in the colors alone."""
    leaves = noise_rows(slice(0, SIZE[0]), SIZE[1], 1.6, 5, 0)[..., None]
    picture = slope() + 0.02 * leaves + 0.015 * noise(0.4, 1)
    everywhere = np.ones(SIZE, bool)
    found = measure_noise(picture, everywhere)
    assert found is not None
    expected = 0.015 / np.sqrt(3)  # brightness is the mean of three channels
    assert float(np.median(found.sigmas[0])) == pytest.approx(expected, rel=0.15)
    monkeypatch.setattr("phnet.harmonization.finishing.noise_level.COLORED", 1)  # cannot be told
    unaware = measure_noise(picture, everywhere)
    assert unaware is not None
    assert float(np.median(unaware.sigmas[0])) > 1.4 * expected


def test_coarse_noise_is_believed_where_the_colors_have_it_too() -> None:
    coarse = measure_noise(slope() + 0.03 * noise(0.93, 1), np.ones(SIZE, bool))
    gray = noise_rows(slice(0, SIZE[0]), SIZE[1], 0.93, 1, 0)[..., None]
    without_color = measure_noise(slope() + 0.03 * gray, np.ones(SIZE, bool))
    assert coarse is not None
    assert without_color is not None
    assert coarse.certain() is not None
    assert without_color.certain() is None


def denoised(colors: Floats) -> Floats:
    levels = np.rint(255 * np.clip(colors, 0, 1)).astype(np.uint8)
    return np.asarray(cv2.bilateralFilter(levels, 5, 25, 2), np.float32) / np.float32(255)


def sigma_and_likeness(off: Floats, inside: Pixels) -> tuple[float, float, float]:
    """The brightness's sigma, and how much it is like itself one and two pixels further."""
    plain = off.mean(-1)
    plain = (plain - cv2.GaussianBlur(plain, (0, 0), 4))[60:260, 20:380]
    assert inside[70:250, 30:370].all()
    variance = float((plain**2).mean())
    one, two = ((plain[:, k:] * plain[:, :-k]).mean() / variance for k in (1, 2))
    return float(np.sqrt(variance)), float(one), float(two)


@pytest.mark.parametrize("level", [0.025, 0.04])
def test_what_a_denoiser_leaves_is_matched_in_level_and_size(level: float) -> None:
    """A part of it is coarse, which one grain alone would not show."""
    clean = slope()
    left = denoised(clean + level * noise(0.6, 1))
    made = match_grain(paste(clean, left), mask())
    inside = mask() > 0.99
    found = sigma_and_likeness(made / np.float32(255) - clean, inside)
    expected = sigma_and_likeness(left - clean, inside)
    assert found[0] == pytest.approx(expected[0], rel=0.15)
    assert found[1:] == pytest.approx(expected[1:], abs=0.12)


def test_a_person_with_more_than_a_denoised_scene_is_never_given_more() -> None:
    left = denoised(slope() + 0.025 * noise(0.6, 1))
    given = paste(slope() + 0.025 * noise(0.8, 2), left)
    inside = mask() > 0.99
    before, after = ((p / 255 - slope())[inside].std() for p in (given, match_grain(given, mask())))
    assert after < 1.02 * before


def test_the_share_of_a_coarse_grain_is_found() -> None:
    both = np.sqrt(0.6) * noise(0.5, 1) + np.sqrt(0.4) * noise(COARSE, 2)
    bright = both.mean(-1, keepdims=True)  # the colors are coarser, as after a JPEG
    both = bright + 1.5 * cv2.GaussianBlur(both - bright, (0, 0), 0.6)
    found = measure_noise(slope() + 0.03 * both, np.ones(SIZE, bool))
    assert found is not None
    assert 0.25 < float(found.coarse[0]) < 0.55
    assert float(found.grain[0]) == pytest.approx(0.5, abs=0.1)
    assert float(np.median(found.sigmas[0])) == pytest.approx(0.03 / np.sqrt(3), rel=0.1)
    plain = measure_noise(slope() + 0.03 * noise(0.5, 1), np.ones(SIZE, bool))
    assert plain is not None
    assert float(plain.coarse[0]) < 0.1
