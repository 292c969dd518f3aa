"""Means and variances under a mask, of the whole and of patches, their transfer (eq. 2 to 4)."""

import torch
from torch import Tensor

from phnet.networks.statistics import membership

AREA_EPS = 1e-3  # a region of less than this many pixels has no statistics of its own


def masked_moments(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance and area of ``x`` where ``weight`` is on (eq. 2 and 3, left halves).

    Args:
        x: features, (B, C, H, W).
        weight: soft membership in [0, 1], (B, 1, H, W).

    Returns:
        mean (B, C, 1, 1), biased variance (B, C, 1, 1), area in pixels (B, 1, 1, 1).

    Deviation: the paper divides by all N pixels of the canvas, zeros included; here sums run
    over the mask's pixels, so that statistics do not depend on how large the person is.
    """
    area = weight.sum((2, 3), keepdim=True)  # (B, 1, 1, 1)
    safe = area.clamp_min(AREA_EPS)
    mean = (x * weight).sum((2, 3), keepdim=True) / safe  # (B, C, 1, 1)
    variance = ((x - mean).square() * weight).sum((2, 3), keepdim=True) / safe
    return mean, variance, area


def foreground_background_moments(x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
    """Moments of foreground and background (eq. 2, 3); an empty side takes the other's.

    Returns:
        mean_fg, variance_fg, mean_bg, variance_bg, each (B, C, 1, 1). With a full mask both
        sides are equal, and a global transfer between them is the identity.
    """
    mean_fg, var_fg, area_fg = masked_moments(x, mask)
    mean_bg, var_bg, area_bg = masked_moments(x, 1 - mask)
    no_fg, no_bg = area_fg < AREA_EPS, area_bg < AREA_EPS
    return (
        torch.where(no_fg, mean_bg, mean_fg),
        torch.where(no_fg, var_bg, var_fg),
        torch.where(no_bg, mean_fg, mean_bg),
        torch.where(no_bg, var_fg, var_bg),
    )


def patch_moments(
    x: Tensor, weight: Tensor, grid: int, mean: Tensor, variance: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and variance within each patch p(I, i) (eq. 2 and 4, right halves).

    Sums over patches are two small matrix products with one-hot membership, ``R @ x @ C^T``.

    Args:
        x: features, (B, C, H, W).
        weight: where ``x`` counts, (B, 1, H, W).
        grid: patches along each side.
        mean: global mean (B, C, 1, 1), for patches in which ``weight`` is nowhere on.
        variance: global variance, likewise.

    Returns:
        mean and biased variance, each (B, C, P).
    """
    rows = membership(x.shape[2], grid, x)  # (g, H)
    columns = membership(x.shape[3], grid, x).T  # (W, g)
    centered = x - mean  # shifted by the global mean: E[d^2] - E[d]^2 stays accurate
    area = rows @ weight @ columns  # (B, 1, g, g)
    safe = area.clamp_min(AREA_EPS)
    first = rows @ (centered * weight) @ columns / safe  # (B, C, g, g)
    second = rows @ (centered.square() * weight) @ columns / safe
    empty = area < AREA_EPS
    patch_mean = mean + torch.where(empty, torch.zeros_like(first), first)
    patch_variance = torch.where(empty, variance, (second - first.square()).clamp_min(0))
    return patch_mean.flatten(2), patch_variance.flatten(2)


def transfer(x: Tensor, mean: Tensor, std: Tensor, new_mean: Tensor, new_std: Tensor) -> Tensor:
    """Give ``x`` another mean and deviation (the form of eq. 5, 8 and 9)."""
    return (x - mean) * (new_std / std) + new_mean
