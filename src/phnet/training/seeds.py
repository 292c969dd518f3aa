"""One recipe with several seeds: the mean and the spread of what the runs end with."""

import csv
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from phnet.files import write_text

ABOUT_THE_RUN = ("images", "lr", "images_per_s", "waiting")  # columns that are no result


@dataclass(frozen=True)
class Spread:
    """One measure over the runs that have ended."""

    name: str
    values: tuple[float, ...]  # of each seed

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float:
        """Their sample standard deviation; not a number where there is but one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else math.nan


def spreads(folders: Sequence[Path], images: int) -> list[Spread]:
    """The measures of those runs whose ``metrics.csv`` ends at ``images``, in its order."""
    rows: list[dict[str, str]] = []
    for folder in folders:
        path = folder / "metrics.csv"
        if path.exists():
            with path.open(newline="") as handle:
                rows += [row for row in csv.DictReader(handle) if int(row["images"]) == images][-1:]
    names = [name for name in rows[0] if name not in ABOUT_THE_RUN] if rows else []
    return [Spread(name, tuple(float(row[name]) for row in rows)) for name in names]


def write_spreads(found: Sequence[Spread], path: Path) -> None:
    """Write a line a measure: its mean, deviation, number of runs, and each run's value."""
    lines = ["measure,mean,deviation,runs,values"]
    lines += [
        f"{s.name},{s.mean:.6g},{s.deviation:.6g},{len(s.values)},"
        + " ".join(f"{value:.6g}" for value in s.values)
        for s in found
    ]
    write_text(path, "\n".join(lines) + "\n")
