"""``phnet data``: build, check and describe data sets."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phnet.cli import app
from phnet.cli.options import Matte, Refine
from phnet.options import cores

if TYPE_CHECKING:
    from phnet.datasets.build_ffhqh import BuildSummary

data = typer.Typer(no_args_is_help=True, help="Build, check and describe data sets.")
app.add_typer(data, name="data")

Tree = Annotated[Path, typer.Argument(help="A tree of FFHQH or iHarmony4.", show_default=False)]
Real = Annotated[
    Path | None,
    typer.Option(help="Folder of FFHQH's real photos.", show_default="DIR/real"),
]
Jobs = Annotated[int | None, typer.Option(min=1, help="Workers.", show_default="one a core")]


class ShorterSide(StrEnum):
    """Length of the shorter side; a larger photo is reduced, a smaller one kept."""

    s256 = "256"
    s512 = "512"
    s1024 = "1024"
    source = "source"


class BuildEngine(StrEnum):
    """Executors of the workers."""

    processes = "processes"
    ray = "ray"


class Reading(StrEnum):
    """Readings of section 3.2."""

    photo = "photo"
    soft = "soft"
    object = "object"


@data.command()
def build(
    photos: Annotated[
        Path, typer.Argument(help="Folder of portraits, with its subfolders.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The tree to make or go on with.")],
    seed: Annotated[int, typer.Option(min=0, help="Of the recoloring and the split.")] = 0,
    jobs: Jobs = None,
    size: Annotated[
        ShorterSide, typer.Option(help="Shorter side; smaller photos are kept as they are.")
    ] = ShorterSide.source,
    masks: Annotated[
        Path | None, typer.Option(help="Masks that exist, named as the photos.")
    ] = None,
    matte: Matte = None,
    refine: Annotated[Refine, typer.Option(help="Refinement of the matte.")] = Refine.guided,
    reading: Annotated[
        Reading, typer.Option(help="Of section 3.2: what is recolored, and how it is put back.")
    ] = Reading.photo,
    shards: Annotated[
        bool, typer.Option("--shards", help="Then write WebDataset shards into DIR/shards.")
    ] = False,
    engine: Annotated[
        BuildEngine, typer.Option(help="ray: over a cluster (extra 'scale').")
    ] = BuildEngine.processes,
) -> None:
    """Make FFHQH (section 3.2) from PHOTOS; run again, it goes on where it was stopped."""
    from phnet.datasets.build_ffhqh import build as build_tree

    with _bar_with_speed("building") as progress:
        made = build_tree(
            photos,
            output,
            seed=seed,
            size=None if size is ShorterSide.source else int(size.value),
            masks=masks,
            model=matte,
            refine=refine.value,
            reading=reading.value,
            jobs=jobs or cores(),
            engine=engine.value,
            progress=progress,
        )
    _tell(made, output)
    if shards:
        _write_shards(output, output / "shards", None, jobs)


def _tell(made: "BuildSummary", output: Path) -> None:
    """Print what a build made."""
    if made.reused:
        print(f"{made.reused} images were there already")
    if made.duplicates:
        print(f"groups of near-duplicates, each kept in one split: {made.duplicates}")
    if made.ignored:
        print(f"{made.ignored} other files are not pictures by their names")
    parts = ", ".join(f"{name} {count}" for name, count in made.splits.items())
    refused = sum(made.rejected.values())
    reasons = ", ".join(f"{count} {kind}" for kind, count in made.rejected.items())
    listed = f" ({reasons}; see {output / 'rejected.jsonl'})" if refused else ""
    print(f"{output}: {made.images} images ({parts}), {refused} rejected{listed}")


@data.command(name="shards")
def write(
    tree: Tree,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the shards.")],
    real: Real = None,
    jobs: Jobs = None,
) -> None:
    """Write a tree as WebDataset shards, which phnet train reads without a cache."""
    _write_shards(tree, output, real, jobs)


def _write_shards(tree: Path, output: Path, real: Path | None, jobs: int | None) -> None:
    from phnet.datasets.shards import write_shards

    with _bar("shards") as progress:
        counts = write_shards(tree, output, real, jobs=jobs or cores(), progress=progress)
    print(f"{output}: {', '.join(f'{split} {count}' for split, count in counts.items())}")


@data.command()
def check(tree: Tree, real: Real = None, jobs: Jobs = None) -> None:
    """List all that is wrong with a tree: missing, unreadable, unequal sizes, repeated."""
    from phnet.datasets.validate import check as check_tree
    from phnet.errors import BadData

    with _bar("checking") as progress:
        report = check_tree(tree, real, jobs=jobs or cores(), progress=progress)
    for problem in report.problems:
        print(problem)
    counts = ", ".join(f"{split} {count}" for split, count in report.samples.items())
    if report.problems:
        found = "1 problem" if len(report.problems) == 1 else f"{len(report.problems)} problems"
        raise BadData(f"{tree}: {found} in {report.layout} ({counts or 'no split was read'})")
    print(f"{tree}: {report.layout} is sound ({counts})")


@data.command()
def stats(
    tree: Tree,
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML page to write.")],
    real: Real = None,
    examples: Annotated[int, typer.Option(min=0, help="Triples of the contact sheet.")] = 24,
    jobs: Jobs = None,
) -> None:
    """Write figure 1 of the paper for a tree, and a contact sheet, as one HTML page."""
    from phnet.datasets.statistics import measure, page
    from phnet.files import write_text

    with _bar("measuring") as progress:
        measured = measure(tree, real, examples=examples, jobs=jobs or cores(), progress=progress)
    write_text(output, page(measured, f"{tree.resolve().name}: the data set"))
    brightness, foreground = measured.brightness.mean(), 100 * measured.foreground.mean()
    print(
        f"{output}: {len(measured.foreground)} composites, brightness {brightness:.1f}, "
        f"foreground {foreground:.1f}%"
    )


@data.command()
def pack(
    photos: Annotated[
        list[Path],
        typer.Argument(help="Folders of photos ID.jpg with masks ID.png.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The pack to write: .zip.")],
    size: Annotated[int, typer.Option(min=16, max=1024, help="Side of the square photos.")] = 256,
    max_mb: Annotated[float, typer.Option(min=0.01, help="Its largest size, in 10^6 bytes.")] = 35,
) -> None:
    """Put photos with masks into one small file that phnet train reads: train and val splits."""
    from phnet.errors import BadOutput, MissingExtra

    try:
        from phnet.training.sources import pack_photos
    except ModuleNotFoundError as error:
        raise MissingExtra("train", "phnet data pack") from error
    if output.suffix != ".zip":
        raise BadOutput(f"{output}: expected a name ending in .zip")
    report = pack_photos([str(folder) for folder in photos], output, size, int(max_mb * 1e6))
    for name, reason in report["skipped"].items():
        print(f"skipped {name}: {reason}")
    print(
        f"{output}: {report['train']} training and {report['val']} validation photos, "
        f"{report['bytes'] / 1e6:.1f} MB at WebP quality {report['quality']}"
    )


@data.command()
def sets(
    photos: Annotated[
        Path, typer.Argument(help="Photos ID.jpg with masks ID.png.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the sets.")],
    scenes: Annotated[
        Path | None, typer.Option(help="Backgrounds for pastes under foreign light.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every image.")] = 2024,
) -> None:
    """Make the four sets of the tables here: paper, own-size, foreign-light, nothing."""
    from phnet.datasets.benchmark_sets import PHOTO_SUFFIXES, SETS, make_set, photos_with_masks
    from phnet.errors import BadData

    files = photos_with_masks(photos)
    behind = []
    if scenes is not None:
        if not scenes.is_dir():
            raise BadData(f"{scenes}: expected a folder of scenes, found none")
        behind = [p for p in sorted(scenes.iterdir()) if p.suffix.lower() in PHOTO_SUFFIXES]
    for name in SETS:
        with _bar(name) as progress:
            make_set(name, files, behind, output / name, seed, progress)
        print(f"{output / name}: {len(files)} images")


@data.command()
def skin(
    photos: Annotated[
        list[Path],
        typer.Argument(help="Folders of photos ID.jpg with masks ID.png.", show_default=False),
    ],
    every: Annotated[int, typer.Option(min=1, help="Look at each N-th photo alone.")] = 1,
    jobs: Jobs = None,
) -> None:
    """Say how many faces of each skin tone there are: by typology angle, in three bins."""
    from phnet.datasets.benchmark_sets import photos_with_masks
    from phnet.datasets.skin_tone import TONES, shares
    from phnet.datasets.statistics import skin_angles

    everything: list[float | None] = []
    found = {folder: photos_with_masks(folder)[::every] for folder in photos}
    for folder, files in found.items():
        with _bar(str(folder)) as progress:
            angles = skin_angles(files, jobs=jobs or cores(), progress=progress)
        everything += angles
        _print_tones(str(folder), shares(angles), TONES)
    if len(photos) > 1:
        _print_tones("together", shares(everything), TONES)


def _print_tones(name: str, counts: dict[str, int], tones: Iterable[str]) -> None:
    faces = sum(counts[tone] for tone in tones)
    parts = [f"{tone} {counts[tone]} ({counts[tone] / max(faces, 1):.1%})" for tone in tones]
    print(f"{name}: {', '.join(parts)} of {faces} faces; {counts['no face']} photos without one")


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error and yield what moves it: (done, total)."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def _bar_with_speed(what: str) -> Iterator[Callable[[int, int, int], None]]:
    """Show a progress bar with images a second; what moves it takes (done, total, rejected)."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None, speed="")

        def progress(done: int, total: int, rejected: int) -> None:
            rate = bar.tasks[task].speed
            speed = (f"{rate:.1f} images/s" if rate else "") + f", {rejected} rejected"
            bar.update(task, completed=done, total=total, speed=speed)

        yield progress
