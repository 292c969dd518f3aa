"""Maps that give colors the moments or the distribution of other colors.

Each map takes the colors to change, (N, D), what they are part of, and what they should look
like; the last two as :class:`Points`, which carry how much each color counts.
"""

from dataclasses import dataclass

import numpy as np

from phnet.images.arrays import Doubles, Floats

TINY = 1e-6  # added to variances of values in [0, 1] before dividing by them
IDT_ROUNDS = 20
IDT_POINTS = 1 << 14  # of each cloud, evenly spaced: enough for the quantiles of a picture
IDT_KNOTS = np.linspace(0, 1, 1025)


@dataclass(frozen=True)
class Points:
    """Colors (N, D) and how much each counts (N,)."""

    values: Doubles
    weights: Doubles

    def moments(self) -> tuple[Doubles, Doubles]:
        """Mean (D,) and covariance (D, D)."""
        share = self.weights / self.weights.sum()
        mean = share @ self.values
        centered = self.values - mean
        return mean, (centered * share[:, None]).T @ centered


def weighted(image: Floats, weight: Floats) -> Points:
    """The pixels of (H, W, D) that ``weight`` (H, W) counts at all."""
    kept = weight > 0
    return Points(image[kept].astype(np.float64), weight[kept].astype(np.float64))


# -- maps of colors, each from what it should change and what it should look like ---------


def reinhard_map(values: Doubles, source: Points, target: Points) -> Doubles:
    """Give each channel the target's mean and deviation.

    Args:
        values: (N, D), the colors to map.
        source: what they are part of.
        target: what they should look like.

    Source: Reinhard et al., "Color transfer between images", 2001, in whatever space the values
    are.
    """
    mean_s, covariance_s = source.moments()
    mean_t, covariance_t = target.moments()
    gain = np.sqrt((np.diag(covariance_t) + TINY) / (np.diag(covariance_s) + TINY))
    return (values - mean_s) * gain + mean_t


def monge_kantorovich_map(values: Doubles, source: Points, target: Points) -> Doubles:
    """Give the colors the target's mean and covariance, moving them as little as possible.

    With covariances S and T the matrix is S^(-1/2) (S^(1/2) T S^(1/2))^(1/2) S^(-1/2).
    Arguments as in :func:`reinhard_map`. Source: Pitié and Kokaram, "The linear
    Monge-Kantorovitch linear color mapping", 2007.
    """
    mean_s, covariance_s = source.moments()
    mean_t, covariance_t = target.moments()
    ridge = TINY * np.eye(len(mean_s))
    root, inverse = _root(covariance_s + ridge)
    middle, _ = _root(root @ (covariance_t + ridge) @ root)
    return (values - mean_s) @ (inverse @ middle @ inverse) + mean_t


def _root(matrix: Doubles) -> tuple[Doubles, Doubles]:
    """The square root of a symmetric positive matrix, and its inverse."""
    values, vectors = np.linalg.eigh(matrix)
    root = np.sqrt(np.maximum(values, 1e-12))
    return (vectors * root) @ vectors.T, (vectors / root) @ vectors.T


def match_quantiles(values: Doubles, source: Points, target: Points) -> Doubles:
    """Give one channel the target's distribution, as skimage.exposure.match_histograms does.

    Args:
        values: (N,).
        source: what they are part of, (M, 1).
        target: what they should look like, (K, 1).
    """
    levels_s, ranks_s = _ranks(source)
    levels_t, ranks_t = _ranks(target)
    matched = np.interp(np.interp(values, levels_s, ranks_s), ranks_t, levels_t)
    return np.asarray(matched, np.float64)


def _ranks(points: Points) -> tuple[Doubles, Doubles]:
    """The values that occur, ascending, and the share of weight up to and with each."""
    order = np.argsort(points.values[:, 0], kind="stable")
    ordered = points.values[order, 0]
    total = np.cumsum(points.weights[order])
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    return ordered[last], total[last] / total[-1]


def histogram_map(values: Doubles, source: Points, target: Points) -> Doubles:
    """Give each channel the target's distribution; arguments as in :func:`reinhard_map`."""
    channels = [
        match_quantiles(values[:, i], _channel(source, i), _channel(target, i))
        for i in range(values.shape[1])
    ]
    return np.stack(channels, 1)


def _channel(points: Points, index: int) -> Points:
    return Points(points.values[:, index : index + 1], points.weights)


def idt_map(values: Doubles, source: Points, target: Points, rounds: int = IDT_ROUNDS) -> Doubles:
    """N-dimensional transfer: distributions are matched along axes that turn each round.

    Without the smoothing of grain that its authors propose to follow. Arguments as in
    :func:`reinhard_map`. Source: Pitié, Kokaram and Dahyot, "N-dimensional probability density
    function transfer", 2005.
    """
    rng = np.random.default_rng(0)
    source, target = _thinned(source), _thinned(target)
    moved, shape = values, source.values
    for turn in range(rounds):
        # The last round is along the channels themselves, so that these match best.
        random = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        axes = np.eye(3) if turn == rounds - 1 else random
        along, along_source, along_target = moved @ axes, shape @ axes, target.values @ axes
        for i in range(3):
            before = _knots(Points(along_source[:, i : i + 1], source.weights))
            after = _knots(Points(along_target[:, i : i + 1], target.weights))
            along[:, i] = np.interp(along[:, i], before, after)
            along_source[:, i] = np.interp(along_source[:, i], before, after)
        moved, shape = along @ axes.T, along_source @ axes.T
    return moved


def _thinned(points: Points) -> Points:
    step = -(-len(points.weights) // IDT_POINTS)
    return Points(points.values[::step], points.weights[::step])


def _knots(points: Points) -> Doubles:
    """The quantiles of one channel at IDT_KNOTS, strictly ascending."""
    levels, ranks = _ranks(points)
    return np.interp(IDT_KNOTS, ranks, levels) + 1e-12 * np.arange(len(IDT_KNOTS))
