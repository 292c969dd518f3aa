"""The seam branch: how colors go on across the mask's edge, as a last correction of the field.

A hard mask leaves a thin rim of the person outside, and hair that mixes with what is behind. Where
the person was recolored, as in the paper's data (section 3.2), the rim was not, and tells how much.
Nothing like it is at the edge of a person who was pasted from another photo, so what the branch
adds counts in full at ``light`` 0 and not at all at 1. Not in the paper (docs/method.md).

Shapes: B images, H by W pixels. All is computed in float32, without a gradient to the picture.
"""

import torch
import torch.nn.functional as F  # noqa: N812 (the customary name)
from torch import Tensor, nn

from phnet.networks.statistics import COLORS, Standardize, hidden_layers

NEARBY = 5  # pairs of pixels a side, around a pixel of the mask's edge
RINGS = 4
LEAST_RING = 20  # pixels; a ring of fewer says nothing
# Of a ring's moments, 7 x 7, 3 x 7 and 3 x 3, each once.
_UPPER = [7 * i + j for i in range(7) for j in range(i, 7)] + list(range(49, 70))
_UPPER += [70 + 3 * i + j for i in range(3) for j in range(i, 3)]
SEAM_PLACES = [79 * ring + place for ring in range(RINGS) for place in _UPPER]
SEAM = len(SEAM_PLACES)  # 220


def _grown(inside: Tensor) -> Tensor:
    """A mask of 0 and 1 with a pixel more around it."""
    around = F.pad(inside, (1, 1, 1, 1))  # torch's max_pool2d takes six times as long
    rows = torch.maximum(
        torch.maximum(around[..., :-2, :], around[..., 1:-1, :]), around[..., 2:, :]
    )
    return torch.maximum(torch.maximum(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])


def _shrunk(inside: Tensor) -> Tensor:
    """A mask of 0 and 1 with a pixel less; the picture's border takes none away."""
    return 1 - _grown(1 - inside)


def _pairs(planes: Tensor) -> Tensor:
    """Sums over squares of two pixels a side, (B, C, H / 2, W / 2) rounded up."""
    odd = F.pad(planes, (0, 1, 0, 1))
    rows = odd[..., :-1:2, :] + odd[..., 1::2, :]
    return rows[..., :-1:2] + rows[..., 1::2]


def _nearby(composite: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Mean color of those pixels of ``inside`` that are near a pair, and where there are any."""
    side = NEARBY // 2
    sums = _pairs(torch.cat([composite * inside, inside], 1))
    across = F.avg_pool2d(sums, (1, NEARBY), 1, (0, side))
    mean = F.avg_pool2d(across, (NEARBY, 1), 1, (side, 0))
    return mean[:, :3] / mean[:, 3:].clamp_min(1e-6), mean[:, 3:] > 0.1 / NEARBY**2


def seam_statistics(composite: Tensor, mask: Tensor) -> Tensor:
    """Statistics of how colors go on across the mask's edge.

    Each of RINGS rings a pixel wide (outermost and second of the foreground, first and second of
    the background) gives the second moments of ten numbers a pixel: 1, its color, the mean color of
    the foreground's inside nearby, and of the background away from the edge nearby.

    Args:
        composite: RGB in [0, 1], (B, 3, H, W).
        mask: (B, 1, H, W) in [0, 1]; the edge is at a half.

    Returns:
        (B, SEAM). Zeros for a ring of fewer than LEAST_RING pixels.
    """
    hard = (mask > 0.5).to(composite.dtype)
    once, outside = _shrunk(hard), _grown(hard)
    twice, further = _shrunk(once), _grown(outside)
    inner, has_inner = _nearby(composite, twice)
    outer, has_outer = _nearby(composite, 1 - _grown(further))
    known = (has_inner & has_outer).to(composite.dtype)  # for pairs, as the two are
    pixels = F.interpolate(known, scale_factor=2.0, mode="nearest")[
        ..., : mask.shape[2], : mask.shape[3]
    ]
    around = torch.cat([torch.ones_like(known), inner, outer], 1).flatten(2)  # (B, 7, n)
    colors = composite.flatten(2)
    found = []
    for ring in (hard - once, outside - hard, further - outside, once - twice):
        weight = ring * pixels
        weighted = composite * weight
        sums = _pairs(torch.cat([weight, weighted], 1)).flatten(2)  # (B, 4, n)
        count = sums[:, :1].sum(2, keepdim=True)
        parts = [
            (around * sums[:, :1]) @ around.transpose(1, 2),  # 1, inner, outer among themselves
            sums[:, 1:] @ around.transpose(1, 2),  # with the pixel's own color
            weighted.flatten(2) @ colors.transpose(1, 2),  # which with itself
        ]
        moments = torch.cat([part.flatten(1) for part in parts], 1) / count[..., 0].clamp_min(1)
        found.append(torch.where(count[..., 0] < LEAST_RING, torch.zeros_like(moments), moments))
    return torch.cat(found, 1)[:, SEAM_PLACES]


def within(field: Tensor, mask: Tensor) -> Tensor:
    """Mean over the foreground of a field's color coefficients, (B, 12).

    Args:
        field: (B, 12 or 13, h, w).
        mask: of the same size, (B, 1, h, w) in [0, 1].
    """
    share = mask / mask.sum((2, 3), keepdim=True).clamp_min(1e-3)
    return (field[:, :12] * share).sum((2, 3))


class SeamBranch(nn.Module):
    """From the edge, the statistics of both sides, and the field so far to one more color map."""

    def __init__(self, hidden: int = 256) -> None:
        super().__init__()
        self.edge = Standardize(SEAM)
        self.field = Standardize(12)
        self.trunk = nn.Sequential(
            nn.Dropout(0.1), *hidden_layers(COLORS + SEAM + 12, hidden, dropout=0.2)
        )
        self.color_map = nn.Linear(hidden, 12)
        nn.init.zeros_(self.color_map.weight)  # at first it changes nothing
        nn.init.zeros_(self.color_map.bias)

    @torch.no_grad()
    def read(self, composite: Tensor, mask: Tensor) -> Tensor:
        """Standardized statistics of the edge (B, SEAM); see :func:`seam_statistics`."""
        edge: Tensor = self.edge(seam_statistics(composite, mask))
        return edge

    def forward(self, colors: Tensor, edge: Tensor, field: Tensor, light: Tensor) -> Tensor:
        """One color map for the whole foreground, (B, 13, 1, 1), to be added to the field.

        Args:
            colors: standardized statistics of both sides, (B, COLORS).
            edge: what :meth:`read` gives.
            field: what :func:`within` gives of the field so far.
            light: how much of the scene's light to take on, in [0, 1], (B,).
        """
        seen = torch.cat([colors, edge, self.field(field)], 1)
        change = self.color_map(self.trunk(seen)) * (1 - light)[:, None].to(seen.dtype)
        return F.pad(change, (0, 1))[..., None, None]

    @torch.no_grad()
    def learn_scale(self, composite: Tensor, mask: Tensor, field: Tensor) -> None:
        """Take mean and deviation of what it sees from a sample of training composites.

        Args:
            composite: RGB in [0, 1], (N, 3, H, W).
            mask: (N, 1, H, W) in [0, 1].
            field: what :func:`within` gives for them, (N, 12).
        """
        pairs = zip(torch.split(composite, 16), torch.split(mask, 16), strict=True)
        self.edge.learn(torch.cat([seam_statistics(*pair) for pair in pairs]))
        self.field.learn(field)
