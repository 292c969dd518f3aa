"""The statistics branch: what instance normalization takes away, handed to the network as numbers.

Instance normalization removes how bright and how warm a picture is, and the PFE (section 4.2)
brings back three numbers. This branch is in its spirit, and not in the paper: plain statistics of
foreground and background, together with the ``light`` that the user asks for, pass a small MLP,
which shifts and scales the bottleneck's channels and adds one color map for the whole foreground to
the field.

A second, smaller MLP sees how sharp the two sides are and sets the whole foreground's detail
coefficient. It is apart from the first on purpose: sharpness must not steer colors
(docs/method.md).

Shapes: B images, H by W pixels. All is computed in float32, without a gradient to the picture.
"""

import torch
import torch.nn.functional as F  # noqa: N812 (the customary name)
from torch import Tensor, nn

GRID = 64  # cells a side that colors are averaged in before they are counted
QUANTILES = (0.005, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.995)
STRENGTHS = (1.0, 3.0, 8.0, 20.0, 50.0)  # of the finest detail, in levels of [0, 255]
LUMA = (0.299, 0.587, 0.114)
CLIPPED = 1.5 / 255  # a channel this near to 0 or 1 counts as clipped
LEAST = 1e-3  # a side that holds fewer pixels than this has no statistics of its own
BOUND = 5.0  # standardized statistics beyond this many deviations count as this many
PER_SIDE = 3 + 3 + 1 + 4 * len(QUANTILES) + 8
COLORS = 2 * PER_SIDE + 1  # 103
SHARPNESS = 2 * 2 * (2 + len(STRENGTHS))


def membership(size: int, cells: int, like: Tensor) -> Tensor:
    """One-hot rows (cells, size): which cell of an even split each position belongs to."""
    cell = torch.arange(size, device=like.device) * cells // size
    return (cell == torch.arange(cells, device=like.device)[:, None]).to(like.dtype)


def weighted_quantiles(values: Tensor, weights: Tensor, quantiles: tuple[float, ...]) -> Tensor:
    """Smallest values at which the weights' share reaches each quantile.

    Args:
        values: (B, C, N).
        weights: at least 0, (B, 1, N); a row that sums to nothing gives the largest value.
        quantiles: shares in (0, 1), ascending.

    Returns:
        (B, C, Q).
    """
    ordered, places = torch.sort(values, dim=2)
    share = torch.gather(weights.expand_as(values), 2, places).cumsum(2)
    share = share / share[..., -1:].clamp_min(LEAST)
    found = []
    for q in quantiles:
        below = (share < q).to(torch.int64).sum(2, keepdim=True)
        found.append(torch.gather(ordered, 2, below.clamp_max(values.shape[2] - 1)))
    return torch.cat(found, 2)


def _side(color: Tensor, weight: Tensor) -> Tensor:
    """Statistics (B, PER_SIDE) of one side: ``color`` (B, 3, N), ``weight`` (B, 1, N)."""
    share = weight / weight.sum(2, keepdim=True).clamp_min(LEAST)
    mean = (color * share).sum(2, keepdim=True)  # (B, 3, 1)
    deviation = ((color - mean).square() * share).sum(2).clamp_min(1e-12).sqrt()
    top, bottom = color.amax(1, keepdim=True), color.amin(1, keepdim=True)
    saturation = ((top - bottom) / top.clamp_min(1 / 255) * share).sum(2)  # (B, 1)
    luma = (color * color.new_tensor(LUMA)[:, None]).sum(1, keepdim=True)
    planes = torch.cat([color, luma], 1)  # (B, 4, N)
    levels = weighted_quantiles(planes, weight, QUANTILES).flatten(1)
    dark = ((planes < CLIPPED).to(share.dtype) * share).sum(2)
    bright = ((planes > 1 - CLIPPED).to(share.dtype) * share).sum(2)
    return torch.cat([mean.flatten(1), deviation, saturation, levels, dark, bright], 1)


def color_statistics(composite: Tensor, mask: Tensor) -> Tensor:
    """Statistics of foreground, of background, and the mask's area.

    Colors are averaged in GRID * GRID cells, foreground and background apart, so that they are
    the same for a picture and its enlargement. An empty side takes the other's statistics.

    Args:
        composite: RGB in [0, 1], (B, 3, H, W).
        mask: (B, 1, H, W) in [0, 1].

    Returns:
        (B, 103): for each side mean and deviation of RGB, mean saturation, nine quantiles each of
        R, G, B and luma, shares clipped at 0 and at 1 of the same; then the mask's mean.
    """
    rows = membership(composite.shape[2], GRID, composite)
    columns = membership(composite.shape[3], GRID, composite).T
    sides, areas = [], []
    for weight in (mask, 1 - mask):
        inside = rows @ weight @ columns  # (B, 1, g, g)
        color = rows @ (composite * weight) @ columns / inside.clamp_min(LEAST)
        # A cell that is hardly in this side shows mostly rounding.
        amount = torch.where(inside > LEAST, inside, torch.zeros_like(inside)).flatten(2)
        sides.append(_side(color.flatten(2).clamp(0, 1), amount))
        areas.append(amount.sum(2))
    empty_fg, empty_bg = areas[0] < LEAST, areas[1] < LEAST
    foreground = torch.where(empty_fg, sides[1], sides[0])
    background = torch.where(empty_bg, sides[0], sides[1])
    return torch.cat([foreground, background, mask.mean((2, 3))], 1)


def blurred(picture: Tensor) -> Tensor:
    """The binomial blur (1, 2, 1) / 4 across and down, edges repeated; (B, C, H, W)."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]) / 4
    return (across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]) / 4


def sharpness_statistics(composite: Tensor, mask: Tensor) -> Tensor:
    """Strength of the finest detail, inside either side and apart from the edge between them.

    Returns:
        (B, 28): for the picture's pixels and for half their number a side, and for each side of the
        mask: mean of the detail's strength (luma less its blur, in levels of [0, 255]) and of its
        logarithm, and the shares that are stronger than each of STRENGTHS. Zeros where there is
        nothing inside.
    """
    luma = (composite * composite.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    found = []
    for scale in range(2):
        if scale:
            luma, mask = (
                F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) for x in (luma, mask)
            )
        strength = (luma - blurred(luma)).abs() * 255
        edge = blurred(blurred(mask))  # two pixels from the edge on it is 0 or 1
        for inner in (edge > 0.999, edge < 0.001):
            weight = inner.to(luma.dtype)
            area = weight.sum((2, 3)).clamp_min(1)
            values = [strength * weight, torch.log1p(strength) * weight]
            values += [(strength > level).to(luma.dtype) * weight for level in STRENGTHS]
            found += [value.sum((2, 3)) / area for value in values]
    return torch.cat(found, 1)


class Standardize(nn.Module):
    """Distance from the training set's mean in its deviations, within BOUND."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(count))

    def learn(self, values: Tensor) -> None:
        """Take mean and deviation of ``values`` (N, count)."""
        self.mean.copy_(values.mean(0))
        self.deviation.copy_(values.std(0).clamp_min(1e-3))

    def forward(self, values: Tensor) -> Tensor:
        """Standardize (B, count)."""
        return ((values - self.mean) / self.deviation).clamp(-BOUND, BOUND)


def hidden_layers(inputs: int, hidden: int, dropout: float) -> nn.Sequential:
    """Two layers of an MLP, each followed by GELU and dropout."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, hidden),
        nn.GELU(),
        nn.Dropout(dropout),
    )


class StatisticsBranch(nn.Module):
    """From statistics and the wished-for light to a color map, and to the bottleneck's channels."""

    def __init__(self, channels: int, hidden: int = 256) -> None:
        super().__init__()
        self.colors = Standardize(COLORS)
        self.sharpness = Standardize(SHARPNESS)
        self.trunk = hidden_layers(COLORS + 1, hidden, dropout=0.1)
        self.color_map = nn.Linear(hidden, 12)
        self.film = nn.Linear(hidden, 2 * channels)
        self.detail = nn.Sequential(nn.Linear(SHARPNESS, 32), nn.GELU(), nn.Linear(32, 1))
        for last in (self.color_map, self.film, self.detail[2]):  # at first it changes nothing
            assert isinstance(last, nn.Linear)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    @torch.no_grad()
    def read(self, composite: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Standardized statistics of colors (B, COLORS) and of sharpness (B, SHARPNESS).

        Args:
            composite: RGB in [0, 1], (B, 3, H, W).
            mask: (B, 1, H, W) in [0, 1].
        """
        colors = self.colors(color_statistics(composite, mask))
        return colors, self.sharpness(sharpness_statistics(composite, mask))

    def forward(
        self, colors: Tensor, sharpness: Tensor, light: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Decide what holds for the whole foreground.

        Args:
            colors: what :meth:`read` gives.
            sharpness: the same.
            light: how much of the scene's light to take on, in [0, 1], (B,).

        Returns:
            scale and shift of the bottleneck's channels, each (B, C, 1, 1), and the color map with
            its detail coefficient, (B, 13, 1, 1), to be added to the field.
        """
        hidden = self.trunk(torch.cat([colors, (2 * light - 1)[:, None].to(colors.dtype)], 1))
        scale, shift = self.film(hidden).chunk(2, 1)
        whole = torch.cat([self.color_map(hidden), self.detail(sharpness)], 1)
        return scale[..., None, None], shift[..., None, None], whole[..., None, None]

    @torch.no_grad()
    def learn_scale(self, composite: Tensor, mask: Tensor) -> None:
        """Take the statistics' mean and deviation from a sample of training composites."""
        self.colors.learn(color_statistics(composite, mask))
        self.sharpness.learn(sharpness_statistics(composite, mask))
