"""A network over the validation images: the task's measures, and a sheet of pictures."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader

from phnet.training.dataset import ValidationImages
from phnet.training.tasks import Planes, Task

ToPlanes = Callable[[dict[str, Any]], Planes]  # a batch of the loader, on the device


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Within, ``net`` is in eval mode and no gradients are kept."""
    was_training = net.training
    net.eval()
    with torch.no_grad():
        yield
    net.train(was_training)


def measured(
    net: nn.Module,
    task: Task,
    images: ValidationImages,
    to_planes: ToPlanes,
    rank: int,
    world: int,
    device: torch.device,
) -> dict[str, float]:
    """The task's measures: means of per-image values over the whole set, each process a share."""
    names = task.measures
    places = list(range(rank, len(images), world))
    sums = torch.zeros(len(names) + 1, dtype=torch.float64, device=device)
    with evaluating(net):
        for batch in DataLoader(images, 16, sampler=places):
            scores = task.score(net, to_planes(batch))
            sums += torch.cat([scores.sum(0), sums.new_tensor([len(scores)])])
    if world > 1:
        dist.all_reduce(sums)
    return dict(zip(names, (sums[:-1] / sums[-1]).tolist(), strict=True))


def sheet(
    net: nn.Module, task: Task, images: ValidationImages, to_planes: ToPlanes, count: int
) -> Tensor:
    """Some of the images, a column of three pictures each: (3, 3 S, count S) in [0, 1]."""
    step = max(1, len(images) // count)
    columns = []
    with evaluating(net):
        for row in range(0, min(len(images), step * count), step):
            item = images[row]
            one = {
                name: torch.as_tensor(value)[None] for name, value in item.items() if name != "id"
            }
            columns.append(task.column(net, to_planes(one)))
    return torch.cat(columns, 2).clamp(0, 1).cpu()
