"""The network of the paper (arXiv 2402.17561, section 4).

An encoder takes the composite down to a small map of many channels; squeeze and excitation,
helped by the patch-based feature extractor (PFE), reweights those channels; a decoder brings
the map up again, merging the encoder's features on the way. In the decoder's last layers these
features first pass a patch-based normalization (PN) block, which gives the foreground the
statistics of the background (moments.py).

Where the paper leaves something open, docs/method.md says what was chosen and why.

Shapes: B images, C channels, H by W pixels, P = grid * grid patches.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812 (the customary name)
from torch import Tensor, nn

from phnet.networks.color_field import COEFFICIENTS, apply_field, enlarged, shrunk
from phnet.networks.moments import foreground_background_moments, patch_moments, transfer
from phnet.networks.pretrained import Pretrained
from phnet.networks.seam import SeamBranch, within
from phnet.networks.statistics import Standardize, StatisticsBranch

OutputForm = Literal["image", "residual", "affine", "field"]

VARIANCE_EPS = 1e-5  # under every square root, so that flat images have a finite gradient
MOST_CHANNELS = 2048  # twice the paper's; a file that asks for more is not one of ours
LOGIT_EPS = 1 / 512  # the residual form never asks for the logit of 0 or 1


@dataclass(frozen=True)
class PHNetConfig:
    """Configuration of a PHNet."""

    widths: tuple[int, ...] = (3, 16, 64, 128, 256, 512, 1024)  # channels: input, then each stage
    pn_layers: tuple[int, ...] = (4, 5, 6)  # decoder layers with a PN block (Table 1), 6 the last
    pfe: bool = True  # patch-based feature extraction (Table 1)
    pfe_grid: int = 5  # 25 patches (section 4.3)
    se_reduction: int = 8  # squeeze and excitation: hidden width is channels / this
    output: OutputForm = "image"  # image: sigmoid, as in the paper; residual: on the composite's
    # logit; affine: a 3x4 color map a pixel, applied to the composite; field: the same and a
    # coefficient for detail, enlarged from the size that the network works at
    shrink: int = 1  # the network works on the composite averaged over squares of this side
    statistics: bool = False  # statistics of both sides, and the wished-for light, as inputs
    seam: bool = False  # a correction for light 0 from statistics of the mask's edge

    def __post_init__(self) -> None:
        if len(self.widths) != 7 or self.widths[0] != 3 or min(self.widths) < 1:
            raise ValueError(f"widths: expected 3 and six positive widths, got {self.widths}")
        if max(self.widths) > MOST_CHANNELS:
            raise ValueError(f"widths: expected at most {MOST_CHANNELS}, got {self.widths}")
        if not 1 <= self.pfe_grid <= 64 or self.se_reduction < 1:
            raise ValueError(
                "expected a pfe_grid of 1 to 64 and a se_reduction of at least 1, "
                f"got {self.pfe_grid} and {self.se_reduction}"
            )
        if not set(self.pn_layers) <= {2, 3, 4, 5, 6}:
            raise ValueError(f"pn_layers: expected layers between 2 and 6, got {self.pn_layers}")
        if self.output not in ("image", "residual", "affine", "field"):
            raise ValueError(
                f"output: expected image, residual, affine or field, got {self.output!r}"
            )
        if self.shrink not in (1, 2, 4) or (self.shrink > 1 and self.output != "field"):
            raise ValueError(
                f"shrink: expected 1, or 2 or 4 with a field as output, got {self.shrink}"
            )
        if self.statistics and self.output != "field":
            raise ValueError(f"statistics: expected a field as output, got {self.output!r}")
        if self.seam and not self.statistics:
            raise ValueError("seam: expected a network with statistics")

    @classmethod
    def paper(cls) -> "PHNetConfig":
        """The best setup of Table 1, D(4,5,6) + PFE: 39.9 million parameters."""
        return cls()

    @staticmethod
    def grid(layer: int) -> int:
        """Patches along each side in a decoder layer: 3, 4, 5 in layers 4, 5, 6 (section 4.3)."""
        return layer - 1


# Widths of the encoder: of the weights inside the package, first and now.
_PORTRAIT_WIDTHS = (3, 16, 24, 32, 64, 96, 128)
_WIDER = (3, 32, 48, 64, 96, 128, 192)

CONFIGS: dict[str, PHNetConfig] = {
    "paper": PHNetConfig.paper(),
    "paper-d6": PHNetConfig(pn_layers=(6,), pfe=False),
    "paper-d6-pfe": PHNetConfig(pn_layers=(6,)),
    "paper-d56": PHNetConfig(pn_layers=(5, 6), pfe=False),
    "paper-d56-pfe": PHNetConfig(pn_layers=(5, 6)),
    "paper-d456": PHNetConfig(pfe=False),
    "paper-d456-pfe": PHNetConfig(),
    "paper-d3456": PHNetConfig(pn_layers=(3, 4, 5, 6), pfe=False),
    "paper-d3456-pfe": PHNetConfig(pn_layers=(3, 4, 5, 6)),
    "portrait-small": PHNetConfig(widths=_PORTRAIT_WIDTHS, output="affine"),
    "portrait": PHNetConfig(widths=_PORTRAIT_WIDTHS, output="field", shrink=2, statistics=True),
    "portrait-wide": PHNetConfig(widths=_WIDER, output="field", shrink=2, statistics=True),
    "portrait-seam": PHNetConfig(
        widths=_WIDER, output="field", shrink=2, statistics=True, seam=True
    ),
}


class PatchNormalization(nn.Module):
    """PN block (section 4.1): foreground features get the background's statistics."""

    def __init__(self, channels: int, grid: int) -> None:
        super().__init__()
        patches = grid * grid
        self.grid = grid
        self.alpha = nn.Parameter(torch.full((channels, patches), 1 / patches))  # eq. 6
        # beta = root_beta ** 2 stays non-negative under the root of eq. 7
        self.root_beta = nn.Parameter(torch.ones(channels, patches))
        # w0, w1, w2 of eq. 10 and gamma0, gamma1, gamma2 of eq. 11, one of each a channel
        self.w = nn.Parameter(torch.tensor([0.5, 0.5, 0.0]).repeat(channels, 1).T[..., None, None])
        self.gamma = nn.Parameter(
            torch.tensor([0.5, 0.5, 0.0]).repeat(channels, 1).T[..., None, None]
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Normalize ``x`` (B, C, H, W) by ``mask`` (B, 1, H, W): eq. 12, same shape as ``x``."""
        mean_fg, var_fg, mean_bg, var_bg = foreground_background_moments(x, mask)
        std_fg, std_bg = (var_fg + VARIANCE_EPS).sqrt(), (var_bg + VARIANCE_EPS).sqrt()
        patch_mean, patch_var = patch_moments(x, 1 - mask, self.grid, mean_bg, var_bg)
        mean_loc = (self.alpha * patch_mean).sum(2)[..., None, None]  # eq. 6
        var_loc = (self.root_beta.square() * patch_var).mean(2)[..., None, None]  # eq. 7
        std_loc = (var_loc + VARIANCE_EPS).sqrt()

        global_fg = transfer(x, mean_fg, std_fg, mean_bg, std_bg)  # eq. 5
        local_fg = transfer(x, mean_fg, std_fg, mean_loc, std_loc)  # eq. 8
        local_bg = transfer(x, mean_bg, std_bg, mean_loc, std_loc)  # eq. 9
        foreground = self.w[0] * local_fg + self.w[1] * global_fg + self.w[2]  # eq. 10
        background = self.gamma[0] * local_bg + self.gamma[1] * x + self.gamma[2]  # eq. 11
        return foreground * mask + background * (1 - mask)  # eq. 12


class PatchFeatureExtractor(nn.Module):
    """PFE (section 4.2): the composite with its foreground normalized to the background.

    A PN block on the image in which only w0 and w1 are trained: every patch weighs the same
    (alpha = 1/P, beta = 1), w2 = 0, and the background passes unchanged.
    """

    def __init__(self, grid: int, channels: int = 3) -> None:
        super().__init__()
        self.grid = grid
        self.w = nn.Parameter(torch.full((2, channels, 1, 1), 0.5))  # w0, w1 of eq. 10

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return the normalized picture (B, 3, H, W); its foreground all but vanishes."""
        mean_fg, var_fg, mean_bg, var_bg = foreground_background_moments(image, mask)
        std_fg, std_bg = (var_fg + VARIANCE_EPS).sqrt(), (var_bg + VARIANCE_EPS).sqrt()
        patch_mean, patch_var = patch_moments(image, 1 - mask, self.grid, mean_bg, var_bg)
        mean_loc = patch_mean.mean(2)[..., None, None]  # eq. 6 with alpha = 1/P
        std_loc = (patch_var.mean(2)[..., None, None] + VARIANCE_EPS).sqrt()  # eq. 7 with beta = 1
        local_fg = transfer(image, mean_fg, std_fg, mean_loc, std_loc)  # eq. 8
        global_fg = transfer(image, mean_fg, std_fg, mean_bg, std_bg)  # eq. 5
        foreground = self.w[0] * local_fg + self.w[1] * global_fg  # eq. 10 with w2 = 0
        return foreground * mask + image * (1 - mask)  # eq. 12


class ChannelAttention(nn.Module):
    """Squeeze and excitation [11], to whose weights the PFE's vector is added (section 4.3)."""

    def __init__(self, channels: int, reduction: int, pfe_grid: int | None) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)
        self.extractor = PatchFeatureExtractor(pfe_grid) if pfe_grid else None
        if self.extractor is not None:
            self.project = nn.Linear(3, channels)
            nn.init.zeros_(self.project.weight)  # adding the PFE changes nothing at first
            nn.init.zeros_(self.project.bias)

    def weights(self, z: Tensor, image: Tensor, mask: Tensor) -> Tensor:
        """One weight a channel, (B, C)."""
        pooled = z.mean((2, 3))  # (B, C)
        weights = torch.sigmoid(self.excite(F.relu(self.squeeze(pooled))))
        if self.extractor is not None:
            vector = self.extractor(image, mask).mean((2, 3))  # (B, 3), adaptively averaged
            weights = weights + self.project(vector)
        return weights

    def forward(self, z: Tensor, image: Tensor, mask: Tensor) -> Tensor:
        """Reweight the channels of ``z`` (B, C, h, w)."""
        return z * self.weights(z, image, mask)[..., None, None]


class EncoderStage(nn.Module):
    """Convolution, instance normalization, ReLU; every other stage halves the size (up)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        # Kernel 4 with padding (1, 2) halves an odd size upwards, an even one exactly.
        self.pad = (1, 2, 1, 2) if stride == 2 else (1, 1, 1, 1)
        self.convolution = nn.Conv2d(in_channels, out_channels, 4 if stride == 2 else 3, stride)
        self.normalization = nn.InstanceNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H / stride, W / stride)."""
        x = self.convolution(F.pad(x, self.pad))
        if x.shape[2] * x.shape[3] > 1:
            x = self.normalization(x)
        else:  # torch refuses a single pixel; it is its own mean, so the result is 0 (as in ONNX)
            x = x - x.mean((2, 3), keepdim=True)
        return F.relu(x)


def _full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """No autocast: sums over many pixels need float32."""
    if x.device.type == "meta":
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)


class DecoderLayer(nn.Module):
    """Merge with the encoder's features, then a transposed convolution."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, grid: int | None, last: bool
    ) -> None:
        super().__init__()
        self.pn = PatchNormalization(in_channels, grid) if grid else None
        self.merge = nn.Conv2d(2 * in_channels, in_channels, 3, padding=1, bias=False)
        self.up = nn.ConvTranspose2d(
            in_channels, out_channels, 4 if stride == 2 else 3, stride, padding=1
        )
        self.normalization = nn.BatchNorm2d(out_channels) if not (grid or last) else None
        self.last = last

    def forward(self, z: Tensor, features: Tensor, mask: Tensor, size: tuple[int, int]) -> Tensor:
        """Map ``z`` and the encoder's ``features``, both (B, w, h, w'), to ``size``."""
        if self.pn is not None:
            with _full_precision(features):
                features = self.pn(features.to(mask.dtype), mask)
        z = F.relu(self.merge(torch.cat([z, features], 1)))
        z = self.up(z)[..., : size[0], : size[1]]  # crops what halving upwards had added
        if self.last:
            return z
        if self.normalization is not None:
            z = self.normalization(z)
        return F.leaky_relu(z)


class PHNet(Pretrained):
    """Patch-based harmonization network."""

    Config = PHNetConfig

    def __init__(self, config: PHNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        strides = (2, 1, 2, 1, 2, 1)
        self.encoder = nn.ModuleList(
            EncoderStage(widths[i], widths[i + 1], strides[i]) for i in range(6)
        )
        self.attention = ChannelAttention(
            widths[-1], config.se_reduction, config.pfe_grid if config.pfe else None
        )
        head = {"affine": 12, "field": COEFFICIENTS}.get(config.output, 3)
        self.statistics = StatisticsBranch(widths[-1]) if config.statistics else None
        self.seam = SeamBranch() if config.seam else None
        layers = [
            DecoderLayer(
                widths[7 - layer],
                widths[6 - layer] if layer < 6 else head,
                strides[6 - layer],
                config.grid(layer) if layer in config.pn_layers else None,
                last=layer == 6,
            )
            for layer in range(1, 7)
        ]
        if config.output != "image":  # start at the composite itself
            nn.init.zeros_(layers[-1].up.weight)
            nn.init.zeros_(cast(Tensor, layers[-1].up.bias))
        self.decoder = nn.ModuleList(layers)

    def scaleless(self) -> bool:
        """True while a branch that standardizes has not learned its scale."""
        scales = [m for m in self.modules() if isinstance(m, Standardize)]
        return any(not scale.mean.any() for scale in scales)

    @torch.no_grad()
    def learn_scales(self, composite: Tensor, mask: Tensor) -> None:
        """Let branches that have not learned their scale take it from training composites.

        Args:
            composite: RGB in [0, 1], (N, 3, H, W).
            mask: (N, 1, H, W) in [0, 1].
        """
        if self.statistics is not None and not self.statistics.colors.mean.any():
            self.statistics.learn_scale(composite, mask)
        if self.seam is not None and not self.seam.edge.mean.any():
            training = self.training
            self.eval()  # a fresh seam branch adds nothing to the field that it is to see
            seen = [
                within(self.field(*pair), shrunk(*pair, self.config.shrink)[1])
                for pair in zip(torch.split(composite, 16), torch.split(mask, 16), strict=True)
            ]
            self.train(training)
            self.seam.learn_scale(composite, mask, torch.cat(seen))

    def forward(self, composite: Tensor, mask: Tensor, light: Tensor | None = None) -> Tensor:
        """Harmonize.

        Args:
            composite: RGB in [0, 1], (B, 3, H, W), any H and W.
            mask: 1 on the foreground, in [0, 1], (B, 1, H, W).
            light: with a statistics branch, 0 for the paper's task to 1 for a paste from another
                light, (B,); None is 0.

        Returns:
            The harmonized image (B, 3, H, W): I = H(F, B) M + (1 - M) B (eq. 1).
        """
        predicted = self.predict(composite, mask, light)
        return predicted * mask + composite * (1 - mask)

    def predict(self, composite: Tensor, mask: Tensor, light: Tensor | None = None) -> Tensor:
        """The network's picture before blending, (B, 3, H, W)."""
        return self.applied(composite, self.field(composite, mask, light))

    def applied(self, composite: Tensor, head: Tensor) -> Tensor:
        """The picture (B, 3, H, W) that :meth:`field`'s result makes of a composite."""
        if self.config.output == "image":
            return torch.sigmoid(head)
        if self.config.output == "residual":
            return torch.sigmoid(torch.logit(composite, LOGIT_EPS) + head)
        if self.config.output == "field":
            head = enlarged(head, composite.shape[2], composite.shape[3])
        changed = apply_field(composite, head)
        # Out of range counts as an error while learning, and is cut off afterwards.
        return changed if self.training else changed.clamp(0, 1)

    def field(self, composite: Tensor, mask: Tensor, light: Tensor | None = None) -> Tensor:
        """Field of the last decoder layer, float32: (B, 3, 12 or 13, H, W).

        With ``shrink`` the field is as small as the composite that the network worked on.
        """
        full, full_mask = composite, mask
        if self.config.shrink > 1:
            composite, mask = shrunk(composite, mask, self.config.shrink)
        z: Tensor = composite
        features: list[Tensor] = []
        masks: list[Tensor] = []
        for i, stage in enumerate(self.encoder):
            small = masks[-1] if masks else mask
            if i % 2 == 0:  # the mask follows each halving
                small = F.avg_pool2d(small, 2, ceil_mode=True, count_include_pad=False)
            z = stage(z)
            features.append(z)
            masks.append(small)
        z = self.attention(z, composite, mask)
        if light is None:
            light = full.new_zeros(full.shape[0])
        whole = None
        if self.statistics is not None:
            with _full_precision(full):
                colors, sharpness = self.statistics.read(full, full_mask)
                scale, shift, whole = self.statistics(colors, sharpness, light)
            z = z * (1 + scale) + shift
        for layer, stage in enumerate(self.decoder, start=1):
            source = features[6 - layer]
            target = features[5 - layer] if layer < 6 else composite
            z = stage(z, source, masks[6 - layer], (target.shape[2], target.shape[3]))
        z = z if z.dtype == torch.float64 else z.float()
        if whole is None:
            return z
        z = z + whole
        if self.seam is None:
            return z
        with _full_precision(full):
            edge, maps = self.seam.read(full, full_mask)
            added: Tensor = self.seam(colors, edge, maps, within(z, mask), light)
            return z + added
