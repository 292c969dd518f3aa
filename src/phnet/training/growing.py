"""Weights of a smaller network as the start of a larger one that gives the same answers."""

from collections.abc import Mapping

import torch
from torch import Tensor

from phnet.networks import PHNet


def grown(weights: Mapping[str, Tensor], net: PHNet) -> dict[str, Tensor]:
    """Widen ``weights`` to ``net``'s channels, and add what it has besides.

    A new channel starts with the random weights that ``net`` has for it, and with zeros in what
    reads it, so that the old channels keep their values: instance normalization takes each channel
    for itself. (Net2WiderNet, Chen et al. 2016, copies channels instead.) The detail plane that
    makes an affine head a field starts at zero, too. What is larger than in ``net`` stays as it is;
    loading it fails.

    Args:
        weights: by name, of a network whose channels are at most ``net``'s.
        net: freshly made.

    Returns:
        Weights by name, those that ``weights`` lacks still missing.
    """
    fresh = net.state_dict()
    return {
        name: _grown(name, value, fresh[name]) if name in fresh else value
        for name, value in weights.items()
    }


def _grown(name: str, old: Tensor, new: Tensor) -> Tensor:
    """``old`` as a part of a tensor of ``new``'s shape."""
    if old.shape == new.shape or old.dim() != new.dim() or not old.dim():
        return old
    if any(have > want for have, want in zip(old.shape, new.shape, strict=True)):
        return old
    result = new.detach().clone()
    outputs = 1 if name.endswith(".up.weight") else 0  # transposed convolutions begin with inputs
    head = name.startswith("decoder.5.up.")
    places = [
        _places(name, axis, have, want)
        for axis, (have, want) in enumerate(zip(old.shape, new.shape, strict=True))
    ]
    if head:
        result.zero_()
    elif old.dim() > 1:  # outputs that there were do not see new inputs
        result.index_fill_(outputs, places[outputs], 0)
    result[torch.meshgrid(*places, indexing="ij")] = old.to(result.dtype)
    return result


def _places(name: str, axis: int, have: int, want: int) -> Tensor:
    """Places of the ``have`` old entries of an axis among the ``want`` new ones."""
    # Two groups one after the other: what comes up and what the encoder brings; scale and shift.
    merged = name.endswith(".merge.weight") and axis == 1
    if merged or (name.startswith("statistics.film.") and axis == 0):
        half = torch.arange(have // 2)
        return torch.cat([half, want // 2 + half])
    return torch.arange(have)
