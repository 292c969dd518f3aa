"""``phnet harmonize``: the pasted person's colours in tune with the photo."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phnet.cli import app
from phnet.cli.options import Model, Threads

if TYPE_CHECKING:
    from phnet.harmonizer import Harmonizer
    from phnet.image import Picture
    from phnet.matte import Matter
    from phnet.pixels import Floats


class Lift(StrEnum):
    """How the network's small result is brought to the composite's size."""

    guided = "guided"
    lut = "lut"
    none = "none"


@dataclass(frozen=True)
class Options:
    """How to harmonize; the same for each file of a folder."""

    invert_mask: bool = False
    resolution: int | None = None
    lift: Lift = Lift.guided
    strength: float = 1.0


@dataclass(frozen=True)
class Done:
    """What harmonizing one file came to."""

    output: Path
    size: tuple[int, int]  # (H, W)
    foreground: float  # share of the picture
    notes: Sequence[str]  # what a person should know, a sentence each


@app.command()
def harmonize(
    composite: Annotated[
        Path,
        typer.Argument(
            help="The composite: PNG, JPEG, WebP, TIFF or HEIC; or a folder of them.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="The picture to write: .png, .jpg, .webp or .tif; or a folder.",
            show_default=False,
        ),
    ],
    mask: Annotated[
        Path | None,
        typer.Argument(
            help="White (or opaque) where the pasted person is, or a folder of masks of the "
            "composites' names; without it, the person is found.",
            show_default=False,
        ),
    ] = None,
    model: Model = None,
    invert_mask: Annotated[
        bool, typer.Option("--invert-mask", help="The mask is white where the background is.")
    ] = False,
    resolution: Annotated[
        int | None,
        typer.Option(
            min=16, max=4096, help="Side that the network sees.", show_default="the model's own"
        ),
    ] = None,
    lift: Annotated[
        Lift, typer.Option(help="How the network's small result comes to full size.")
    ] = Lift.guided,
    save_lut: Annotated[
        Path | None,
        typer.Option(help="Also write the look, at full strength, as a .cube file (sRGB)."),
    ] = None,
    strength: Annotated[
        float, typer.Option(min=0, max=1, help="How much of the change to take.")
    ] = 1.0,
    threads: Threads = None,
    matte: Annotated[
        Path | None,
        typer.Option(
            help="Another matting model, for when there is no mask.",
            show_default="the embedded one",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Of a folder: pictures at once.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Of a folder: skip pictures that are written already.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Of a folder: print a summary as JSON.")
    ] = False,
) -> None:
    """Make the person pasted into COMPOSITE belong there; the background stays as it is."""
    import sys

    from phnet.harmonizer import Harmonizer
    from phnet.image import check_output, quiet_readers
    from phnet.matte import Matter

    quiet_readers()
    options = Options(invert_mask, resolution, lift, strength)
    if composite.is_dir():
        _harmonize_folder(
            composite, mask, output, options, model, threads, matte, jobs, resume, as_json, save_lut
        )
        return
    inputs = [composite, mask, Path(model) if model else None, matte]
    check_output(output, *inputs)
    if save_lut:
        check_cube(save_lut)
    done = harmonize_file(
        Harmonizer(model, threads),
        composite,
        mask,
        output,
        options,
        matter=Matter(matte, threads) if mask is None else None,
        save_lut=save_lut,
    )
    for note in done.notes:
        print(f"phnet: note: {note}", file=sys.stderr)
    height, width = done.size
    print(f"{done.output}: {width}x{height}, {done.foreground:.0%} of it foreground, harmonized")


def _harmonize_folder(
    composites: Path,
    masks: Path | None,
    output: Path,
    options: Options,
    model: str | None,
    threads: int | None,
    matte: Path | None,
    jobs: int,
    resume: bool,
    as_json: bool,
    save_lut: Path | None,
) -> None:
    """Harmonize each picture of a folder; exit code 1 if any failed."""
    import json
    import os
    import sys

    from rich.console import Console
    from rich.progress import track

    from phnet.errors import BadInput, BadOutput
    from phnet.folders import Item, Summary, match, work_through
    from phnet.harmonizer import Harmonizer
    from phnet.matte import Matter

    if save_lut:
        raise BadInput("--save-lut: expected one composite, got a folder")
    items = match(composites, masks, output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutput(f"{output}: expected a folder to write to, but {error.strerror}") from error
    threads = threads or max(1, (os.cpu_count() or 1) // jobs)
    harmonizer = Harmonizer(model, threads)
    matter = Matter(matte, threads) if masks is None else None

    def work(item: Item) -> Sequence[str]:
        done = harmonize_file(
            harmonizer, item.composite, item.mask, item.output, options, matter=matter
        )
        return done.notes

    summary = Summary()
    console = Console(stderr=True)
    outcomes = work_through(items, work, jobs, resume)
    for outcome in track(
        outcomes,
        "Harmonizing",
        total=len(items),
        console=console,
        disable=not console.is_terminal,
    ):
        summary.add(outcome)
        for note in outcome.notes:
            console.print(f"phnet: note: {note}", markup=False, highlight=False, soft_wrap=True)
    for failure in sorted(summary.failed, key=lambda outcome: str(outcome.item.composite)):
        print(f"phnet: {failure.sentence}", file=sys.stderr)
    if as_json:
        print(json.dumps({"output": str(output), **summary.as_json()}, indent=2))
    else:
        skipped = f", {summary.skipped} skipped" if summary.skipped else ""
        print(f"{output}: {summary.done} harmonized{skipped}, {len(summary.failed)} failed")
    if summary.failed:
        raise typer.Exit(1)


def harmonize_file(
    harmonizer: "Harmonizer",
    composite: Path,
    mask: Path | None,
    output: Path,
    options: Options,
    *,
    matter: "Matter | None" = None,
    save_lut: Path | None = None,
) -> Done:
    """Harmonize one file into another; the seam for whoever works on many.

    Args:
        harmonizer: the session.
        composite: the file to read.
        mask: its mask; None: ``matter`` finds the person.
        output: the file to write, whole or not at all.
        options: how.
        matter: the matting session; needed where there is no mask.
        save_lut: where to write the look as a ``.cube`` file.

    Raises:
        PHNetError: one sentence; nothing was written then.
    """
    from phnet.image import check_mask, check_output, load, load_mask, mask_notes, save

    check_output(output, composite, mask)
    picture = load(composite)
    check_output(output, picture=picture)
    notes: list[str] = []
    if mask is None:
        alpha = _found(matter, picture, composite)
        notes.append(f"{composite}: no mask was given; the person was found in the picture itself")
        name = "matte"
    else:
        alpha, name = load_mask(mask), str(mask)
    if options.invert_mask:
        alpha = 1 - alpha
    alpha = check_mask(alpha, picture.size, name)
    notes += [f"{name}: {note}" for note in mask_notes(alpha)]
    if picture.pixels.itemsize > 1 and output.suffix.lower() in (".jpg", ".jpeg", ".webp"):
        notes.append(f"{output}: the composite has 16 bits a sample, this format keeps 8 of them")
    result = harmonizer.harmonize(
        picture.colours,
        alpha,
        resolution=options.resolution,
        lift=options.lift.value,
        strength=options.strength,
    )
    save(output, picture, result, alpha)
    if save_lut:
        _write_cube(save_lut, harmonizer, picture, alpha, options)
    return Done(output, picture.size, float(alpha.mean()), notes)


def check_cube(path: Path) -> None:
    """Refuse, before any work, a place where a ``.cube`` file cannot go."""
    from phnet.errors import BadOutput

    if path.suffix.lower() != ".cube":
        raise BadOutput(f"{path}: expected a name that ends in .cube")
    if path.is_dir() or not path.parent.is_dir():
        raise BadOutput(f"{path}: expected a file name in an existing folder")


def _found(matter: "Matter | None", picture: "Picture", composite: Path) -> "Floats":
    from phnet.errors import BadInput
    from phnet.matte import Matter

    try:
        return (matter or Matter()).matte(picture.rgb)
    except BadInput as error:
        raise BadInput(f"{composite}: {error}; hand in a mask") from error


def _write_cube(
    path: Path, harmonizer: "Harmonizer", picture: "Picture", alpha: "Floats", options: Options
) -> None:
    from phnet.lift import Lut

    table = harmonizer.colour_map(picture.colours, alpha, options.resolution, "lut")
    assert isinstance(table, Lut)
    table.write_cube(path, title=path.stem)
