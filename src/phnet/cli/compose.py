"""``phnet compose``: a person from a portrait in front of another background."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phnet.cli import app
from phnet.cli.folders import AsJson, Jobs, Recursive, Resume, finds_people, note, work
from phnet.cli.options import Matte, takes
from phnet.cli.streams import DASH, name_of, say, sources, target
from phnet.options import ComposeOptions, NetworkOptions, cores

if TYPE_CHECKING:
    from phnet.batch.portrait_worker import ComposeSettings
    from phnet.compositing.composer import Composition

PARTS = ("foreground.png", "mask.png", "composite.png")


@app.command()
@takes
def compose(
    portrait: Annotated[
        Path,
        typer.Argument(
            help="A photo of a person, or a cut-out with alpha; or a folder of them; - is standard "
            "input.",
            show_default=False,
        ),
    ],
    background: Annotated[
        Path,
        typer.Argument(
            help="The new background; or, for a folder of portraits, a folder of backgrounds of "
            "their names.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="The picture to write, of the background's size: .png, .jpg, .webp or .tif; or a "
            "folder; - is standard output.",
            show_default=False,
        ),
    ],
    mask: Annotated[
        Path | None,
        typer.Option(
            help="White where the person is in PORTRAIT; without it, the person is found.",
        ),
    ] = None,
    *,
    options: ComposeOptions,
    save_parts: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help=f"Also write {', '.join(PARTS)} there, all of the background's size.",
        ),
    ] = None,
    network: NetworkOptions,
    matte: Matte = None,
    jobs: Jobs = 1,
    resume: Resume = False,
    recursive: Recursive = False,
    as_json: AsJson = False,
) -> None:
    """Put the person of PORTRAIT in front of BACKGROUND, in harmony with it."""
    from phnet.batch.portrait_worker import ComposeSettings, compose_file
    from phnet.compositing.composer import Composer
    from phnet.errors import BadInput
    from phnet.harmonization.harmonizer import Harmonizer
    from phnet.images import check_output, quiet_readers
    from phnet.matting.matte import Matter

    quiet_readers()
    if portrait.is_dir():
        if save_parts or output == DASH:
            raise BadInput(f"{portrait}: expected one portrait for parts or -, got a folder")
        settings = ComposeSettings(
            model=network.model,
            threads=network.threads,
            self_ensemble=network.self_ensemble,
            matte=str(matte) if matte else None,
            compose=options,
        )
        folders = (portrait, background, mask, output)
        _compose_folder(*folders, settings, jobs, resume, recursive, as_json)
        return
    place = target(output, portrait)
    inputs = [portrait, background, mask, Path(network.model) if network.model else None, matte]
    if isinstance(place, Path):
        check_output(place, *inputs)
        inputs.append(place)
    if save_parts:
        _check_parts(save_parts, *inputs)
        _make_folder(save_parts)
    person, scene, its_mask = sources(portrait, background, mask)
    assert person is not None
    assert scene is not None
    matter = Matter(matte, network.threads) if mask is None else None
    harmonizer = Harmonizer(network.model, network.threads, self_ensemble=network.self_ensemble)
    done = compose_file(Composer(harmonizer, matter), person, scene, its_mask, place, options)
    if save_parts:
        _write_parts(save_parts, done.made)
    for sentence in done.notes:
        note(sentence)
    height, width = done.size
    share = f"{float(done.made.mask.mean()):.0%} of it person, placed at {done.made.place}"
    say(f"{name_of(place)}: {width}x{height}, {share}", place)


def _compose_folder(
    portraits: Path,
    background: Path,
    masks: Path | None,
    output: Path,
    settings: "ComposeSettings",
    jobs: int,
    resume: bool,
    recursive: bool,
    as_json: bool,
) -> None:
    """Compose each portrait of a folder; exit code 1 if any failed."""
    from dataclasses import replace

    from phnet.batch.matching import match, passed_over
    from phnet.batch.portrait_worker import ComposeWorker
    from phnet.files import make_folder

    items = match(portraits, masks, output, recursive, backgrounds=background)
    make_folder(output)
    if sentence := passed_over(portraits, recursive):
        note(sentence)
    threads = settings.threads or max(1, cores() // jobs)
    settings = replace(settings, threads=threads, finds_people=finds_people(items))
    work(
        *(items, ComposeWorker, settings, output, "composed"),
        jobs=jobs,
        resume=resume,
        as_json=as_json,
    )


def _check_parts(folder: Path, *taken: Path | None) -> None:
    from phnet.errors import BadOutput

    if folder.exists() and not folder.is_dir():
        raise BadOutput(f"{folder}: expected a folder for the parts, but it is a file")
    if not folder.parent.is_dir():
        raise BadOutput(f"{folder}: expected a folder name in an existing folder")
    for name in PARTS:
        if any(path is not None and path.resolve() == (folder / name).resolve() for path in taken):
            raise BadOutput(f"{folder / name}: is also an input or the output; choose another name")


def _make_folder(folder: Path) -> None:
    from phnet.errors import BadOutput

    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise BadOutput(f"{folder}: expected a folder to write to, but {error.strerror}") from error


def _write_parts(folder: Path, made: "Composition") -> None:
    """The person's colors with alpha, the mask, and the composite before harmonization."""
    import imagecodecs
    import numpy as np

    from phnet.files import write_bytes

    mask = np.rint(made.mask * 255).astype(np.uint8)
    colors = np.rint(made.foreground * 255).astype(np.uint8)
    parts = (np.dstack([colors, mask]), mask, made.composite)
    for name, pixels in zip(PARTS, parts, strict=True):
        write_bytes(folder / name, bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels))))
