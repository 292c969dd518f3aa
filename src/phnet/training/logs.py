"""Logs of a run: speed, metrics.csv, TensorBoard's files, a service."""

import contextlib
import csv
import importlib
import math
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from phnet.errors import MissingExtra
from phnet.files import write_text

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Meter:
    """Mean loss, images a second, and the share of time spent waiting for data."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.waited = 0.0
        self.images = 0
        self.losses: list[float] = []

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time within as waiting for data."""
        begun = time.monotonic()
        yield
        self.waited += time.monotonic() - begun

    def add(self, loss: float, images: int) -> None:
        """Note a step."""
        self.losses.append(loss)
        self.images += images

    def loss(self) -> float:
        """The mean loss; not a number before the first step."""
        return float(np.mean(self.losses)) if self.losses else math.nan

    def rates(self) -> tuple[float, float]:
        """Images a second, and the share of time spent waiting."""
        seconds = max(time.monotonic() - self.start, 1e-9)
        return self.images / seconds, self.waited / seconds


class Metrics:
    """A run's ``metrics.csv``: a line for each validation."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.csv"

    def add(self, row: dict[str, float]) -> None:
        """Write a line; the first one brings the names."""
        fresh = not self.path.exists()
        with self.path.open("a", newline="") as handle:
            writer = csv.DictWriter(handle, list(row))
            if fresh:
                writer.writeheader()
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})

    def end_with(self, images: int) -> bool:
        """Tell whether the last line is that of a validation after ``images``."""
        rows = self._rows()
        return bool(rows) and int(rows[-1]["images"]) == images

    def keep_until(self, images: int) -> None:
        """Drop the lines of steps that a kill undid."""
        rows = self._rows()
        kept = [row for row in rows if int(row["images"]) <= images]
        if len(kept) < len(rows):
            lines = [",".join(rows[0]), *(",".join(row.values()) for row in kept)]
            write_text(self.path, "\n".join(lines) + "\n")

    def _rows(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="") as handle:
            return list(csv.DictReader(handle))


class Board:
    """TensorBoard's event files of a run; begun with the first entry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer: SummaryWriter | None = None

    def add(self, row: dict[str, float], picture: Tensor) -> None:
        """Write a validation's values, and some of its pictures (3, H, W) in [0, 1]."""
        images = int(row["images"])
        if self.writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(self.folder), purge_step=images)
        for name, value in row.items():
            if name != "images":
                self.writer.add_scalar(name, value, images)
        self.writer.add_image("validation", picture, images)
        self.writer.flush()

    def close(self) -> None:
        """Finish the files, if there are any."""
        if self.writer is not None:
            self.writer.close()


class Tracker:
    """A service that shows runs: Weights & Biases (extra ``track``).

    It reads its own settings from the environment: WANDB_MODE=offline keeps everything here.

    Args:
        kind: "wandb".
        folder: of the run; its ``wandb.txt`` keeps the run's id, for a resumed run to go on there.
        name: what the run is called.
        recipe: plain values, shown as the run's settings.

    Raises:
        MissingExtra: the service's package is not installed.
    """

    def __init__(self, kind: str, folder: Path, name: str, recipe: dict[str, Any]) -> None:
        try:
            self.service: Any = importlib.import_module(kind)
        except ModuleNotFoundError as error:
            raise MissingExtra("track", f"[run] tracker = {kind!r}") from error
        kept = folder / f"{kind}.txt"
        if not kept.exists():
            write_text(kept, secrets.token_hex(8))
        self.run = self.service.init(
            project="phnet",
            name=name,
            id=kept.read_text("utf-8").strip(),
            resume="allow",
            dir=str(folder),
            config=recipe,
        )

    def add(self, row: dict[str, float]) -> None:
        """Hand over a validation's values, at their number of images."""
        self.run.log(row, step=int(row["images"]))

    def close(self) -> None:
        """Finish what is under way."""
        self.run.finish()
