"""Description of a network or its file: name, size, work, and how it is built."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from phnet.errors import BadModel
from phnet.export.onnx_info import describe_onnx, is_onnx
from phnet.networks import PHNet
from phnet.networks.mattenet import MATTES, MatteNet
from phnet.networks.phnet import CONFIGS
from phnet.networks.released import ReleasedPHNet, from_state, is_released
from phnet.training.checkpoint import FORMAT, images_of, load_state, network_of
from phnet.training.tasks import Config, network

NAMED: dict[str, Config] = {**CONFIGS, **MATTES}  # networks without weights, by name


def load_any(path: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """The network in a checkpoint of ours or a published state dict, in eval mode.

    Returns:
        The network, and the card of what it is.

    Raises:
        BadModel: the file holds neither.
    """
    path = Path(path)
    state = load_state(path)
    if is_released(state):
        net: nn.Module = from_state(state, path)
        return net, card_of(net, path.stem)
    if state.get("format") != FORMAT:
        raise BadModel(
            f"{path}: expected a checkpoint of phnet train or a published PHNet state dict, "
            "found neither"
        )
    try:
        recipe, images = str(state["recipe"]["name"]), images_of(state)
        net = network_of(state, path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadModel(
            f"{path}: expected a whole checkpoint of phnet train, but {error!r} is wrong with it"
        ) from error
    return net, card_of(net, recipe) | {"recipe": recipe, "images_seen": images}


def card_of(net: nn.Module, name: str) -> dict[str, Any]:
    """The facts that every description has, without the work at 256 pixels."""
    card: dict[str, Any] = {
        "name": name,
        "parameters": sum(p.numel() for p in net.parameters()),
    }
    if isinstance(net, ReleasedPHNet):
        first = 8 - len(net.grids)
        return card | {
            "kind": "released",
            "pn_layers": list(range(first, 7)),
            "pfe": True,
            "output": "image",
            "multiple": 8,
            "widths": list(net.widths),
            "grids": list(net.grids),
        }
    if isinstance(net, MatteNet):
        return card | {"kind": "matte", "widths": list(net.config.widths)}
    assert isinstance(net, PHNet)
    config = net.config
    return card | {
        "kind": "phnet",
        "pn_layers": list(config.pn_layers),
        "pfe": config.pfe,
        "output": config.output,
        "widths": list(config.widths),
        "shrink": config.shrink,
        "statistics": config.statistics,
        "seam": config.seam,
    }


def gflop_256(net: nn.Module) -> float:
    """Work of one 256x256 image in GFLOP; a multiply-add counts as two."""
    with torch.device("meta"):
        inputs = [torch.empty(1, 3, 256, 256), torch.empty(1, 1, 256, 256)]
        inputs = inputs[: 1 if isinstance(net, MatteNet) else 2]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        deepcopy(net).to("meta").eval()(*inputs)
    return float(round(counter.get_total_flops() / 1e9, 2))


def describe_name(name: str) -> dict[str, Any]:
    """Describe one of the networks that have a name; no weights are made."""
    if name not in NAMED:
        raise BadModel(f"{name}: expected a file, or one of {', '.join(NAMED)}")
    with torch.device("meta"):
        net = network(NAMED[name])
    return card_of(net, name) | {"gflop_256": gflop_256(net)}


def describe_file(path: str | Path) -> dict[str, Any]:
    """Describe a checkpoint, a published state dict, or what :mod:`phnet.export.onnx_info` does."""
    path = Path(path)
    if is_onnx(path):
        return describe_onnx(path)
    net, card = load_any(path)
    return card | {"gflop_256": gflop_256(net), "file": str(path)}
