"""What scripts/ablation runs: Table 1 on narrow networks, and its section of results.md."""

import argparse
import csv
import statistics
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from scipy.stats import studentized_range

from phnet.errors import PHNetError
from phnet.files import write_text
from phnet.networks import PHNetConfig
from phnet.networks.phnet import CONFIGS
from phnet.training.recipe import Data, Optimizer, Recipe, Run, Schedule, load_recipe
from phnet.training.trainer import Progress, Trainer

ROOT = Path(__file__).resolve().parents[1]
SETUPS = ("d6", "d6-pfe", "d56", "d56-pfe", "d456", "d456-pfe", "d3456", "d3456-pfe")
SEEDS = (0, 1)
WIDTHS = CONFIGS["portrait-small"].widths


def recipe_of(setup: str, seed: int, images: int, folders: list[str]) -> Recipe:
    """The table's recipe, narrow, at 64 pixels, with the residual output."""
    published = load_recipe(ROOT / "recipes" / "table1" / f"{setup}.toml")
    network = published.model
    assert isinstance(network, PHNetConfig)
    return replace(
        published,
        model=replace(network, widths=WIDTHS, output="residual"),
        data=Data(folders=tuple(folders), size=64, cache_size=80, vary=0.9, tint=0.2, masks=0.3),
        optimizer=Optimizer("lion", lr=2e-4),
        schedule=Schedule(images=images, warmup=2_000, decay=1.0),
        run=Run(
            batch=16, seed=seed, clip=1.0, ema=0.999, precision="bf16", validate_every=images // 4
        ),
    )


def train(folder: Path, options: Any) -> None:
    """Train each setup with each seed; a finished one is not touched."""
    images, folders, minutes = options.images, options.data, options.minutes
    for seed in options.seed or SEEDS:
        for setup in options.setup or SETUPS:
            recipe = recipe_of(setup, seed, images, folders)
            trainer = Trainer(recipe, folder / f"{setup}-{seed}", folder / "cache", pictures=False)
            if trainer.step == trainer.steps:
                continue
            trainer.run(minutes, show=Shown(f"{setup}, seed {seed}"))


class Shown:
    """One line every few thousand images."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.next = 0

    def __call__(self, progress: Progress) -> None:
        """Print where the run stands."""
        if progress.images >= self.next or progress.val is not None:
            val = f", val MSE {progress.val:.1f}" if progress.val is not None else ""
            print(
                f"{self.title}: {progress.images}/{progress.total} images, "
                f"{progress.images_per_s:.0f} a second{val}",
                flush=True,
            )
            self.next = progress.images + 4_000


def last_line(folder: Path, images: int) -> dict[str, float] | None:
    """The run's validation at its end, or None where it has not ended."""
    path = folder / "metrics.csv"
    if not path.is_file():
        return None
    with path.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    if not rows or int(rows[-1]["images"]) < images:
        return None
    return {key: float(value) for key, value in rows[-1].items()}


def section(folder: Path, images: int, command: str) -> str:
    """The table, as Markdown: both seeds, their mean, and the paper's figures beside them."""
    paper = tomllib.loads((ROOT / "src/phnet/evaluation/published.toml").read_text("utf-8"))[
        "table1"
    ]
    published = paper["setups"]
    found = {s: [last_line(folder / f"{s}-{seed}", images) for seed in SEEDS] for s in SETUPS}
    done = {setup: [row for row in rows if row] for setup, rows in found.items()}
    untouched = [row["val_untouched"] for rows in done.values() for row in rows]
    lines = [
        "## Table 1 at small scale",
        "",
        f"    {command}",
        "",
        f"Widths {', '.join(map(str, WIDTHS))}, residual output, the paper's objective and Lion at "
        f"2e-4 falling to zero over {images:,} images of 64x64 (one thread each), two seeds. MSE "
        "and PSNR on the val photos' composites at 64x64"
        + (f" (untouched: {untouched[0]:.1f})" if untouched else "")
        + "; the paper's columns are of iHarmony4 with the full network: not comparable with ours, "
        "only the order within a column is.",
        "",
        "| PN blocks in | MSE, seed 0 | seed 1 | mean | PSNR, mean | paper: MSE | PSNR |",
        "|---|---|---|---|---|---|---|",
    ]
    titles = {s: theirs["setup"] for s, theirs in zip(SETUPS, published, strict=True)}
    for setup, theirs in zip(SETUPS, published, strict=True):
        cells = [f"{row['val_mse']:.1f}" if row else "-" for row in found[setup]]
        rows = done[setup]
        cells += [_mean(rows, "val_mse", 1), _mean(rows, "val_psnr", 2)]
        cells += [f"{theirs['mse']:.2f}", f"{theirs['psnr']:.2f}"]
        lines.append(f"| {titles[setup]} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *_verdict(done, titles), ""])


def _mean(rows: list[dict[str, float]], key: str, digits: int) -> str:
    return f"{statistics.mean(row[key] for row in rows):.{digits}f}" if rows else "-"


def _verdict(done: dict[str, list[dict[str, float]]], titles: dict[str, str]) -> list[str]:
    """What the spread between seeds allows to say."""
    pairs = {s: [row["val_mse"] for row in rows] for s, rows in done.items() if len(rows) > 1}
    if len(pairs) < len(SETUPS):
        return ["Not all runs have ended: nothing can be said about an order yet."]
    # One run's deviation, pooled over the setups; Tukey's range test, as 28 pairs are compared.
    pooled = statistics.mean((a - b) ** 2 / 2 for a, b in pairs.values()) ** 0.5
    means = {setup: statistics.mean(values) for setup, values in pairs.items()}
    bar = float(studentized_range.ppf(0.95, len(means), len(means))) * pooled / 2**0.5
    beaten = {
        worse: [better for better in means if means[worse] - means[better] > bar] for worse in means
    }
    apart = [
        f"{titles[worse]} is worse than {' / '.join(titles[setup] for setup in better)}"
        for worse, better in beaten.items()
        if better
    ]
    return [
        f"Between seeds a run's MSE deviates by {pooled:.1f} (pooled); the setups' means span "
        f"{min(means.values()):.1f} to {max(means.values()):.1f}. Two means that differ by less "
        f"than {bar:.1f} (Tukey's range test of all pairs, 95%) are not told apart.",
        "",
        "Carried by the spread: " + (". ".join(apart) if apart else "no order at all") + ".",
    ]


def main(arguments: list[str] | None = None) -> int:
    """Train what is missing, then write the section."""
    parser = argparse.ArgumentParser(prog="scripts/ablation", description=__doc__)
    parser.add_argument(
        "--data", action="append", required=True, help="photos with masks; repeatable"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--images", type=int, default=24_000, help="images a run sees")
    parser.add_argument("--minutes", type=float, help="at most this long for each run now")
    parser.add_argument("--setup", action="append", choices=SETUPS, help="these alone; repeatable")
    parser.add_argument("--seed", action="append", type=int, choices=SEEDS, help="likewise")
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results.md")
    parser.add_argument("--table-only", action="store_true", help="train nothing")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        if not options.table_only:
            train(options.output, options)
        _write(options)
    except PHNetError as error:
        print(f"phnet: {error}", file=sys.stderr)
        return 2
    return 0


def _write(options: Any) -> None:
    from make_results import replace_section

    command = "scripts/ablation --data PHOTOS --data SCENES"
    if options.images != 24_000:
        command += f" --images {options.images}"
    body = section(options.output, options.images, command)
    old = options.results.read_text("utf-8")
    write_text(options.results, replace_section(old, "table1", body))
    print(f"{options.results}: section table1")


if __name__ == "__main__":
    sys.exit(main())
