"""A network of TorchScript as a function of arrays."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from phnet.errors import BadModel


def load_script(
    path: Path, threads: int | None = None
) -> tuple[Callable[[Sequence[npt.NDArray[np.float32]]], Any], int]:
    """Open a file of ``torch.jit.save``.

    A script is a program: run only those whose source is trusted.

    Args:
        path: the file.
        threads: of all torch in this process; None leaves them.

    Returns:
        What takes tensors as arrays, in order, and gives an array, or a tuple or dictionary of
        them; and how many parameters it has.

    Raises:
        BadModel: the file is no script.
    """
    scripts: Any = torch.jit  # without types
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        network = scripts.load(str(path), map_location="cpu").eval()
    except (RuntimeError, OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["it is empty"])[0][:200]
        raise BadModel(f"{path}: expected a network in TorchScript, but {reason}") from error

    def run(tensors: Sequence[npt.NDArray[np.float32]]) -> Any:
        try:
            with torch.inference_mode():
                return _arrays(network(*(torch.from_numpy(each) for each in tensors)))
        except RuntimeError as error:
            reason = (str(error).strip().splitlines() or ["it fails"])[-1][:200]
            raise BadModel(f"{path}: expected a network that runs, but {reason}") from error

    return run, sum(each.numel() for each in network.parameters())


def _arrays(result: Any) -> Any:
    """Tensors as arrays, wherever they are."""
    if isinstance(result, torch.Tensor):
        return result.float().numpy()
    if isinstance(result, dict):
        return {key: _arrays(value) for key, value in result.items()}
    if isinstance(result, tuple | list):
        return [_arrays(value) for value in result]
    return result
