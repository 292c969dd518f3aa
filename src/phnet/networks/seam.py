"""The seam branch: how colors go on across the mask's edge, as a last correction of the field.

A hard mask leaves a thin rim of the person outside, and hair that mixes with what is behind. Where
the person was recolored, as in the paper's data (section 3.2), the rim was not, and tells how much:
least squares over the edge's places say what map takes the inside's colors to the rim's, whatever
the rim's share of the person. What the edge cannot tell is left to an MLP, which weighs it, too.
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
# Where of the 220 are the whole matrices of each ring, and the diagonal of the pixel's own color.
_AROUND = [
    55 * ring + _UPPER.index(7 * min(i, j) + max(i, j))
    for ring in range(RINGS)
    for i in range(7)
    for j in range(7)
]
_CROSSED = [55 * ring + 28 + k for ring in range(RINGS) for k in range(21)]
_OWN = [55 * ring + 49 + k for ring in range(RINGS) for k in (0, 3, 5)]

SHARES = (0.85, 0.3, 0.1, 0.95)  # of the foreground in each ring, where nothing else is known
LEAST_SHARE = 0.08  # the rim's share is taken for this, where it is less
SOFTNESS = 2e-3  # squared colors; for what varies less than that, SHARES count more
TOGETHER = ((1, 2), (0, 1, 2, 3))  # rings
MAPS = 2 * len(TOGETHER)
FOUND = 40 * RINGS + 15 * MAPS
_COLOR_AND_1 = [1, 2, 3, 0]


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


def solved(matrix: Tensor, values: Tensor) -> Tensor:
    """Solve ``matrix`` x = ``values`` by elimination, without exchanging rows (ONNX has no solver).

    Args:
        matrix: symmetric and positive definite, (..., n, n).
        values: (..., n, m), as is x.
    """
    count, wide = matrix.shape[-1], matrix.shape[-1] + values.shape[-1]
    both = torch.cat([matrix, values], -1)
    for k in range(count):  # products with constants: a graph of slices loads more slowly
        unit = _one_hot(k, count, both)
        row, column = unit @ both, both @ _one_hot(k, wide, both).T
        both = both - (column - unit.T) * (row / (unit @ column))
    return both[..., count:]


def _one_hot(place: int, count: int, like: Tensor) -> Tensor:
    return torch.tensor([[float(i == place) for i in range(count)]]).to(like)


def _identity(count: int, like: Tensor) -> Tensor:
    return torch.cat([_one_hot(k, count, like) for k in range(count)])


def edge_maps(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Find, by least squares, the map that undoes a recoloring.

    A ring of which the share a is person is a mixture, c = a (T y + t) + (1 - a) o: y the color of
    the foreground's inside nearby, o that of the background; T and t take the person's colors to
    what they were. Each ring alone gives c = P y + Q o + p, drawn to the usual share where colors
    vary little; of that a = 1 - the mean of Q's diagonal, and T = P / a. With these shares, several
    rings together give T and t again.

    Args:
        moments: what :func:`seam_statistics` gives, (B, SEAM).

    Returns:
        All that was found, (B, FOUND); and of it the maps of rings together, less the identity and
        laid out as a field's color coefficients, (B, MAPS, 12).
    """
    around = moments[:, _AROUND].reshape(-1, RINGS, 7, 7)  # 1, y, o
    crossed = moments[:, _CROSSED].reshape(-1, RINGS, 3, 7)  # c with them
    known = around[..., 0, :1] > 0.5
    mean, color = around[..., 0, 1:], crossed[..., 0]
    spread = around[..., 1:, 1:] - mean[..., :, None] * mean[..., None, :]
    shared = crossed[..., 1:] - color[..., :, None] * mean[..., None, :]
    own = moments[:, _OWN].reshape(-1, RINGS, 3) - color.square()
    units, soft = (_identity(n, moments) for n in (3, 6))
    usual = torch.stack([torch.cat([a * units, (1 - a) * units], 1) for a in SHARES])
    away = solved(spread + SOFTNESS * soft, (shared - usual @ spread).transpose(-1, -2))
    linear = usual + away.transpose(-1, -2)  # P, Q: (B, RINGS, 3, 6)
    offset = color - _times(linear, mean)
    left = own - (linear * (2 * shared - linear @ spread)).sum(-1)
    inner, outer = mean[..., :3], mean[..., 3:]
    rest = (linear[..., 3:] * units).sum((-1, -2))[..., None] / 3  # 1 - a
    share = (1 - rest).clamp_min(LEAST_SHARE)
    before = linear[..., :3] / share[..., None]
    shift = (offset + _times(linear[..., 3:], outer) - rest * outer) / share
    alone = [
        *(linear.flatten(2), offset, left.clamp_min(1e-6).log()),
        *(before.flatten(2).clamp(-4, 4), shift.clamp(-2, 2), rest),
        (_times(before, inner) + shift - inner).clamp(-1, 1),
    ]
    parts = torch.cat(alone, 2)
    maps = _together(around, crossed, share.clamp_max(1.05)[..., None])
    whole = around[:, 0, 0, _COLOR_AND_1]
    moved = _times(maps.transpose(-1, -2), whole[:, None]).clamp(-1, 1)
    maps = maps.flatten(2).clamp(-2, 2)
    parts = torch.where(known, parts, torch.zeros_like(parts)).flatten(1)
    return torch.cat([parts, maps.flatten(1), moved.flatten(1)], 1), maps


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]


def _together(around: Tensor, crossed: Tensor, share: Tensor) -> Tensor:
    """Maps (B, MAPS, 4, 3) of several rings, less the identity; share is (B, RINGS, 1, 1)."""
    inner = around[:, :, _COLOR_AND_1][..., _COLOR_AND_1]
    outer = around[:, :, 4:][..., _COLOR_AND_1]
    person = crossed[..., _COLOR_AND_1] - (1 - share) * outer
    units = _identity(4, around)
    squares = share.square() * inner
    wanted = share * person - squares[..., :3, :]
    matrices, values = [], []
    for rings in map(list, TOGETHER):
        for softness in (SOFTNESS, 5 * SOFTNESS):
            matrices.append(squares[:, rings].sum(1) + softness * units)
            values.append(wanted[:, rings].sum(1).transpose(-1, -2))
    return solved(torch.stack(matrices, 1), torch.stack(values, 1))


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
        self.edge = Standardize(FOUND)
        self.field = Standardize(12)
        self.trunk = nn.Sequential(
            nn.Dropout(0.1), *hidden_layers(COLORS + FOUND + 12, hidden, dropout=0.2)
        )
        self.color_map = nn.Linear(hidden, 12)
        self.trust = nn.Linear(hidden, 12 * MAPS)
        for layer in (self.color_map, self.trust):
            nn.init.zeros_(layer.weight)  # at first it changes nothing
            nn.init.zeros_(layer.bias)

    @torch.no_grad()
    def read(self, composite: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Read the edge: what :meth:`told` makes of :func:`seam_statistics`."""
        return self.told(seam_statistics(composite, mask))

    def told(self, moments: Tensor) -> tuple[Tensor, Tensor]:
        """Standardized numbers of the edge (B, FOUND), and its maps (B, MAPS, 12)."""
        found, maps = edge_maps(moments)
        edge: Tensor = self.edge(found)
        return edge, maps

    def forward(
        self, colors: Tensor, edge: Tensor, maps: Tensor, field: Tensor, light: Tensor
    ) -> Tensor:
        """One color map for the whole foreground, (B, 13, 1, 1), to be added to the field.

        Args:
            colors: standardized statistics of both sides, (B, COLORS).
            edge: what :meth:`read` gives.
            maps: the same, its maps.
            field: what :func:`within` gives of the field so far.
            light: how much of the scene's light to take on, in [0, 1], (B,).
        """
        hidden = self.trunk(torch.cat([colors, edge, self.field(field)], 1))
        trust = self.trust(hidden).reshape(-1, MAPS, 12)
        change = self.color_map(hidden) + (trust * (maps - field[:, None])).sum(1)
        change = change * (1 - light)[:, None].to(change.dtype)
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
        self.learn(torch.cat([seam_statistics(*pair) for pair in pairs]), field)

    @torch.no_grad()
    def learn(self, moments: Tensor, field: Tensor) -> None:
        """Take the same from the moments themselves, (N, SEAM)."""
        self.edge.learn(edge_maps(moments)[0])
        self.field.learn(field)
