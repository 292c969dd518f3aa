"""The objective against values worked by hand."""

import math

import pytest
import torch

from phnet.training.losses import (
    fn_mse_loss,
    gradient_loss,
    masked_gradient_l1,
    objective,
    psnr_loss,
    released_psnr_loss,
    root_fmse_loss,
)


def test_psnr_loss_by_hand() -> None:
    # max(I) = 1, root mean squared error 0.1 everywhere: log10(1 / 0.1) = 1, so the loss is 100.
    real = torch.full((1, 3, 4, 4), 0.5)
    real[..., 0, 0] = 1.0
    assert psnr_loss(real - 0.1, real).item() == pytest.approx(100.0, rel=1e-5)
    # Peak 0.5, error 0.005: log10(100) = 2.
    real = torch.full((1, 3, 4, 4), 0.5)
    assert psnr_loss(real + 0.005, real).item() == pytest.approx(50.0, rel=1e-4)


def test_psnr_loss_is_finite_at_both_ends() -> None:
    real = torch.zeros(2, 3, 4, 4)
    for predicted in (real.clone(), real + 1):
        predicted.requires_grad_(True)
        loss = psnr_loss(predicted, real)
        loss.sum().backward()
        assert loss.isfinite().all()
        assert predicted.grad is not None
        assert predicted.grad.isfinite().all()


def test_fn_mse_by_hand() -> None:
    # 4 of 16*16 pixels are off by 0.5 in 3 channels: 4 * 3 * 0.25 = 3; the mask has 4 pixels,
    # fewer than A_min, so the loss is 3 / 100.
    real = torch.zeros(1, 3, 16, 16)
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., :2, :2] = 1
    assert fn_mse_loss(real + 0.5 * mask, real, mask).item() == pytest.approx(0.03)
    # All 256 pixels off: 256 * 3 * 0.25 / 256.
    assert fn_mse_loss(real + 0.5, real, torch.ones_like(mask)).item() == pytest.approx(0.75)


def test_gradient_loss_by_hand() -> None:
    # A single wrong pixel in the middle of 5x5, off by 1 in one of 3 channels: two differences
    # across (of 3 * 5 * 4) and two down are 1 or -1.
    real = torch.zeros(1, 3, 5, 5)
    wrong = real.clone()
    wrong[0, 0, 2, 2] = 1
    assert gradient_loss(wrong, real).item() == pytest.approx(2 / 60 + 2 / 60)
    assert gradient_loss(real + 0.3, real).item() == pytest.approx(0.0)


def test_root_fmse_by_hand() -> None:
    real = torch.zeros(1, 3, 4, 4)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2, :] = 1
    assert root_fmse_loss(real + 0.2 * mask, real, mask).item() == pytest.approx(
        math.sqrt(0.04 + 1e-6), rel=1e-5
    )


def test_objective_is_the_weighted_sum() -> None:
    torch.manual_seed(0)
    predicted, real, mask = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), torch.ones(2, 1, 8, 8)
    weights = {"psnr": 0.2, "fn_mse": 0.01, "gradient": 0.01}
    expected = (
        0.2 * psnr_loss(predicted, real)
        + 0.01 * fn_mse_loss(predicted, real, mask)
        + 0.01 * gradient_loss(predicted, real)
    )
    torch.testing.assert_close(objective(predicted, real, mask, weights), expected)
    with pytest.raises(ValueError, match="ssim"):
        objective(predicted, real, mask, {"ssim": 1.0})


def test_the_released_terms_by_hand() -> None:
    # Off by 0.1 everywhere: 20 dB with peak 1, so 100 / 20.
    real = torch.full((1, 3, 4, 4), 0.5)
    assert released_psnr_loss(real - 0.1, real).item() == pytest.approx(5.0, rel=1e-5)
    assert released_psnr_loss(real + 1, real).isfinite().all()
    # The foreground is one pixel in the middle of 5x5, off by -0.5 in one channel: two differences
    # across (of 3 * 5 * 4) and two down of 0.5; what is outside does not count.
    real, mask = torch.zeros(1, 3, 5, 5), torch.zeros(1, 1, 5, 5)
    mask[..., 2, 2] = 1
    wrong = torch.rand(1, 3, 5, 5) * (1 - mask)
    wrong[0, 0, 2, 2] = -0.5
    assert masked_gradient_l1(wrong, real, mask).item() == pytest.approx(1 / 60 + 1 / 60)
