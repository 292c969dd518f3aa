"""A small matting network of our own: the person's alpha from one photo.

Not in the paper, which takes its mattes from another project (section 3.2). Plain convolutions
and batch normalization at a quarter of the pixels and fewer; the guided filter of
:mod:`phnet.matting.matte` brings its answer to the photo's size.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812 (the customary name)
from torch import Tensor, nn


@dataclass(frozen=True)
class MatteConfig:
    """Configuration of a matting network."""

    widths: tuple[int, ...] = (16, 32, 64, 96, 128)  # channels at 1/2, 1/4, ... 1/32 of the side
    blocks: tuple[int, ...] = (0, 1, 1, 2, 2)  # residual blocks at each

    def __post_init__(self) -> None:
        if len(self.widths) != 5 or not 1 <= min(self.widths) <= max(self.widths) <= 1024:
            raise ValueError(f"widths: expected five from 1 to 1024, got {self.widths}")
        if len(self.blocks) != 5 or not 0 <= min(self.blocks) <= max(self.blocks) <= 16:
            raise ValueError(f"blocks: expected five from 0 to 16, got {self.blocks}")


MATTES: dict[str, MatteConfig] = {"matte-small": MatteConfig()}


def _convolution(in_channels: int, out_channels: int, stride: int = 1, size: int = 3) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class Residual(nn.Module):
    """Two convolutions beside a way past them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return F.relu(x + self.second(self.first(x)))


class MatteNet(nn.Module):
    """Encoder, a gate by the whole picture, decoder with the encoder's features added."""

    def __init__(self, config: MatteConfig) -> None:
        super().__init__()
        self.config = config
        channels = (3, *config.widths)
        self.encoder = nn.ModuleList(
            nn.Sequential(
                _convolution(channels[i], channels[i + 1], 2),
                *(Residual(channels[i + 1]) for _ in range(config.blocks[i])),
            )
            for i in range(5)
        )
        last = config.widths[-1]
        self.gate = nn.Sequential(nn.Linear(last, last), nn.ReLU(), nn.Linear(last, last))
        down = list(reversed(config.widths))
        self.reduce = nn.ModuleList(
            _convolution(wide, narrow, size=1) for wide, narrow in pairwise(down)
        )
        self.merge = nn.ModuleList(_convolution(width, width) for width in down[1:])
        self.head = nn.Conv2d(down[-1], 1, 3, 1, 1)

    def forward(self, photo: Tensor) -> Tensor:
        """Map RGB in [0, 1], (B, 3, H, W), sides multiples of 32, to logits (B, 1, H, W)."""
        x = photo * 2 - 1
        features = []
        for stage in self.encoder:
            x = stage(x)
            features.append(x)
        x = x * torch.sigmoid(self.gate(x.mean((2, 3))))[..., None, None]
        for reduce, merge, beside in zip(self.reduce, self.merge, features[-2::-1], strict=True):
            x = F.interpolate(reduce(x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = merge(x + beside)
        logits: Tensor = self.head(x).float()
        return F.interpolate(logits, scale_factor=2.0, mode="bilinear", align_corners=False)


def matting_loss(logits: Tensor, mask: Tensor, weights: dict[str, float]) -> Tensor:
    """Weighted cross-entropy (``bce``) and 1 - soft IoU (``iou``), one value an image (B,).

    Args:
        logits: (B, 1, H, W).
        mask: 1 on the person, (B, 1, H, W).
        weights: of the two terms.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, mask, reduction="none").mean((1, 2, 3))
    alpha = torch.sigmoid(logits)
    both = (alpha * mask).sum((1, 2, 3))
    either = (alpha + mask - alpha * mask).sum((1, 2, 3))
    return weights["bce"] * entropy + weights["iou"] * (1 - both / either.clamp_min(1e-6))


def iou(logits: Tensor, mask: Tensor) -> Tensor:
    """Intersection over union (B,), float64, of what is more likely person than not."""
    found, given = logits > 0, mask > 0.5
    both = (found & given).sum((1, 2, 3)).double()
    return both / (found | given).sum((1, 2, 3)).clamp_min(1)
