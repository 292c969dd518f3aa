"""One ``phnet train``: process group, signals, a progress bar or log lines."""

import dataclasses
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

# Its functions take the process group of the moment as a default argument. Imported after
# the group was made (as torch.optim does) it would hold gloo's threads until Python ends,
# and one that then lets go of a tensor aborts the process.
import torch.distributed.nn.functional
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from phnet.training.recipe import Recipe, load_recipe
from phnet.training.seeds import Spread, spreads, write_spreads
from phnet.training.sets import Sets, load_sets
from phnet.training.trainer import Progress, Trainer

LOG_SECONDS = 60.0  # between lines where there is no terminal


@contextmanager
def _process_group() -> Iterator[int]:
    """Join torchrun's processes, where there are any; yields this one's rank."""
    if "RANK" not in os.environ:
        yield 0
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield dist.get_rank()
    finally:
        gc.collect()  # DistributedDataParallel, in its cycles, holds the group too
        dist.destroy_process_group()


@contextmanager
def _on_signal() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM ask the loop to stop after its step, instead of breaking it."""
    asked: list[int] = []
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(kind, lambda number, _: asked.append(number)) for kind in kinds]
    try:
        yield lambda: bool(asked)
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


@contextmanager
def _shown(rank: int, start: int, total: int) -> Iterator[Callable[[Progress], None]]:
    """A progress bar on a terminal, a line a minute elsewhere, nothing on other ranks."""
    console = Console(stderr=True)
    if rank != 0:
        yield lambda _: None
    elif not console.is_terminal:
        spoken = time.monotonic()

        def line(progress: Progress) -> None:
            nonlocal spoken
            if time.monotonic() - spoken < LOG_SECONDS:
                return
            spoken = time.monotonic()
            left = (progress.total - progress.images) / max(progress.images_per_s, 1e-9) / 60
            console.print(
                f"{progress.images}/{progress.total} images, loss {progress.loss:.4g}, "
                f"{progress.images_per_s:.1f} images/s, waiting {progress.waiting:.1%}, "
                f"{left:.0f} min left",
                soft_wrap=True,
            )

        yield line
    else:
        columns = (
            *(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("images  loss {task.fields[loss]:.4g}"),
            ),
            *(TextColumn("{task.fields[speed]:.1f}/s"), TimeRemainingColumn()),
        )
        with Bar(*columns, console=console) as bar:
            task = bar.add_task("train", total=total, completed=start, loss=float("nan"), speed=0.0)
            yield lambda progress: bar.update(
                task,
                completed=progress.images,
                loss=progress.loss,
                speed=progress.images_per_s,
            )


def train(
    recipe_path: Path,
    folders: list[Path],
    output: Path | None,
    cache: Path | None,
    minutes: float | None,
    threads: int | None,
    init: Path | None,
    changes: Sequence[str] = (),
    seeds: int = 0,
) -> list[Spread]:
    """Run a recipe as the command line asks for it.

    Returns:
        With ``seeds``, the measures of those runs that have ended; else nothing.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    recipe = load_recipe(recipe_path, changes)
    if folders:
        recipe = recipe.with_data([str(folder) for folder in folders])
    if init:
        recipe = _with_run(recipe, init=str(init))
    if threads:
        torch.set_num_threads(threads)
    folder = output or Path("runs") / recipe_path.stem
    sets = load_sets(recipe, cache or folder / "cache")  # hours, at times: before the group
    with _process_group() as rank, _on_signal() as stopping:
        if not seeds:
            _run(recipe, folder, sets, minutes, rank, stopping)
            return []
        return _run_seeds(recipe, folder, sets, minutes, rank, stopping, seeds)


def _with_run(recipe: Recipe, **changes: Any) -> Recipe:
    return dataclasses.replace(recipe, run=dataclasses.replace(recipe.run, **changes))


def _run(
    recipe: Recipe,
    output: Path,
    sets: Sets,
    minutes: float | None,
    rank: int,
    stopping: Callable[[], bool],
) -> int | None:
    """Train; on return nothing holds the trainer, nor through it the process group.

    Returns:
        How many images the run has seen at its end; None where it has not ended.
    """
    trainer = Trainer(recipe, output, sets=sets)
    batch = recipe.run.batch
    with _shown(rank, min(trainer.step * batch, trainer.total), trainer.total) as show:
        trainer.run(minutes, show, stopping)
    if rank == 0:
        logging.getLogger(__name__).info(
            "%d of %d images seen; checkpoints in %s",
            *(min(trainer.step * batch, trainer.total), trainer.total, trainer.folder),
        )
    return trainer.step * batch if trainer.step == trainer.steps else None


def _run_seeds(
    recipe: Recipe,
    output: Path,
    sets: Sets,
    minutes: float | None,
    rank: int,
    stopping: Callable[[], bool],
    seeds: int,
) -> list[Spread]:
    """Train with the recipe's seed and those after it, one run after another."""
    begun = time.monotonic()
    places = [output / f"seed-{recipe.run.seed + i}" for i in range(seeds)]
    reached: int | None = None
    for i, place in enumerate(places):
        left = None
        if minutes is not None:
            left = max(0.0, minutes - (time.monotonic() - begun) / 60)
        seeded = _with_run(recipe, seed=recipe.run.seed + i)
        ended = _run(seeded, place, sets, left, rank, stopping)
        if ended is None:
            break
        reached = ended
    found = spreads(places, reached) if reached is not None else []
    if rank == 0 and found:
        write_spreads(found, output / "seeds.csv")
    return found if rank == 0 else []
