"""One step of the optimizer on one global batch: precision, accumulation, several processes."""

import contextlib
from dataclasses import asdict
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from phnet.training.recipe import Recipe
from phnet.training.tasks import Planes, Task

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Stepper:
    """Takes steps of ``optimizer`` on ``net``, which is run through ``runner``.

    Args:
        recipe: precision, accumulation, clipping, and the objective's weights.
        task: how the network is run and judged.
        net: the network.
        runner: the network itself, or what runs it over several processes.
        optimizer: of the network's weights.
        device: where they are.
        world: how many processes there are.
    """

    def __init__(
        self,
        recipe: Recipe,
        task: Task,
        net: nn.Module,
        runner: nn.Module,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
        world: int,
    ) -> None:
        self.recipe, self.task, self.net, self.runner = recipe, task, net, runner
        self.optimizer, self.device, self.world = optimizer, device, world
        # In half precision small gradients vanish: the loss is scaled up, the gradients back.
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.run.precision == "fp16")

    def __call__(self, planes: Planes) -> float | None:
        """Step on this process's share of a batch.

        Returns:
            The mean loss over all processes; None where it is not finite on any, and then
            no weight has changed.
        """
        run = self.recipe.run
        self.runner.train()
        if "batchnorm" in run.freeze:
            for module in self.net.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        self.optimizer.zero_grad(set_to_none=True)
        size = len(planes["composite"]) // run.accumulate
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for k in range(run.accumulate):
            piece = {name: x[k * size : (k + 1) * size] for name, x in planes.items()}
            with self._alone(k < run.accumulate - 1):
                with self._autocast():
                    predicted = self.task.predict(self.runner, piece)
                loss = self.task.loss(predicted, piece, asdict(self.recipe.loss)).mean()
                loss = loss / run.accumulate
                torch.autograd.backward(self.scaler.scale(loss))
            total += loss.detach().double()
        if self.world > 1:
            dist.all_reduce(total)  # what is not finite anywhere makes the sum so
        mean = total.item() / self.world
        if not torch.isfinite(total):
            return None
        if run.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.net.parameters(), run.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return mean

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        half = HALVES.get(self.recipe.run.precision)
        if half is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, half)

    def _alone(self, more: bool) -> contextlib.AbstractContextManager[Any]:
        """Gradients are exchanged with the last piece of a batch only."""
        if more and isinstance(self.runner, DistributedDataParallel):
            return self.runner.no_sync()
        return contextlib.nullcontext()
