"""The objective (section 4.4, eq. 13 to 15), each term a function of its own.

All take ``predicted`` and ``real``, RGB in [0, 1], (B, 3, H, W), and return one value an image,
(B,): the mean over a batch is then the same however the batch is split over processes.
"""

from collections.abc import Callable

import torch
from torch import Tensor

TINY = 1e-12  # under square roots: their gradient at zero is infinite


def psnr_loss(predicted: Tensor, real: Tensor) -> Tensor:
    """L_PSNR = 100 / log10(max(I) / ||predicted - real||) (eq. 13).

    The norm is read as the root of the mean squared error, so that the logarithm is a
    twentieth of the PSNR with the target's maximum as its peak. The error is held below
    0.9 of the peak: the logarithm would otherwise reach zero and change its sign.
    """
    root = ((predicted - real).square().mean((1, 2, 3)) + TINY).sqrt()
    peak = real.amax((1, 2, 3)).clamp_min(1 / 255)
    return 100 / torch.log10((peak / root).clamp_min(1 / 0.9))


def fn_mse_loss(predicted: Tensor, real: Tensor, mask: Tensor, a_min: float = 100.0) -> Tensor:
    """Foreground-normalized MSE: ||predicted - real||^2 / max(A_min, sum of M) (eq. 14).

    The squared norm sums over all pixels and channels; outside the mask blending (eq. 1) has
    made the difference zero. ``mask`` is (B, 1, H, W); A_min is in pixels.
    """
    return (predicted - real).square().sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp_min(a_min)


def gradient_loss(predicted: Tensor, real: Tensor) -> Tensor:
    """L_G: the MSE of horizontal and of vertical differences, added; over the whole image."""
    error = predicted - real
    across = (error[..., :, 1:] - error[..., :, :-1]).square().mean((1, 2, 3))
    down = (error[..., 1:, :] - error[..., :-1, :]).square().mean((1, 2, 3))
    return across + down


def root_fmse_loss(predicted: Tensor, real: Tensor, mask: Tensor) -> Tensor:
    """Root of the foreground MSE (eq. 16); not in the paper, see docs/training.md."""
    error = ((predicted - real).square() * mask).sum((1, 2, 3))
    return (error / (3 * mask.sum((1, 2, 3))).clamp_min(1) + 1e-6).sqrt()


def released_psnr_loss(predicted: Tensor, real: Tensor) -> Tensor:
    """100 / PSNR in dB, peak 1: the term of the authors' trainer, see docs/training.md.

    A twentieth of :func:`psnr_loss` where the target reaches 1. The PSNR is held above 1 dB.
    """
    error = (predicted - real).square().mean((1, 2, 3)) + TINY
    return 100 / (-10 * torch.log10(error)).clamp_min(1.0)


def masked_gradient_l1(predicted: Tensor, real: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference of the gradients of both pictures' foregrounds, cut out."""
    error = (predicted - real) * mask
    across = (error[..., :, 1:] - error[..., :, :-1]).abs().mean((1, 2, 3))
    down = (error[..., 1:, :] - error[..., :-1, :]).abs().mean((1, 2, 3))
    return across + down


def objective(predicted: Tensor, real: Tensor, mask: Tensor, weights: dict[str, float]) -> Tensor:
    """Weighted sum of the terms named in ``weights`` (eq. 15), one value an image (B,)."""
    total = torch.zeros(predicted.shape[0], dtype=predicted.dtype, device=predicted.device)
    for name, weight in weights.items():
        if name not in TERMS:
            raise ValueError(f"loss: expected {', '.join(TERMS)}, got {name!r}")
        if weight:
            total = total + weight * TERMS[name](predicted, real, mask)
    return total


Term = Callable[[Tensor, Tensor, Tensor], Tensor]  # of prediction, photo and mask, each (B, ...)
TERMS: dict[str, Term] = {
    "psnr": lambda predicted, real, _: psnr_loss(predicted, real),
    "fn_mse": fn_mse_loss,
    "gradient": lambda predicted, real, _: gradient_loss(predicted, real),
    "root_fmse": root_fmse_loss,
    "released_psnr": lambda predicted, real, _: released_psnr_loss(predicted, real),
    "gradient_l1": masked_gradient_l1,
}
