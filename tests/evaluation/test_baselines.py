"""The classical methods do what each promises: moments, marginals, edges, details."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data, exposure

from phnet.errors import BadImage, BadMask
from phnet.evaluation import baselines, color_transfer
from phnet.evaluation.baselines import METHODS
from phnet.evaluation.color_transfer import Points

FIXTURES = Path(__file__).parents[1] / "fixtures"
CLASSICAL = ("reinhard", "mk", "idt", "histogram", "poisson", "multiscale")


@pytest.fixture(scope="module")
def composite() -> np.ndarray:
    """A darkened, bluish person (a disc) over a photo; uint8 (96, 128, 3)."""
    photo = data.astronaut()[10:202:2, 120:376:2]
    pasted = photo * np.array([0.4, 0.5, 0.7])
    return np.where(disc()[..., None] > 0, pasted, photo).astype(np.uint8)


def disc() -> np.ndarray:
    mask = np.zeros((96, 128), np.float32)
    cv2.circle(mask, (60, 48), 30, 1, -1)
    return mask


@pytest.fixture
def clouds() -> tuple[Points, Points]:
    """Two clouds of colors, weighted unequally."""
    rng = np.random.default_rng(3)
    source = 0.5 + 0.1 * rng.normal(size=(400, 3)) @ [[1, 0.6, 0.2], [0, 0.7, 0.3], [0, 0, 0.5]]
    target = 0.3 + 0.1 * rng.uniform(-1, 2, (600, 3)) @ [[1, -0.4, 0], [0, 0.4, 0], [0, 0, 1]]
    return Points(source, rng.uniform(0.1, 1, 400)), Points(target, rng.uniform(0.1, 1, 600))


def test_moments_by_hand() -> None:
    points = Points(np.array([[0.0, 1], [4, 1]]), np.array([3.0, 1]))
    mean, covariance = points.moments()
    assert mean == pytest.approx([1, 1])
    assert covariance == pytest.approx(np.array([[3, 0], [0, 0]]))


def test_reinhard_gives_the_targets_means_and_deviations(clouds: tuple[Points, Points]) -> None:
    source, target = clouds
    mapped = color_transfer.reinhard_map(source.values, source, target)
    mean, covariance = Points(mapped, source.weights).moments()
    mean_t, covariance_t = target.moments()
    assert mean == pytest.approx(mean_t, abs=1e-9)
    assert np.diag(covariance) == pytest.approx(np.diag(covariance_t), rel=1e-3)


def test_reinhard_on_a_picture_has_the_backgrounds_moments_in_lab() -> None:
    # gray, so that nothing leaves the gamut on the way back from Lab
    gray = np.random.default_rng(0).uniform(0.3, 0.7, (40, 40, 1)).astype(np.float32)
    mask = np.zeros((40, 40), np.float32)
    mask[8:30, 5:25] = 1
    image = np.repeat(np.where(mask[..., None] > 0, gray * 0.5 + 0.1, gray), 3, -1)
    result = cv2.cvtColor(baselines.reinhard(image, mask), cv2.COLOR_RGB2LAB)[..., 0]
    before = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[..., 0]
    assert abs(before[mask > 0].mean() - before[mask == 0].mean()) > 15
    assert result[mask > 0].mean() == pytest.approx(before[mask == 0].mean(), abs=0.15)
    assert result[mask > 0].std() == pytest.approx(before[mask == 0].std(), rel=0.01)


def test_monge_kantorovich_gives_the_targets_covariance(clouds: tuple[Points, Points]) -> None:
    source, target = clouds
    mapped = color_transfer.monge_kantorovich_map(source.values, source, target)
    mean, covariance = Points(mapped, source.weights).moments()
    mean_t, covariance_t = target.moments()
    assert mean == pytest.approx(mean_t, abs=1e-9)
    assert covariance == pytest.approx(covariance_t, abs=1e-5)


def test_monge_kantorovich_equals_color_matcher() -> None:
    stored = np.load(FIXTURES / "color_matcher.npz")  # what color-matcher 0.6.0's "mkl" gave
    weights = np.ones(len(stored["source"]))
    source, target = Points(stored["source"], weights), Points(stored["target"], weights)
    mapped = color_transfer.monge_kantorovich_map(source.values, source, target)
    assert mapped == pytest.approx(stored["mkl"], abs=1e-4)


def test_histogram_equals_scikit_image(composite: np.ndarray) -> None:
    inside = disc() > 0
    expected = exposure.match_histograms(
        composite[inside][:, None].astype(float),
        composite[~inside][:, None].astype(float),
        channel_axis=-1,
    )
    result = baselines.histogram(composite.astype(np.float32) / 255, disc())
    assert result[inside] * 255 == pytest.approx(expected[:, 0], abs=1e-3)


def quantiles(points: Points, channel: int) -> np.ndarray:
    order = np.argsort(points.values[:, channel])
    share = np.cumsum(points.weights[order]) / points.weights.sum()
    return np.interp(np.linspace(0.05, 0.95, 19), share, points.values[order, channel])


def test_idt_gives_the_targets_marginals_and_correlations(clouds: tuple[Points, Points]) -> None:
    source, target = clouds
    mapped = Points(color_transfer.idt_map(source.values, source, target), source.weights)
    for channel in range(3):
        assert quantiles(mapped, channel) == pytest.approx(quantiles(target, channel), abs=0.004)
    # also along a diagonal, which matching each channel alone does not give
    ones = np.full((3, 1), 3**-0.5)
    alone = Points(
        color_transfer.histogram_map(source.values, source, target) @ ones, source.weights
    )
    along = Points(mapped.values @ ones, mapped.weights)
    expected = quantiles(Points(target.values @ ones, target.weights), 0)
    worst = np.abs(quantiles(along, 0) - expected).max()
    assert worst < 0.015
    assert worst < np.abs(quantiles(alone, 0) - expected).max() / 2


def test_poisson_keeps_gradients_and_meets_the_scene_at_the_edge() -> None:
    scene = np.broadcast_to(np.float32(0.5), (60, 60, 3)).copy()
    mask = np.zeros((60, 60), np.float32)
    mask[15:45, 15:45] = 1
    pasted = np.where(mask[..., None] > 0, np.float32(0.1), scene).astype(np.float32)
    pasted[25:35, 25:35] += 0.2  # a detail
    result = baselines.poisson(pasted, mask)
    detail = result[30, 30] - result[18, 18]
    assert result[16, 16] == pytest.approx(0.5, abs=0.02)
    assert detail == pytest.approx(0.2, abs=0.03)


def test_multiscale_brings_contrast_and_level_to_the_scene() -> None:
    rng = np.random.default_rng(1)
    grain = rng.normal(0, 1, (80, 80, 1)).astype(np.float32) * np.ones(3, np.float32)
    mask = np.zeros((80, 80), np.float32)
    mask[20:60, 20:60] = 1
    image = np.where(mask[..., None] > 0, 0.3 + 0.03 * grain, 0.6 + 0.05 * grain)
    image = np.clip(image, 0, 1).astype(np.float32)
    result = baselines.multiscale(image, mask)
    inside, outside = result[mask > 0], image[mask == 0]
    assert inside.mean() == pytest.approx(outside.mean(), abs=0.02)
    assert inside.std() == pytest.approx(outside.std(), rel=0.2)
    # the details are still those of the foreground
    assert np.corrcoef(inside[:, 0], image[mask > 0][:, 0])[0, 1] > 0.95


@pytest.mark.parametrize("name", CLASSICAL)
def test_background_comes_back_bit_for_bit(name: str, composite: np.ndarray) -> None:
    mask = cv2.GaussianBlur(disc(), (9, 9), 2)
    outside = mask == 0
    for pixels in (composite, composite.astype(np.uint16) * 257, composite / np.float32(255)):
        result = METHODS[name].harmonize(pixels, mask)
        assert result.dtype == pixels.dtype
        assert result.shape == pixels.shape
        assert np.array_equal(result[outside], pixels[outside])
        assert np.abs(result[48, 60].astype(float) - pixels[48, 60]).max() > 0


@pytest.mark.parametrize("name", CLASSICAL)
def test_what_may_come_gives_finite_pictures(name: str) -> None:
    flat = np.full((40, 50, 3), 0.5, np.float32)
    pixel, nearly_full = np.zeros((40, 50), np.float32), np.ones((40, 50), np.float32)
    pixel[20, 20] = 1
    nearly_full[0, 0] = 0
    for mask in (pixel, nearly_full, np.full((40, 50), 0.2, np.float32)):
        result = METHODS[name].harmonize(flat, mask)
        assert np.isfinite(result).all()
        assert result == pytest.approx(flat, abs=0.01)


def test_without_a_background_nothing_changes(composite: np.ndarray) -> None:
    full = np.ones((96, 128), bool)
    assert np.array_equal(METHODS["mk"].harmonize(composite, full), composite)


def test_types_are_those_of_a_harmonizer(tmp_path: Path, composite: np.ndarray) -> None:
    mask = (disc() * 255).astype(np.uint8)
    expected = METHODS["mk"].harmonize(composite, mask)
    Image.fromarray(composite).save(tmp_path / "c.png")
    Image.fromarray(mask).save(tmp_path / "m.png")
    from_path = METHODS["mk"].harmonize(str(tmp_path / "c.png"), tmp_path / "m.png")
    assert np.array_equal(np.asarray(from_path), expected)
    image = Image.fromarray(composite).convert("RGBA")
    from_image = METHODS["mk"].harmonize(image, Image.fromarray(mask))
    assert from_image.mode == "RGBA"
    assert np.array_equal(np.asarray(from_image)[..., :3], expected)
    assert np.array_equal(METHODS["composite"].harmonize(composite, mask), composite)
    half = METHODS["mk"].harmonize(composite, mask, strength=0.5)
    assert np.abs(half - (composite / 2 + expected / 2)).max() <= 1


def test_bad_input_is_refused(composite: np.ndarray) -> None:
    with pytest.raises(BadMask, match="empty"):
        METHODS["idt"].harmonize(composite, np.zeros((96, 128), np.uint8))
    with pytest.raises(BadImage, match="got int"):
        METHODS["idt"].harmonize(3, disc())
