"""Networks as folders of two files, ``config.json`` and ``model.safetensors``, as hubs keep them.

Nothing is fetched: a folder is handed in, from wherever it was brought. The weights are plain
tensors and the configuration plain values, so that nothing in a folder from a stranger can run.
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import nn

from phnet.errors import BadModel, BadOutput, MissingExtra
from phnet.files import json_of, write_bytes, write_text

CONFIG, WEIGHTS = "config.json", "model.safetensors"
KIND = "phnet"  # the model_type in config.json
LARGEST_CONFIG = 1 << 16  # bytes
LARGEST_WEIGHTS = 1 << 30


class Pretrained(nn.Module):
    """A network that is written into a folder and read from one."""

    Config: ClassVar[Any]  # the dataclass that its constructor takes
    config: Any

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write the network into a folder, which is made where it is missing.

        Raises:
            BadOutput: it cannot be written.
            MissingExtra: safetensors is not installed.
        """
        try:
            from safetensors.torch import save
        except ModuleNotFoundError as error:
            raise MissingExtra("train", "PHNet.save_pretrained") from error
        folder = Path(folder)
        about = {"model_type": KIND, "architectures": [type(self).__name__]}
        about |= dataclasses.asdict(self.config)
        weights = {name: x.detach().cpu().contiguous() for name, x in self.state_dict().items()}
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise BadOutput(f"{folder}: cannot be made ({error.strerror})") from error
        write_bytes(folder / WEIGHTS, save(weights, {"format": "pt"}))
        write_text(folder / CONFIG, json.dumps(about, indent=2) + "\n")

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save_pretrained` wrote, in eval mode.

        Raises:
            BadModel: a file is missing, too large, damaged, or does not fit the other.
            MissingExtra: safetensors is not installed.
        """
        try:
            from safetensors import SafetensorError
            from safetensors.torch import load
        except ModuleNotFoundError as error:
            raise MissingExtra("train", "PHNet.from_pretrained") from error
        folder = Path(folder)
        config = _config(folder / CONFIG, cls.Config)
        path = folder / WEIGHTS
        try:
            weights = load(_content(path, LARGEST_WEIGHTS))
        except (SafetensorError, ValueError, KeyError) as error:
            reason = str(error)[:200]
            raise BadModel(f"{path}: expected weights as safetensors, but {reason}") from error
        with torch.device("meta"):  # nothing is allocated for a configuration that does not fit
            net = cls(config)
        expected = {name: x.shape for name, x in net.state_dict().items()}
        if expected != {name: x.shape for name, x in weights.items()}:
            raise BadModel(f"{path}: expected weights of the network in {CONFIG}, found others")
        net = cls(config)
        net.load_state_dict(weights)
        return net.eval()


def _config(path: Path, kind: Any) -> Any:
    try:
        values = json_of(_content(path, LARGEST_CONFIG), LARGEST_CONFIG)
    except ValueError as error:
        raise BadModel(f"{path}: expected a configuration as JSON, but {error}") from error
    if not isinstance(values, dict) or values.pop("model_type", None) != KIND:
        raise BadModel(f"{path}: expected a configuration with the model_type {KIND}")
    known = {field.name for field in dataclasses.fields(kind)}
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in known
    }
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        raise BadModel(f"{path}: expected a usable configuration, but {error}") from error


def _content(path: Path, largest: int) -> bytes:
    if not path.is_file():
        raise BadModel(f"{path}: expected a file, but there is none")
    if path.stat().st_size > largest:
        raise BadModel(f"{path}: expected a file of at most {largest} bytes")
    return path.read_bytes()
