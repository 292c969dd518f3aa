"""The network: sizes, the equations of section 4 on small cases, and hostile masks."""

import pytest
import torch

from phnet.networks import PHNet, PHNetConfig
from phnet.networks.moments import (
    foreground_background_moments,
    masked_moments,
    patch_moments,
)
from phnet.networks.phnet import (
    CONFIGS,
    PatchFeatureExtractor,
    PatchNormalization,
)
from phnet.networks.statistics import membership

NARROW = (3, 4, 6, 8, 8, 12, 16)


def narrow(**changes: object) -> PHNet:
    torch.manual_seed(0)
    return PHNet(PHNetConfig(widths=NARROW, **changes))  # type: ignore[arg-type]


def moved(net: PHNet) -> PHNet:
    """The same network away from its starting point, so that every part matters."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return net


def test_the_papers_network_has_its_size() -> None:
    with torch.device("meta"):
        net = PHNet(PHNetConfig.paper())
    assert 39_800_000 < sum(p.numel() for p in net.parameters()) < 40_100_000


def test_masked_moments_equal_those_of_the_masked_pixels() -> None:
    torch.manual_seed(1)
    x = torch.randn(2, 3, 8, 9, dtype=torch.float64)
    mask = (torch.rand(2, 1, 8, 9) > 0.4).double()
    mean, variance, area = masked_moments(x, mask)
    for b in range(2):
        inside = x[b][:, mask[b, 0] > 0]  # (3, pixels)
        torch.testing.assert_close(mean[b, :, 0, 0], inside.mean(1))
        torch.testing.assert_close(variance[b, :, 0, 0], inside.var(1, unbiased=False))
        assert area[b].item() == inside.shape[1]


def test_patch_moments_equal_a_loop_over_patches() -> None:
    torch.manual_seed(2)
    x = torch.randn(1, 2, 11, 13, dtype=torch.float64)
    mask = (torch.rand(1, 1, 11, 13) > 0.5).double()
    mean, variance, _ = masked_moments(x, mask)
    patch_mean, patch_variance = patch_moments(x, mask, 3, mean, variance)
    rows, columns = membership(11, 3, x).argmax(0), membership(13, 3, x).argmax(0)
    for i in range(9):
        cell = (rows[:, None] == i // 3) & (columns[None] == i % 3)
        inside = x[0][:, cell & (mask[0, 0] > 0)]
        torch.testing.assert_close(patch_mean[0, :, i], inside.mean(1))
        torch.testing.assert_close(patch_variance[0, :, i], inside.var(1, unbiased=False))


def test_a_patch_without_background_takes_the_global_statistics() -> None:
    x = torch.randn(1, 2, 12, 12, dtype=torch.float64)
    background = torch.ones(1, 1, 12, 12, dtype=torch.float64)
    background[..., :4, :4] = 0  # the first of nine patches
    mean, variance, _ = masked_moments(x, background)
    patch_mean, patch_variance = patch_moments(x, background, 3, mean, variance)
    torch.testing.assert_close(patch_mean[..., 0], mean[..., 0, 0])
    torch.testing.assert_close(patch_variance[..., 0], variance[..., 0, 0])
    assert not torch.allclose(patch_mean[..., 1], mean[..., 0, 0])


def test_pn_with_global_weights_gives_the_foreground_the_backgrounds_moments() -> None:
    torch.manual_seed(3)
    block = PatchNormalization(3, grid=2).double()
    with torch.no_grad():
        block.w.copy_(torch.tensor([0.0, 1.0, 0.0])[:, None, None, None].expand_as(block.w))
        block.gamma.copy_(torch.tensor([0.0, 1.0, 0.0])[:, None, None, None].expand_as(block.gamma))
    x = torch.randn(1, 3, 16, 16, dtype=torch.float64) * 2 + 1
    mask = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    mask[..., 4:10, 3:12] = 1
    x = x + 5 * mask
    mean_fg, var_fg, mean_bg, var_bg = foreground_background_moments(block(x, mask), mask)
    torch.testing.assert_close(mean_fg, mean_bg)
    torch.testing.assert_close(var_fg, var_bg, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(block(x, mask) * (1 - mask), x * (1 - mask))


def test_pn_local_mean_is_the_learned_sum_over_patches() -> None:
    block = PatchNormalization(1, grid=2).double()
    x = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    x[..., 0:2, 0:2], x[..., 0:2, 2:4], x[..., 2:4, 0:2] = 1.0, 2.0, 3.0
    mask = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    mask[..., 2:4, 2:4] = 1
    with torch.no_grad():
        block.alpha.copy_(torch.tensor([[0.5, 0.25, 0.125, 0.0]]))
        block.w.copy_(torch.tensor([1.0, 0.0, 0.0])[:, None, None, None])
    # A flat foreground has F = mean(F): what is left of eq. 8 is mean_loc of eq. 6.
    inside = block(x, mask)[..., 2:4, 2:4]
    torch.testing.assert_close(inside, torch.full_like(inside, 0.5 * 1 + 0.25 * 2 + 0.125 * 3))


def test_beta_stays_non_negative_under_the_root() -> None:
    block = PatchNormalization(2, grid=3)
    with torch.no_grad():
        block.root_beta.fill_(-3.0)
    assert block(torch.randn(1, 2, 9, 9), torch.rand(1, 1, 9, 9).round()).isfinite().all()


def test_pfe_trains_only_its_two_weights_and_keeps_the_background() -> None:
    extractor = PatchFeatureExtractor(5)
    assert [name for name, _ in extractor.named_parameters()] == ["w"]
    assert extractor.w.shape[0] == 2
    image, mask = torch.rand(1, 3, 20, 20), torch.zeros(1, 1, 20, 20)
    mask[..., 5:15, 5:15] = 1
    torch.testing.assert_close(extractor(image, mask) * (1 - mask), image * (1 - mask))


def test_which_layers_have_what() -> None:
    net = narrow(pn_layers=(5, 6), pfe=False)
    assert [layer.pn is not None for layer in net.decoder] == [False] * 4 + [True] * 2
    assert [layer.normalization is not None for layer in net.decoder] == [True] * 4 + [False] * 2
    assert [net.decoder[i].pn.grid for i in (4, 5)] == [4, 5]
    assert net.attention.extractor is None


@pytest.mark.parametrize("output", ["image", "residual", "affine"])
def test_background_comes_back_bit_for_bit(output: str) -> None:
    net = moved(narrow(output=output)).eval()
    image, mask = torch.rand(2, 3, 32, 40), (torch.rand(2, 1, 32, 40) > 0.5).float()
    result = net(image, mask)
    outside = (mask == 0).expand_as(image)
    assert torch.equal(result[outside], image[outside])
    assert not torch.allclose(result, image, atol=1e-2)


@pytest.mark.parametrize("output", ["residual", "affine"])
def test_these_forms_start_at_the_composite(output: str) -> None:
    net = narrow(output=output).eval()
    image, mask = torch.rand(1, 3, 24, 24), torch.ones(1, 1, 24, 24)
    torch.testing.assert_close(net(image, mask), image, atol=1 / 255, rtol=0)


def hostile_masks(height: int, width: int) -> dict[str, torch.Tensor]:
    empty = torch.zeros(1, 1, height, width)
    one_pixel = empty.clone()
    one_pixel[..., height // 2, width // 2] = 1
    no_background_in_a_patch = empty.clone()
    no_background_in_a_patch[..., : height // 2 + 1, : width // 2 + 1] = 1
    return {
        "empty": empty,
        "full": torch.ones_like(empty),
        "one pixel": one_pixel,
        "patch": no_background_in_a_patch,
        "soft": torch.rand(1, 1, height, width),
    }


@pytest.mark.parametrize("size", [(32, 32), (37, 51), (8, 8), (3, 5), (1, 1)])
@pytest.mark.parametrize("output", ["image", "residual", "affine"])
@pytest.mark.parametrize("flat", [False, True])
def test_everything_is_finite(size: tuple[int, int], output: str, flat: bool) -> None:
    net = moved(narrow(output=output))
    for mask in hostile_masks(*size).values():
        image = torch.full((1, 3, *size), 0.5) if flat else torch.rand(1, 3, *size)
        image.requires_grad_(True)
        net.train(min(size) > 8)  # batch statistics want more than one value
        result = net(image, mask)
        assert result.shape == image.shape
        assert result.isfinite().all()
        net.zero_grad()
        result.square().sum().backward()
        assert image.grad is not None
        assert image.grad.isfinite().all()
        assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("name", CONFIGS)
def test_every_configuration_learns(name: str) -> None:
    config = CONFIGS[name]
    net = narrow(pn_layers=config.pn_layers, pfe=config.pfe, output=config.output)
    image, mask = torch.rand(2, 3, 32, 32), (torch.rand(2, 1, 32, 32) > 0.5).float()
    target = image * 0.7
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    losses = []
    for _ in range(20):
        loss = ((net(image, mask) - target).square() * mask).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_wrong_configurations_are_refused() -> None:
    for changes in ({"widths": (3, 4)}, {"pn_layers": (0,)}, {"output": "lut"}):
        with pytest.raises(ValueError, match=next(iter(changes))):
            PHNetConfig(**changes)  # type: ignore[arg-type]
