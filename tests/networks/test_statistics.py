"""The statistics branch: counted by NumPy, alike at all sizes, finite for every mask."""

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from phnet.networks import PHNet, PHNetConfig
from phnet.networks.statistics import (
    COLORS,
    GRID,
    QUANTILES,
    SHARPNESS,
    StatisticsBranch,
    color_statistics,
    sharpness_statistics,
    weighted_quantiles,
)

SMALL = PHNetConfig(widths=(3, 4, 6, 8, 8, 10, 12), output="field", shrink=2, statistics=True)


def picture(side: int) -> torch.Tensor:
    photo = torch.from_numpy(astronaut().transpose(2, 0, 1).copy())[None].float() / 255
    return torch.nn.functional.interpolate(photo, (side, side), mode="area")


def left_half(side: int) -> torch.Tensor:
    mask = torch.zeros(1, 1, side, side)
    mask[..., : side // 2] = 1
    return mask


def test_statistics_as_numpy_counts_them() -> None:
    image, mask = picture(GRID), left_half(GRID)
    found = color_statistics(image, mask)[0].numpy()
    assert found.shape == (COLORS,) == (103,)
    for start, columns in ((0, slice(0, 32)), (51, slice(32, 64))):
        rgb = image[0].numpy()[:, :, columns].reshape(3, -1)
        assert np.allclose(found[start : start + 3], rgb.mean(1), atol=1e-5)
        assert np.allclose(found[start + 3 : start + 6], rgb.std(1), atol=1e-5)
        top, bottom = rgb.max(0), rgb.min(0)
        saturation = ((top - bottom) / np.maximum(top, 1 / 255)).mean()
        assert abs(found[start + 6] - saturation) < 1e-5
        planes = np.concatenate([rgb, np.array([[0.299, 0.587, 0.114]]) @ rgb])
        expected = np.quantile(planes, QUANTILES, axis=1, method="inverted_cdf").T.ravel()
        assert np.allclose(found[start + 7 : start + 43], expected, atol=1e-5)
        assert np.allclose(found[start + 43 : start + 47], (planes < 1.5 / 255).mean(1), atol=1e-5)
    assert abs(found[-1] - 0.5) < 1e-6


def test_quantiles_weigh() -> None:
    values = torch.tensor([[[3.0, 1.0, 2.0]]])
    weights = torch.tensor([[[1.0, 0.0, 3.0]]])
    found = weighted_quantiles(values, weights, (0.5, 0.75, 0.9))
    assert found.tolist() == [[[2.0, 2.0, 3.0]]]


def test_a_picture_and_its_enlargement_say_the_same() -> None:
    small = color_statistics(picture(128), left_half(128))
    large = color_statistics(picture(512), left_half(512))
    assert (small - large).abs().max() < 0.02


def test_sharpness_rises_with_sharpening_and_colors_do_not() -> None:
    image, mask = picture(256), left_half(256)
    blurred = torch.nn.functional.avg_pool2d(image, 5, 1, 2, count_include_pad=False)
    sharp = (image + 1.5 * (image - blurred)).clamp(0, 1)
    values = [sharpness_statistics(x, mask) for x in (blurred, image, sharp)]
    assert values[0].shape == (1, SHARPNESS)
    assert values[0][0, 0] < values[1][0, 0] < values[2][0, 0]
    colors = [color_statistics(x, mask) for x in (blurred, sharp)]
    assert (colors[0] - colors[1]).abs().mean() < 0.02


@pytest.mark.parametrize("size", [(64, 64), (37, 51), (130, 200)])
def test_finite_for_empty_full_and_one_pixel_masks(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = PHNet(SMALL)
    assert net.statistics is not None
    torch.nn.init.normal_(net.statistics.color_map.weight, std=0.1)
    one = torch.zeros(1, 1, *size)
    one[..., 20, 30] = 1
    masks = torch.cat([torch.zeros(1, 1, *size), torch.ones(1, 1, *size), one, 1 - one])
    image = torch.rand(4, 3, *size)
    result = net(image, masks, torch.tensor([0.0, 0.3, 0.7, 1.0]))
    assert bool(result.isfinite().all())
    result.sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is None or bool(parameter.grad.isfinite().all()), name
    assert torch.equal(result[0], image[0])


def test_a_fresh_branch_changes_nothing_and_light_then_counts() -> None:
    torch.manual_seed(1)
    net = PHNet(SMALL).eval()
    image, mask = picture(64), left_half(64)
    assert torch.allclose(net(image, mask), image, atol=1e-6)
    assert net.statistics is not None
    torch.nn.init.normal_(net.statistics.color_map.weight, std=0.1)
    dark, bright = (net(image, mask, torch.tensor([value])) for value in (0.0, 1.0))
    assert (dark - bright).abs().max() > 0.01
    assert torch.equal(net(image, mask), dark)


def test_the_scale_is_learned_from_a_sample() -> None:
    branch = StatisticsBranch(8)
    sample = torch.rand(20, 3, 64, 64) * torch.rand(20, 1, 1, 1)
    masks = (torch.rand(20, 1, 64, 64) > 0.5).float()
    branch.learn_scale(sample, masks)
    values = branch.colors(color_statistics(sample, masks))
    assert values.mean(0).abs().max() < 1
    assert values.abs().max() <= 5


@pytest.mark.parametrize(
    "wrong", [{"output": "affine", "statistics": True}, {"shrink": 3}, {"shrink": 2}]
)
def test_a_configuration_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        PHNetConfig(**wrong)  # type: ignore[arg-type]
