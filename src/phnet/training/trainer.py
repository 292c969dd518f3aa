"""Training: one loop for one process or many (torchrun), resumable bit for bit."""

import contextlib
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
from torch.utils.data import DataLoader

from phnet.errors import BadRecipe, TrainingStopped
from phnet.networks import PHNet
from phnet.training.cache import build_cache
from phnet.training.checkpoint import load_checkpoint, save_checkpoint, take_weights
from phnet.training.dataset import Places, TrainingImages, ValidationImages, loaded
from phnet.training.logs import Board, Meter, Metrics
from phnet.training.optimizers import follow, make_optimizer, rate_factor
from phnet.training.recipe import Recipe
from phnet.training.sources import pair_sources, photo_sources, scene_sources
from phnet.training.tasks import Network, network, task_of

log = logging.getLogger(__name__)

SAMPLE = 512  # images that the statistics' scale is learned from, before a run


@dataclass(frozen=True)
class Progress:
    """Where a run stands, for whoever shows it."""

    images: int
    total: int
    loss: float
    images_per_s: float
    waiting: float  # share of the time spent waiting for data
    val: float | None  # the first measure (MSE on [0, 255]); only right after a validation


class Trainer:
    """A run of a recipe in a folder.

    The folder gets ``last.pt`` (to resume), ``best.pt`` (lowest first measure: MSE, or 1 - IoU),
    ``metrics.csv``, TensorBoard's event files, and ``cache/`` with decoded photos.
    """

    def __init__(
        self, recipe: Recipe, folder: Path, cache: Path | None = None, pictures: bool = True
    ) -> None:
        self.recipe = recipe
        self.task = task_of(recipe.model)
        self.folder = folder
        self.world = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        if recipe.run.batch % self.world:
            raise BadRecipe(f"batch {recipe.run.batch} does not divide over {self.world} processes")
        local = int(os.environ.get("LOCAL_RANK", "0"))
        self.device = (
            torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
        )
        self.dtype = torch.float64 if recipe.run.precision == "fp64" else torch.float32
        folder.mkdir(parents=True, exist_ok=True)
        self.metrics = Metrics(folder)
        self.board = Board(folder) if pictures else None
        self._load_data(cache or folder / "cache")
        self._build()
        self.step = 0
        self.best = math.inf
        self._resume()

    # -- set-up ---------------------------------------------------------------------------

    def _load_data(self, cache: Path) -> None:
        data = self.recipe.data

        def sources(split: str) -> Any:
            if data.kind == "pairs":
                return pair_sources(data.folders, split, data.real)
            return photo_sources(data.folders, split)

        for turn in range(2):  # rank 0 decodes, the others then find the cache
            if (turn == 0) == (self.rank == 0):
                train = build_cache(sources("train"), data.cache_size or data.size, cache)
                val = build_cache(sources("val"), data.size, cache)
                backgrounds = scene_sources(data.folders, "val") if data.scene_light else []
                scenes = build_cache(backgrounds, data.size, cache) if backgrounds else None
                self.validation = ValidationImages(val, data.scene_light > 0, scenes)
            if dist.is_initialized():
                dist.barrier()
        if train.rejected and self.rank == 0:
            log.warning("%d images cannot be used and are skipped", len(train.rejected))
        self.images = TrainingImages(train, data, self.recipe.run.seed)
        schedule = self.recipe.schedule
        self.total = schedule.images or schedule.epochs * len(train)
        self.steps = math.ceil(self.total / self.recipe.run.batch)

    def _build(self) -> None:
        run = self.recipe.run
        torch.manual_seed(run.seed)
        net = network(self.recipe.model)
        begun = (self.folder / "last.pt").exists()
        self.images_before = take_weights(net, run.init) if run.init and not begun else 0
        if (
            isinstance(net, PHNet)
            and net.statistics is not None
            and not begun
            and (not net.statistics.colors.mean.any())
        ):
            sample = [self.images[g] for g in range(SAMPLE)]
            net.statistics.learn_scale(
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
            "random": torch.get_rng_state(),
        }

    def _save(self, name: str) -> None:
        if self.rank == 0:
            save_checkpoint(self.state(), self.folder / name)

    def _resume(self) -> None:
        path = self.folder / "last.pt"
        if not path.exists():
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
        if self.board is not None:
            self.board.close()

    def _planes(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """A batch on the device: pictures and masks in [0, 1], and the light asked for."""
        found = {
            name: batch[name].to(self.device, non_blocking=True).to(self.dtype)
            for name in ("composite", "mask", "real", "light", "relit", "relit_real")
            if name in batch
        }
        return {name: x if name == "light" else x / 255 for name, x in found.items()}

    def _step(self, batch: dict[str, Any]) -> float:
        """One step of the optimizer on one global batch; returns this process's mean loss."""
        run, schedule = self.recipe.run, self.recipe.schedule
        planes = self._planes(batch)
        factor = rate_factor(self.step * run.batch, self.total, schedule.warmup, schedule.decay)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.optimizer.lr * factor
        self.runner.train()
        if "batchnorm" in run.freeze:
            for module in self.net.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            predicted = self.task.predict(self.runner, planes)
        loss = self.task.loss(predicted, planes, asdict(self.recipe.loss)).mean()
        if self._together(not bool(loss.isfinite())):
            raise TrainingStopped(
                f"the loss is {loss.item()} at {self.step * run.batch} images, in the batch of "
                f"{', '.join(batch['id'])}; the last good checkpoint is {self.folder / 'last.pt'}"
            )
        torch.autograd.backward(loss)
        if run.clip:
            nn.utils.clip_grad_norm_(self.net.parameters(), run.clip)
        self.optimizer.step()
        self.step += 1
        if self.average is not None:
            follow(self.average, self.net, self.step, run.ema)
        return loss.item()

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.recipe.run.precision == "bf16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def _together(self, condition: bool) -> bool:
        """Whether ``condition`` holds on any process: all then do the same."""
        if self.world == 1:
            return condition
        flag = torch.tensor(float(condition), device=self.device)
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag)

    # -- validation -----------------------------------------------------------------------

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The task's measures, means of per-image values over the whole validation set."""
        net = self.average if self.average is not None else self.net
        was_training = net.training
        net.eval()
        names = self.task.measures
        places = list(range(self.rank, len(self.validation), self.world))
        sums = torch.zeros(len(names) + 1, dtype=torch.float64, device=self.device)
        for batch in DataLoader(self.validation, 16, sampler=places):
            scores = self.task.score(net, self._planes(batch))
            sums += torch.cat([scores.sum(0), sums.new_tensor([len(scores)])])
        net.train(was_training)
        if self.world > 1:
            dist.all_reduce(sums)
        return dict(zip(names, (sums[:-1] / sums[-1]).tolist(), strict=True))

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
            if self.board is not None:
                self.board.add(row, self.picture_grid())
        first = result[self.task.measures[0]]
        if first < self.best:
            self.best = first
            self._save("best.pt")
        return first

    @torch.no_grad()
    def picture_grid(self, count: int = 8) -> Tensor:
        """Some validation images, a column of three pictures each: (3, 3 S, count S)."""
        net = self.average if self.average is not None else self.net
        was_training = net.training
        net.eval()
        step = max(1, len(self.validation) // count)
        columns = []
        for row in range(0, min(len(self.validation), step * count), step):
            item = self.validation[row]
            one = {
                name: torch.as_tensor(value)[None] for name, value in item.items() if name != "id"
            }
            columns.append(self.task.column(net, self._planes(one)))
        net.train(was_training)
        return torch.cat(columns, 2).clamp(0, 1).cpu()
