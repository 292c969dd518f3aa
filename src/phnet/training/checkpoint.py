"""Checkpoints: one dict, read weights-only, written under a temporary name and renamed."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from phnet.errors import BadModel
from phnet.files import json_of, replacing, write_bytes
from phnet.networks import PHNet, PHNetConfig
from phnet.networks.mattenet import MatteConfig
from phnet.networks.released import ReleasedConfig
from phnet.training.growing import grown
from phnet.training.tasks import Config, Network, network

FORMAT = "phnet-checkpoint-1"
LARGEST = 4 * 1024**3  # bytes; a file beyond this is not one of ours


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write ``state`` (see :class:`phnet.training.trainer.Trainer`) to ``path``."""
    with replacing(path) as temporary:
        torch.save({"format": FORMAT, **state}, temporary)


def save_tensors(state: dict[str, Any], path: Path) -> None:
    """Write the weights of a checkpoint (averaged ones, where there are any) as safetensors.

    Its metadata hold, as JSON under ``phnet``, what is needed to train on from them: the network's
    configuration, the recipe's name, and how many images they have seen.
    """
    from safetensors.torch import save

    about = {
        "config": state["config"],
        "recipe": {"name": state["recipe"]["name"]},
        "images": images_of(state),
    }
    weights = {name: x.contiguous() for name, x in (state["ema"] or state["model"]).items()}
    write_bytes(path, save(weights, {"phnet": json.dumps(about, sort_keys=True)}))


def _load_tensors(path: Path) -> dict[str, Any]:
    """Load what :func:`save_tensors` wrote, as a checkpoint without an optimizer.

    Raises:
        BadModel: damaged, or without a card that says what the weights are of.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            about = json_of((file.metadata() or {}).get("phnet", "null"))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise BadModel(
            f"{path}: expected weights as safetensors, but {str(error)[:200]}"
        ) from error
    if not isinstance(about, dict) or not {"config", "recipe", "images"} <= set(about):
        raise BadModel(f"{path}: expected safetensors that phnet export wrote, found others")
    return {"format": FORMAT, **about, "model": weights, "ema": None}


def load_state(path: str | Path) -> dict[str, Any]:
    """Read a file of tensors and plain data onto the CPU; no code in it can run.

    Raises:
        BadModel: missing, too large, truncated, or with anything but plain data in it.
    """
    path = Path(path)
    if not path.is_file():
        raise BadModel(f"{path}: expected a file of weights, but there is no such file")
    if path.stat().st_size > LARGEST:
        raise BadModel(f"{path}: expected a file of weights of at most {LARGEST >> 30} GiB")
    if path.suffix == ".safetensors":
        return _load_tensors(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise whatever their bytes lead to
        raise BadModel(
            f"{path}: expected a file of weights, but it is truncated, damaged, or holds more "
            f"than plain tensors ({type(error).__name__})"
        ) from error
    if not isinstance(state, dict):
        raise BadModel(f"{path}: expected a dictionary of weights, got {type(state).__name__}")
    return state


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of ``phnet train``; see :func:`load_state`.

    Raises:
        BadModel: as :func:`load_state`, or not of this format.
    """
    state = load_state(path)
    if state.get("format") != FORMAT:
        raise BadModel(f"{path}: expected a checkpoint of format {FORMAT}")
    return state


def config_from(values: dict[str, Any]) -> Config:
    """The configuration that a checkpoint keeps as plain values."""
    kinds: tuple[type[Config], ...] = (PHNetConfig, MatteConfig, ReleasedConfig)
    newer = {"shrink", "statistics", "seam"}  # not in older checkpoints; their defaults are those
    fitting = [k for k in kinds if set(values) | newer == {f.name for f in fields(k)} | newer]
    if not fitting:
        known = sorted(f.name for f in fields(PHNetConfig))
        raise BadModel(f"expected a configuration with {known}, got {sorted(values)}")
    plain: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list | tuple) else value
        for key, value in values.items()
    }
    try:
        return fitting[0](**plain)
    except (TypeError, ValueError) as error:
        raise BadModel(f"expected a usable configuration, but {error}") from error


def network_of(state: dict[str, Any], path: str | Path) -> Network:
    """The network of a loaded checkpoint, with averaged weights where there are any.

    Raises:
        BadModel: weights and configuration disagree; ``path`` is named.
    """
    try:
        net = network(config_from(state["config"]))
    except BadModel as error:
        raise BadModel(f"{path}: {error}") from error
    try:
        net.load_state_dict(state.get("ema") or state["model"])
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise BadModel(f"{path}: weights do not fit the configuration ({first})") from error
    return net.eval()


def load_network(path: str | Path) -> PHNet:
    """The harmonization network of a checkpoint file, in eval mode; see :func:`network_of`."""
    net = network_of(load_checkpoint(path), path)
    if not isinstance(net, PHNet):
        raise BadModel(f"{path}: expected a network of the paper's kind, got another")
    return net


def images_of(state: dict[str, Any]) -> int:
    """Images that a checkpoint's weights have seen, those of the runs it started from included."""
    return int(state["images"]) + int(state.get("images_before", 0))


def take_weights(net: Network, path: str | Path) -> int:
    """Start with another run's weights.

    A PFE may be missing there (section 5.1, stage 2), and what turns a network whose output is
    ``affine`` into one whose output is a field: the statistics branch, the seam branch and the
    detail plane. The other network may be narrower; see :func:`phnet.training.growing.grown`.

    Returns:
        How many images these weights have seen.

    Raises:
        BadModel: they are of another network.
    """
    state = load_checkpoint(path)
    weights = dict(state.get("ema") or state["model"])
    if isinstance(net, PHNet):
        weights = grown(weights, net)
    try:
        missing, unexpected = net.load_state_dict(weights, False)
    except RuntimeError as error:
        raise BadModel(f"{path}: weights do not fit the recipe's network ({error})") from error
    added = ("attention.extractor.", "attention.project.", "statistics.", "seam.")
    if unexpected or not all(key.startswith(added) for key in missing):
        raise BadModel(f"{path}: weights do not fit the recipe's network")
    return images_of(state)
