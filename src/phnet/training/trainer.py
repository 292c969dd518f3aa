"""Training: one loop for one process or many (torchrun), resumable bit for bit."""

import logging
import math
import os
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from phnet.errors import BadRecipe, TrainingStopped
from phnet.networks import PHNet
from phnet.training.checkpoint import load_checkpoint, save_checkpoint, take_weights
from phnet.training.dataset import Places, TrainingImages, loaded
from phnet.training.logs import Board, Meter, Metrics, Tracker
from phnet.training.optimizers import follow, make_optimizer, rate_factor
from phnet.training.recipe import Recipe
from phnet.training.sets import Sets, load_sets
from phnet.training.stepping import Stepper
from phnet.training.tasks import Network, network, task_of
from phnet.training.validation import measured, sheet

log = logging.getLogger(__name__)

SAMPLE = 512  # images that the statistics' scale is learned from, before a run


@dataclass(frozen=True)
class Progress:
    """Progress of a run, for whoever shows it."""

    images: int
    total: int
    loss: float
    images_per_s: float
    waiting: float  # share of the time spent waiting for data
    val: float | None  # the first measure (MSE on [0, 255]); only right after a validation


class Trainer:
    """A run of a recipe in a folder.

    The folder gets ``last.pt`` (to resume), ``best.pt`` (lowest first measure: MSE, or 1 - IoU),
    ``metrics.csv``, TensorBoard's event files, and ``cache/`` with decoded photos. ``sets``: these
    images, made ready before the process group, instead of the recipe's.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        cache: Path | None = None,
        pictures: bool = True,
        sets: Sets | None = None,
    ) -> None:
        self.recipe = recipe
        self.task = task_of(recipe.model)
        self.folder = folder
        self.world = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        if recipe.run.batch % (self.world * recipe.run.accumulate):
            raise BadRecipe(
                f"batch {recipe.run.batch} does not divide over {self.world} processes and "
                f"{recipe.run.accumulate} pieces"
            )
        local = int(os.environ.get("LOCAL_RANK", "0"))
        self.device = (
            torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
        )
        self.dtype = torch.float64 if recipe.run.precision == "fp64" else torch.float32
        folder.mkdir(parents=True, exist_ok=True)
        self.metrics = Metrics(folder)
        self.board = Board(folder) if pictures else None
        self.tracker = (
            Tracker(recipe.run.tracker, folder, recipe.name, recipe.as_dict())
            if recipe.run.tracker and self.rank == 0
            else None
        )
        self._take(sets or load_sets(recipe, cache or folder / "cache"))
        self._build()
        self.step = 0
        self.best = math.inf
        self._resume()

    # -- set-up ---------------------------------------------------------------------------

    def _take(self, sets: Sets) -> None:
        if sets.train.rejected and self.rank == 0:
            log.warning("%d images cannot be used and are skipped", len(sets.train.rejected))
        self.validation = sets.validation
        self.images = TrainingImages(sets.train, self.recipe.data, self.recipe.run.seed)
        schedule = self.recipe.schedule
        self.total = schedule.images or schedule.epochs * len(sets.train)
        self.steps = math.ceil(self.total / self.recipe.run.batch)

    def _build(self) -> None:
        run = self.recipe.run
        torch.manual_seed(run.seed)
        net = network(self.recipe.model)
        begun = self._kept() is not None
        self.images_before = take_weights(net, run.init) if run.init and not begun else 0
        if isinstance(net, PHNet) and not begun and net.scaleless():
            sample = [self.images[g] for g in range(SAMPLE)]
            net.learn_scales(
                *(torch.stack([x[name] for x in sample]) / 255 for name in ("composite", "mask"))
            )
        net = net.to(self.device, self.dtype)
        if run.channels_last:
            net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for part in run.freeze:
            if part != "batchnorm":
                getattr(net, part).requires_grad_(False)
        if run.sync_batchnorm and self.world > 1:
            net = nn.SyncBatchNorm.convert_sync_batchnorm(net)  # type: ignore[no-untyped-call]
        self.net: Network = net
        self.optimizer = make_optimizer(self.recipe.optimizer, net)
        self.average = deepcopy(net).requires_grad_(False) if run.ema else None
        self.runner: nn.Module = net
        if self.world > 1:
            # Batch normalization's statistics stay each process's own (unless synchronized);
            # its running averages are those of rank 0, which DDP broadcasts.
            self.runner = DistributedDataParallel(net)
        if run.compile:
            self.runner.compile()
        self.stepper = Stepper(
            *(self.recipe, self.task, net, self.runner, self.optimizer, self.device, self.world)
        )

    # -- checkpoints ----------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that a run needs to go on: what a checkpoint keeps."""
        return {
            "config": asdict(self.recipe.model),
            "recipe": self.recipe.as_dict(),
            "model": self.net.state_dict(),
            "ema": self.average.state_dict() if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "images": self.step * self.recipe.run.batch,
            "images_before": self.images_before,  # seen by the weights that this run started from
            "best": self.best,
            "scaler": self.stepper.scaler.state_dict(),
            "random": torch.get_rng_state(),
        }

    def _save(self, name: str) -> None:
        if self.rank == 0:
            save_checkpoint(self.state(), self.folder / name)

    def _kept(self) -> Path | None:
        """The checkpoint to go on from: the last one, else the best one."""
        places = (self.folder / "last.pt", self.folder / "best.pt")
        return next((path for path in places if path.exists()), None)

    def _resume(self) -> None:
        path = self._kept()
        if path is None:
            return
        state = load_checkpoint(path)
        if state["config"] != asdict(self.recipe.model):
            raise BadRecipe(
                f"{path} is of another network than recipe {self.recipe.name}: "
                "use another output folder, or the recipe it was started with"
            )
        self.net.load_state_dict(state["model"])
        if self.average is not None:
            self.average.load_state_dict(state["ema"] or state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state.get("scaler"):  # not in older checkpoints, empty but for fp16
            self.stepper.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"])
        self.step, self.best = state["step"], state["best"]
        self.images_before = int(state.get("images_before", 0))  # not in older checkpoints
        log.info("goes on from %s at %d images", path, state["images"])

    # -- the loop -------------------------------------------------------------------------

    def run(
        self,
        minutes: float | None = None,
        show: Callable[[Progress], None] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Train until the recipe's end, ``minutes`` have passed, or ``stopping()`` is true.

        Ends in good order: ``last.pt`` is written.

        Raises:
            TrainingStopped: the loss is not finite; names the images and the last checkpoint.
        """
        run = self.recipe.run
        deadline = time.monotonic() + minutes * 60 if minutes is not None else math.inf
        meter = Meter()
        if self.rank == 0:
            self.metrics.keep_until(self.step * run.batch)
        saved = time.monotonic()
        places = Places(self.step, self.steps, run.batch, self.rank, self.world)
        batches = loaded(self.images, places, self.recipe.data.workers, self.device.type == "cuda")
        while self.step < self.steps:
            with meter.waiting():
                batch = next(batches)
            loss = self._step(batch)
            meter.add(loss, run.batch)
            images, rates, val = self.step * run.batch, meter.rates(), None
            if images // run.validate_every > (images - run.batch) // run.validate_every:
                val = self._validate_and_log(meter)
                meter = Meter()
            if run.keep_every and images // run.keep_every > (images - run.batch) // run.keep_every:
                self._save(f"images-{images:09d}.pt")
            now = time.monotonic()
            if now - saved > run.checkpoint_minutes * 60:
                self._save("last.pt")
                saved = now
            show(Progress(min(images, self.total), self.total, loss, *rates, val))
            if self._together(now > deadline or stopping()):
                break
        self._save("last.pt")
        if self.step == self.steps and not self.metrics.end_with(self.step * run.batch):
            self._validate_and_log(meter)
            self._save("last.pt")
        for written in (self.board, self.tracker):
            if written is not None:
                written.close()

    def _planes(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """A batch on the device: pictures and masks in [0, 1], and the light asked for."""
        found = {
            name: batch[name].to(self.device, non_blocking=True).to(self.dtype)
            for name in ("composite", "mask", "real", "light", "relit", "relit_real")
            if name in batch
        }
        return {name: x if name == "light" else x / 255 for name, x in found.items()}

    def _step(self, batch: dict[str, Any]) -> float:
        """One step on one global batch; returns the mean loss over all processes."""
        run, schedule = self.recipe.run, self.recipe.schedule
        factor = rate_factor(
            *(self.step * run.batch, self.total, schedule.warmup, schedule.decay, schedule.shape)
        )
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.optimizer.lr * factor
        loss = self.stepper(self._planes(batch))
        if loss is None:
            raise TrainingStopped(
                f"the loss is not finite at {self.step * run.batch} images, in the batch of "
                f"{', '.join(batch['id'])}; the last good checkpoint is {self.folder / 'last.pt'}"
            )
        self.step += 1
        if self.average is not None:
            follow(self.average, self.net, self.step, run.ema)
        return loss

    def _together(self, condition: bool) -> bool:
        """Tell whether ``condition`` holds on any process: all then do the same."""
        if self.world == 1:
            return condition
        flag = torch.tensor(float(condition), device=self.device)
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag)

    # -- validation -----------------------------------------------------------------------

    def validate(self) -> dict[str, float]:
        """The task's measures, means of per-image values over the whole validation set."""
        place = (self.rank, self.world, self.device)
        return measured(self._judged(), self.task, self.validation, self._planes, *place)

    def picture_grid(self, count: int = 8) -> Tensor:
        """Some validation images, a column of three pictures each: (3, 3 S, count S)."""
        return sheet(self._judged(), self.task, self.validation, self._planes, count)

    def _judged(self) -> nn.Module:
        return self.average if self.average is not None else self.net

    def _validate_and_log(self, meter: Meter) -> float:
        result = self.validate()
        speed, waiting = meter.rates()
        images = self.step * self.recipe.run.batch
        row = {
            "images": images,
            "loss": meter.loss(),
            "lr": self.optimizer.param_groups[0]["lr"],
            "images_per_s": speed,
            "waiting": waiting,
            **result,
        }
        if self.rank == 0:
            shown = ", ".join(f"{name} {value:.4g}" for name, value in result.items())
            log.info("%d images: loss %.4g, %s, %.1f images/s", images, row["loss"], shown, speed)
            self.metrics.add(row)
            if self.tracker is not None:
                self.tracker.add(row)
            if self.board is not None:
                self.board.add(row, self.picture_grid())
        first = result[self.task.measures[0]]
        if first < self.best:
            self.best = first
            self._save("best.pt")
        return first
