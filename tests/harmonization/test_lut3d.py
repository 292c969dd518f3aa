"""The table of colors: its entries are fits of what is near, and its file holds them."""

from pathlib import Path

import numpy as np
import pytest

from phnet.harmonization.affine_fit import affine_fit, smooth, unblend
from phnet.harmonization.color_map import ColorMap
from phnet.harmonization.lut3d import RIDGE, SIGMA, Lut, fit_lut
from tests.harmonization.test_lift import GAIN, OFFSET, scene, small_pair


@pytest.fixture(scope="module")
def lut() -> Lut:
    return fit_lut(*small_pair(*scene(128)))


def test_an_affine_change_of_colors_is_found(lut: Lut) -> None:
    """Entries that the foreground is near; beyond, the table is only an extrapolation."""
    entries = np.array([[6, 6, 8], [8, 9, 12], [10, 7, 6]])
    expected = entries / 16 * GAIN + OFFSET
    np.testing.assert_allclose(lut.table[tuple(entries.T)], expected, atol=0.005)


@pytest.mark.parametrize(("strength", "threads"), [(1.0, 1), (0.4, 2), (0.0, 1)])
def test_8_bits_by_pillow_differ_by_a_level_at_most(strength: float, threads: int) -> None:
    rng = np.random.default_rng(0)
    ticks = np.linspace(0, 1, 17, dtype=np.float32)
    table = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), -1)
    table = table[..., [1, 2, 0]] ** 1.3 * np.float32(0.9)  # each channel from another
    lut = Lut(table)
    pixels = rng.integers(0, 256, (500, 400, 3), np.uint8)  # more than a strip
    mask = np.clip(rng.normal(0.5, 0.5, (500, 400)), 0, 1).astype(np.float32)
    mask[:40] = mask[-30:] = 0
    fast = lut.apply(pixels, mask, strength, threads)
    exact = ColorMap.apply(lut, pixels, mask, strength)
    assert np.abs(fast.astype(int) - exact).max() <= 1
    assert np.array_equal(fast[mask == 0], pixels[mask == 0])
    assert strength == 0 or np.abs(fast.astype(int) - pixels).max() > 50
    nothing = np.zeros_like(mask)
    assert np.array_equal(lut.apply(pixels, nothing), pixels)


def test_entries_are_weighted_least_squares() -> None:
    """Entry by entry, from the definition: a Gaussian of the distance, and a ridge."""
    rng = np.random.default_rng(0)
    composite, result = rng.uniform(0.2, 0.8, (2, 40, 40, 3)).astype(np.float32)
    mask = rng.uniform(0.5, 1, (40, 40)).astype(np.float32)
    predicted, weight = unblend(composite, result, mask)
    whole = affine_fit(composite, predicted, weight)
    x, y = (np.reshape(planes, (3, -1)).T for planes in smooth([composite, predicted], weight))
    x, w = np.column_stack([x, np.ones(1600)]), weight.ravel()
    table = fit_lut(composite, result, mask, size=5).table
    for entry in np.ndindex(5, 5, 5):
        place = np.append(np.array(entry) / 4, 1)
        near = w * np.exp(-((x - place) ** 2).sum(1) / (2 * SIGMA**2))
        ridge = RIDGE * w.sum() * np.eye(4)
        slopes = np.linalg.solve((x.T * near) @ x + ridge, (x.T * near) @ y + ridge @ whole)
        expected = np.clip(place @ slopes, 0, 1)
        np.testing.assert_allclose(table[entry], expected, atol=2e-5)


def test_an_empty_mask_gives_the_identity() -> None:
    image, mask = scene(64)
    table = fit_lut(image, image, mask * 0).table
    ticks = np.linspace(0, 1, 17)
    expected = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), -1)
    np.testing.assert_allclose(table, expected, atol=1e-6)


def test_a_cube_file_holds_the_table_with_red_fastest(lut: Lut, tmp_path: Path) -> None:
    lut.write_cube(tmp_path / "look.cube", "look")
    lines = (tmp_path / "look.cube").read_text().splitlines()
    assert lines[:2] == ['TITLE "look"', "LUT_3D_SIZE 17"]
    rows = np.array([[float(v) for v in line.split()] for line in lines[4:]])
    assert rows.shape == (17**3, 3)
    np.testing.assert_allclose(rows[5 + 17 * 3 + 289 * 2], lut.table[5, 3, 2], atol=1e-6)
