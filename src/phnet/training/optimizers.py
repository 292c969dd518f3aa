"""The optimizers of a recipe, the course of the learning rate, and the average of weights."""

import math

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from phnet.training.recipe import Optimizer


def make_optimizer(settings: Optimizer, net: nn.Module) -> torch.optim.Optimizer:
    """Lion (as in the paper), AdamW, or plain SGD, over what learns."""
    learning = [p for p in net.parameters() if p.requires_grad]
    if settings.name == "lion":
        from lion_pytorch import Lion

        lion: torch.optim.Optimizer = Lion(
            learning, lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay
        )
        return lion
    if settings.name == "adamw":
        first, second = settings.betas
        return torch.optim.AdamW(
            learning, lr=settings.lr, betas=(first, second), weight_decay=settings.weight_decay
        )
    return torch.optim.SGD(learning, lr=settings.lr, weight_decay=settings.weight_decay)


def rate_factor(images: int, total: int, warmup: int, decay: float, shape: str = "linear") -> float:
    """The learning rate's factor after ``images`` of ``total``: up, level, down to zero.

    It falls over the last ``decay`` of the run, linearly or as half a cosine.
    """
    up = min(1.0, (images + 1) / warmup) if warmup else 1.0
    falling = decay * total
    left = max(min(1.0, (total - images) / falling), 0.0) if falling else 1.0
    return up * (0.5 - 0.5 * math.cos(math.pi * left) if shape == "cosine" else left)


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, step: int, decay: float) -> None:
    """Move an average of weights towards those of ``net`` after ``step`` steps.

    torch's own rule, without its ``AveragedModel``, whose copy of the network would give
    checkpoints other names.
    """
    decay = min(decay, (1 + step) / (10 + step))  # young averages follow faster
    old, new = average.state_dict(), net.state_dict()
    floats = [key for key, value in old.items() if value.is_floating_point()]
    move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    move([old[k] for k in floats], [new[k] for k in floats], step)
