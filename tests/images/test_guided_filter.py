"""The algebra of local fits against NumPy's own."""

import numpy as np

from phnet.images.guided_filter import PLACES, guided_filter, solve


def test_solutions_are_those_of_matrices() -> None:
    rng = np.random.default_rng(0)
    half = rng.normal(size=(5, 3, 3))
    matrices, vectors = half @ half.transpose(0, 2, 1) + np.eye(3), rng.normal(size=(2, 5, 3))
    planes = {(i, j): matrices[:, i, j] for i, j in PLACES}
    for vector, got in zip(vectors, solve(planes, *vectors.transpose(0, 2, 1)), strict=True):
        np.testing.assert_allclose(
            np.stack(got, 1), np.linalg.solve(matrices, vector[..., None])[..., 0]
        )


def test_a_guided_fit_is_ridge_regression() -> None:
    """With one window that holds everything."""
    rng = np.random.default_rng(0)
    guide, target = rng.random((3, 50)), rng.random(50)
    slopes = guided_filter(np.mean, guide, target, 0.01)
    centered = guide - guide.mean(1, keepdims=True)
    left = centered @ centered.T / 50 + 0.01 * np.eye(3)
    expected = np.linalg.solve(left, centered @ target / 50)
    np.testing.assert_allclose(slopes[:3], expected)
    np.testing.assert_allclose(slopes[3], target.mean() - expected @ guide.mean(1))
