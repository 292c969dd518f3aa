"""ComfyUI's tensors to arrays and back: IMAGE (B, H, W, C) and MASK (B, H, W), float in [0, 1]."""

from typing import Any

import numpy as np
import torch

from phnet.errors import BadInput
from phnet.images import check_mask, read_mask
from phnet.images.arrays import Floats


def frames(image: torch.Tensor) -> Floats:
    """An IMAGE as float32 (B, H, W, 3 or 4) in [0, 1]."""
    return np.ascontiguousarray(image.detach().cpu().float().clamp(0, 1).numpy())


def image_of(pictures: list[Any]) -> torch.Tensor:
    """Pictures of one size, float32 (H, W, 3 or 4), as an IMAGE."""
    return torch.from_numpy(np.stack(pictures).astype(np.float32))


def mask_of(alphas: list[Any]) -> torch.Tensor:
    """Alphas of one size, float32 (H, W), as a MASK."""
    return torch.from_numpy(np.stack(alphas).astype(np.float32))


def masks_for(mask: torch.Tensor | None, count: int, size: tuple[int, int]) -> list[Floats | None]:
    """A MASK as one float32 (H, W) for each of ``count`` pictures of a size; None stays None.

    Raises:
        BadInput: there are neither as many masks as pictures nor one, or one has another aspect.
    """
    if mask is None:
        return [None] * count
    values = frames(mask if mask.ndim == 3 else mask[None])
    if len(values) not in (1, count):
        raise BadInput(f"mask: expected 1 or {count} masks for {count} images, got {len(values)}")
    made = [check_mask(read_mask(each).alpha, size) for each in values]
    return list(made) * (count if len(made) == 1 else 1)


def size_of(pictures: Floats) -> tuple[int, int]:
    """(H, W) of a batch."""
    return int(pictures.shape[1]), int(pictures.shape[2])
