"""The network whose weights the paper's authors published.

It differs from the paper's text (docs/method.md lists how), so it stands apart from
:mod:`phnet.networks.phnet` and shares no code with it. Height and width are multiples of 8.

Key names are those of the published files, so that they load strictly.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 (the customary name)
from torch import Tensor, nn

from phnet.errors import BadModel

EXTRACTOR_EPS = 1e-8
NORMALIZER_EPS = 1e-7
MOST_CHANNELS = 2048  # twice the large network's
LARGE = ((3, 16, 64, 128, 256, 512, 1024), (4, 3, 2, 1))  # widths and grids of 39.9M parameters
SMALL = ((3, 16, 32, 64, 128, 256, 512), (10, 5, 1))  # of 10.0M


@dataclass(frozen=True)
class ReleasedConfig:
    """Configuration of a released network."""

    widths: tuple[int, ...] = SMALL[0]  # channels: input, then each stage of the encoder
    grids: tuple[int, ...] = SMALL[1]  # cells a side, one for each normalizer, deepest last

    def __post_init__(self) -> None:
        if len(self.widths) != 7 or self.widths[0] != 3 or min(self.widths) < 1:
            raise ValueError(f"widths: expected 3 and six positive widths, got {self.widths}")
        if max(self.widths) > MOST_CHANNELS or self.widths[6] < 8:
            raise ValueError(
                f"widths: expected at most {MOST_CHANNELS}, the last at least 8, got {self.widths}"
            )
        if not 2 <= len(self.grids) <= 6 or not 1 <= min(self.grids) <= max(self.grids) <= 64:
            raise ValueError(f"grids: expected two to six of 1 to 64 cells, got {self.grids}")


RELEASED = {"released": ReleasedConfig(*LARGE), "released-small": ReleasedConfig(*SMALL)}


def cells(size: int, count: int, like: Tensor) -> Tensor:
    """One-hot rows (count, size): cells of floor(size / count), the last takes the remainder."""
    # Comparisons instead of a division by the cell's size, which is 0 where size < count.
    pixel = torch.arange(size, device=like.device)
    start = torch.arange(count, device=like.device)[:, None] * (size // count)
    last = torch.arange(count, device=like.device)[:, None] == count - 1
    return ((pixel >= start) & ((pixel < start + size // count) | last)).to(like.dtype)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (unbiased, no epsilon) over the whole canvas, zeros included."""
    return x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True).sqrt()


def cell_moments(x: Tensor, grid: int) -> tuple[Tensor, Tensor]:
    """The same within each cell, spread over the cell's pixels: two of (B, C, H, W).

    Deviation: a cell of fewer than two pixels has deviation 0 instead of none.
    """
    rows, columns = cells(x.shape[2], grid, x), cells(x.shape[3], grid, x).T
    number = rows.sum(1)[:, None] * columns.sum(0)[None]  # (g, g) pixels
    mean = rows.T @ (rows @ x @ columns / number.clamp_min(1)) @ columns.T
    variance = rows @ (x - mean).square() @ columns / (number - 1).clamp_min(1)
    return mean, rows.T @ variance.sqrt() @ columns.T


class PatchHarmonizer(nn.Module):
    """The foreground with the background's statistics, by cells and as a whole."""

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.grid_weights = nn.Parameter(torch.full((2,), 0.5))  # as the authors' init_weights

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Map (B, 3, H, W) to the same, the background nearly black."""
        foreground, background = image * mask, image * (1 - mask)
        mean_f, std_f = moments(foreground)
        mean_b, std_b = moments(background)
        cell_mean_f, cell_std_f = cell_moments(foreground, self.grid)
        cell_mean_b, cell_std_b = cell_moments(background, self.grid)
        local = (foreground - cell_mean_f) * cell_std_b / (cell_std_f + EXTRACTOR_EPS) + cell_mean_b
        whole = (foreground - mean_f) * std_b / (std_f + EXTRACTOR_EPS) + mean_b
        harmonized = self.grid_weights[0] * local + self.grid_weights[1] * whole
        # What the stored intermediates show of the pixels outside: divided by 255.
        return harmonized * mask + background * (1 - mask) / 255


class FeatureExtractor(nn.Module):
    """Three channels made of the foreground and its harmonized version."""

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.patch_harmonizer = PatchHarmonizer(grid)
        self.head = nn.Sequential(nn.Conv2d(6, 3, 3, padding=1), nn.ReLU())

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return (B, 3, H, W)."""
        harmonized = self.patch_harmonizer(image, mask)
        return cast(Tensor, self.head(torch.cat([image * mask, harmonized], 1)))


class SqueezeExcitation(nn.Module):
    """Channel weights, plus one number an image from the extractor."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // 8),
            nn.ReLU(),
            nn.Linear(channels // 8, channels),
            nn.Sigmoid(),
        )

    def weights(self, z: Tensor) -> Tensor:
        """One weight a channel, (B, C)."""
        return cast(Tensor, self.fc(z.mean((2, 3))))

    def forward(self, z: Tensor, extracted: Tensor) -> Tensor:
        """Reweight ``z`` (B, C, h, w)."""
        extra = torch.sigmoid(extracted.amax((2, 3)).mean(1))  # (B,)
        return z * self.weights(z)[..., None, None] + z * extra[:, None, None, None]


class Normalizer(nn.Module):
    """Features normalized by foreground, background and the background's cells."""

    def __init__(self, channels: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.weights = nn.Parameter(torch.full((2,), 0.5))  # a start at means; theirs is unknown
        self.fg_var = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.fg_bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.patched_fg_var = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.patched_fg_bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.bg_var = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.bg_bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.grid_weights = nn.Parameter(torch.full((1, channels, grid, grid), 1 / grid**2))

    @staticmethod
    def _masked(e: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        area = mask.sum((2, 3), keepdim=True) + NORMALIZER_EPS
        mean = (e * mask).sum((2, 3), keepdim=True) / area
        square = ((e - mean) * mask).square().sum((2, 3), keepdim=True)
        return mean, (square / area + NORMALIZER_EPS).sqrt()

    def forward(self, e: Tensor, mask: Tensor) -> Tensor:
        """Map features (B, C, H, W) with a mask (B, 1, H, W) to the same shape."""
        outside = 1 - mask
        mean_fg, std_fg = self._masked(e, mask)
        mean_bg, std_bg = self._masked(e, outside)
        rows, columns = cells(e.shape[2], self.grid, e), cells(e.shape[3], self.grid, e).T
        cell_area = rows @ outside @ columns + NORMALIZER_EPS
        cell_mean = rows @ (e * outside) @ columns / cell_area
        shift = (self.grid_weights * cell_mean).sum((2, 3), keepdim=True)
        unit = (e - mean_fg) / std_fg
        whole = (unit * std_bg + mean_bg) * self.fg_var + self.fg_bias
        local = (unit * std_bg + shift) * self.patched_fg_var + self.patched_fg_bias
        foreground = self.weights[0] * whole + self.weights[1] * local
        background = (e - mean_bg) / std_bg * self.bg_var + self.bg_bias
        return foreground * mask + background * outside


class Skip(nn.Module):
    """Decoder and encoder features merged by a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rconv = nn.Conv2d(2 * channels, channels, 3, padding=1, bias=False)

    def forward(self, z: Tensor, e: Tensor) -> Tensor:
        """Map two of (B, C, H, W) to one."""
        return F.relu(self.rconv(torch.cat([z, e], 1)))


def _full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """No autocast: sums over many pixels overflow in half precision."""
    if x.device.type == "meta":
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)


class ReleasedPHNet(nn.Module):
    """The released network; parameters that its computation never reaches are kept."""

    def __init__(self, widths: tuple[int, ...], grids: tuple[int, ...]) -> None:
        super().__init__()
        self.widths, self.grids = widths, grids
        self.feature_extractor = FeatureExtractor(grids[1])
        self.encoder = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(widths[i], widths[i + 1], 3 + even, 1 + even, padding=1),
                nn.InstanceNorm2d(widths[i + 1]),
                nn.ReLU(),
            )
            for i, even in enumerate((1, 0, 1, 0, 1, 0))
        )
        self.SE_block = SqueezeExcitation(widths[6])
        self.normalizers = nn.ModuleList(
            Normalizer(widths[len(grids) - 1 - j], grid) for j, grid in enumerate(grids)
        )
        self.skip = nn.ModuleList(Skip(widths[6 - i]) for i in range(7))
        stages = []
        for i, even in enumerate((0, 1, 0, 1, 0, 1)):
            layers: list[nn.Module] = [
                nn.ConvTranspose2d(widths[6 - i], widths[5 - i], 3 + even, 1 + even, padding=1)
            ]
            if i < 3:
                layers.append(nn.BatchNorm2d(widths[5 - i]))
            if i < 5:
                layers.append(nn.LeakyReLU())
            stages.append(nn.Sequential(*layers))
        self.decoder = nn.ModuleList(stages)

    def raw(self, image: Tensor, mask: Tensor) -> Tensor:
        """The network's picture before blending, (B, 3, H, W); statistics in full precision."""
        z, small = image, mask
        features: list[tuple[Tensor, Tensor]] = []
        for i, stage in enumerate(self.encoder):
            z = stage(z)
            if i % 2 == 0:
                small = small[..., ::2, ::2]
            features.append((z, small))
        with _full_precision(image):
            extracted = self.feature_extractor(image, mask)
        z = self.SE_block(z, extracted)
        first = 7 - len(self.grids)
        for i, decode in enumerate(self.decoder):
            e, e_mask = features[5 - i]
            if i >= first:
                with _full_precision(e):
                    e = self.normalizers[i - first](e.to(e_mask.dtype), e_mask)
            z = decode(self.skip[i](z, e))
        return torch.sigmoid(z if z.dtype == torch.float64 else z.float())

    def forward(self, composite: Tensor, mask: Tensor, blended: bool = True) -> Tensor:
        """The image shown to a user, blended with the composite; else :meth:`raw`'s."""
        predicted = self.raw(composite, mask)
        return predicted * mask + composite * (1 - mask) if blended else predicted

    def unreached(self) -> list[nn.Module]:
        """The parts that the computation never reaches, and that so never learn."""
        return [self.skip[6], self.normalizers[len(self.grids) - 1]]


def is_released(state: Any) -> bool:
    """Tell whether a loaded object looks like one of the published state dicts."""
    return (
        isinstance(state, Mapping)
        and "SE_block.fc.0.weight" in state
        and "encoder.0.0.weight" in state
    )


def from_state(state: Mapping[str, Any], path: str | Path) -> ReleasedPHNet:
    """The network of a published state dict, in eval mode; widths and grids are read off it.

    Raises:
        BadModel: a key is missing or unknown, or a tensor has another shape than it should.
    """
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise BadModel(
                f"{path}: expected the released network's weights, but {key!r} holds no tensor"
            )
    try:
        widths = (3, *(int(state[f"encoder.{i}.0.weight"].shape[0]) for i in range(6)))
        count = sum(key.endswith(".grid_weights") and key.startswith("norm") for key in state)
        grids = tuple(int(state[f"normalizers.{j}.grid_weights"].shape[2]) for j in range(count))
    except KeyError as error:
        raise BadModel(
            f"{path}: expected the released network's weights, but {error} is missing"
        ) from error
    except IndexError as error:
        raise BadModel(
            f"{path}: expected the released network's weights, but a tensor that the sizes are "
            "read off has too few dimensions"
        ) from error
    if not 2 <= len(grids) <= 6 or max(widths) > MOST_CHANNELS or max(grids) > 64 or widths[6] < 8:
        raise BadModel(f"{path}: expected a usable network, got widths {widths}, grids {grids}")
    net = ReleasedPHNet(widths, grids)
    try:
        net.load_state_dict(dict(state))
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise BadModel(f"{path}: expected the released network's weights, but {first}") from error
    return net.eval()
