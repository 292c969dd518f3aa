"""``phnet harmonize``: the pasted person's colors in tune with the photo."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phnet.cli import app
from phnet.cli.options import LookFile, Reference, SaveLook, takes
from phnet.options import HarmonizeOptions, NetworkOptions, options_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phnet.batch.file_worker import Settings
    from phnet.batch.folders import Item, Outcome, Summary


class Engine(StrEnum):
    """What works on the pictures of a folder."""

    threads = "threads"
    processes = "processes"
    ray = "ray"


@app.command()
@takes
def harmonize(
    composite: Annotated[
        Path,
        typer.Argument(
            help="The composite: PNG, JPEG, WebP, TIFF or HEIC; or a folder of them; or a "
            "manifest (.jsonl) that lists composites and masks.",
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
    *,
    options: HarmonizeOptions,
    save_lut: Annotated[
        Path | None,
        typer.Option(help="Also write the look, at full strength, as a .cube file (sRGB)."),
    ] = None,
    save_parts: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Also write a layer (linear light, 16 bits) there for each step."
        ),
    ] = None,
    reference: Reference = None,
    look: LookFile = None,
    save_look: SaveLook = None,
    network: NetworkOptions,
    matte: Annotated[
        Path | None,
        typer.Option(
            help="Another matting model, for when there is no mask.",
            show_default="the embedded one",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Of a folder: pictures at once.")] = 1,
    engine: Annotated[
        Engine,
        typer.Option(help="Of a folder: what runs the jobs; ray: over a cluster (extra 'scale')."),
    ] = Engine.threads,
    resume: Annotated[
        bool, typer.Option("--resume", help="Of a folder: skip pictures that are written already.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Of a folder: print a summary as JSON.")
    ] = False,
) -> None:
    """Make the person pasted into COMPOSITE belong there; the background stays as it is."""
    import sys

    from phnet.batch.file_worker import Settings, harmonize_file
    from phnet.errors import BadInput
    from phnet.files import check_place
    from phnet.harmonization.harmonizer import Harmonizer
    from phnet.harmonization.look import read_look
    from phnet.images import check_output, load, quiet_readers
    from phnet.matting.matte import Matter

    quiet_readers()
    if composite.is_dir() or composite.suffix.lower() == ".jsonl":
        for flag, given in (
            ("--save-lut", save_lut),
            ("--save-parts", save_parts),
            ("--save-look", save_look),
        ):
            if given:
                raise BadInput(f"{flag}: expected one composite, got a folder")
        settings = Settings(
            *(options, network.model, network.threads),
            self_ensemble=network.self_ensemble,
            matte=str(matte) if matte else None,
            reference=str(reference.resolve()) if reference else None,
            look=str(look.resolve()) if look else None,
        )
        _harmonize_folder(composite, mask, output, settings, engine, jobs, resume, as_json)
        return
    inputs = [composite, mask, Path(network.model) if network.model else None, matte]
    inputs += [reference, look]
    check_output(output, *inputs)
    if save_lut:
        check_cube(save_lut)
    if save_look:
        check_place(save_look, output, *inputs)
    done = harmonize_file(
        Harmonizer(network.model, network.threads, self_ensemble=network.self_ensemble),
        composite,
        mask,
        output,
        options,
        matter=Matter(matte, network.threads) if mask is None else None,
        save_lut=save_lut,
        reference=load(reference) if reference else None,
        look=read_look(look) if look else None,
        save_look=save_look,
        save_parts=save_parts,
    )
    for note in done.notes:
        print(f"phnet: note: {_with_flags(note)}", file=sys.stderr)
    height, width = done.size
    print(f"{done.output}: {width}x{height}, {done.foreground:.0%} of it foreground, harmonized")


def _harmonize_folder(
    composites: Path,
    masks: Path | None,
    output: Path,
    settings: "Settings",
    engine: Engine,
    jobs: int,
    resume: bool,
    as_json: bool,
) -> None:
    """Harmonize each picture of a folder or manifest; exit code 1 if any failed."""
    import json
    import os
    import sys
    from dataclasses import replace

    from phnet.batch.executors import load_ray
    from phnet.batch.file_worker import FileWorker
    from phnet.batch.folders import Summary, work_through

    if engine is Engine.ray:
        load_ray()  # before anything is written
    items = _items(composites, masks, output, engine)
    # Actors reserve the threads they use; here the cores are shared among the jobs.
    cores = 1 if engine is Engine.ray else max(1, (os.cpu_count() or 1) // jobs)
    settings = replace(
        settings,
        threads=settings.threads or cores,
        finds_people=any(item.mask is None and not item.problem for item in items),
    )
    if engine is not Engine.threads:
        if engine is Engine.ray:
            settings = _for_other_machines(settings)
        FileWorker(settings)  # what is wrong with the models is told once, here
    summary = Summary()
    outcomes = work_through(
        items,
        FileWorker,
        settings,
        engine=engine.value,
        jobs=jobs,
        threads=settings.threads or 1,
        resume=resume,
    )
    _follow(outcomes, len(items), summary)
    for failure in sorted(summary.failed, key=lambda outcome: str(outcome.item.composite)):
        print(f"phnet: {failure.sentence}", file=sys.stderr)
    if as_json:
        print(json.dumps({"output": str(output), **summary.as_json()}, indent=2))
    else:
        skipped = f", {summary.skipped} skipped" if summary.skipped else ""
        print(f"{output}: {summary.done} harmonized{skipped}, {len(summary.failed)} failed")
    if summary.failed:
        raise typer.Exit(1)


def _items(composites: Path, masks: Path | None, output: Path, engine: Engine) -> "list[Item]":
    """What there is to do; the folder of results is made, with a manifest for Ray's actors."""
    from phnet.batch.folders import MANIFEST, match, read_manifest, write_manifest
    from phnet.errors import BadInput, BadOutput

    if engine is Engine.ray:  # a worker elsewhere starts in another folder
        composites, output = composites.resolve(), output.resolve()
        masks = masks.resolve() if masks else None
    if composites.is_dir():
        items = match(composites, masks, output)
    elif masks is not None:
        raise BadInput(f"{masks}: expected no masks beside a manifest, which names them")
    else:
        items = read_manifest(composites, output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutput(f"{output}: expected a folder to write to, but {error.strerror}") from error
    if engine is Engine.ray and composites != output / MANIFEST:
        write_manifest(items, output)
    return items


def _for_other_machines(settings: "Settings") -> "Settings":
    """The same settings, with models named from the root of the file system."""
    from dataclasses import replace

    model, matte = settings.model, settings.matte
    return replace(
        settings,
        model=str(Path(model).resolve()) if model and Path(model).is_file() else model,
        matte=str(Path(matte).resolve()) if matte else None,
    )


def _follow(outcomes: "Iterable[Outcome]", count: int, summary: "Summary") -> None:
    """Count outcomes as they come, with a progress bar where a person watches."""
    import sys
    from contextlib import redirect_stdout

    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    with redirect_stdout(sys.stderr):  # Ray tells of lost actors on standard output
        for outcome in track(
            outcomes, "Harmonizing", count, console=console, disable=not console.is_terminal
        ):
            summary.add(outcome)
            for note in outcome.notes:
                words = f"phnet: note: {_with_flags(note)}"
                console.print(words, markup=False, highlight=False, soft_wrap=True)


def _with_flags(note: str) -> str:
    """A sentence in which options have the names of the command line."""
    for one in options_of(HarmonizeOptions):
        note = note.replace(f"({one.name})", f"({one.flag})")
    return note


def check_cube(path: Path) -> None:
    """Refuse, before any work, a place where a ``.cube`` file cannot go."""
    from phnet.errors import BadOutput

    if path.suffix.lower() != ".cube":
        raise BadOutput(f"{path}: expected a name that ends in .cube")
    if path.is_dir() or not path.parent.is_dir():
        raise BadOutput(f"{path}: expected a file name in an existing folder")
