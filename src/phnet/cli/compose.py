"""``phnet compose``: a person from a portrait in front of another background."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phnet.cli import app
from phnet.cli.folders import AsJson, Jobs, Recursive, Resume, finds_people, note, work
from phnet.cli.options import LookFile, Matte, Reference, SaveLook, network_settings, takes
from phnet.cli.streams import check_folder, checked_target, name_of, say, sources
from phnet.options import ComposeOptions, NetworkOptions, cores

if TYPE_CHECKING:
    from phnet.batch.portrait_worker import ComposeSettings


Portrait = Annotated[
    Path,
    typer.Argument(
        help="A photo of a person, or a cut-out with alpha; or a folder of them; - is standard "
        "input.",
        show_default=False,
    ),
]
Background = Annotated[
    Path,
    typer.Argument(
        help="The new background; or, for a folder of portraits, a folder of backgrounds of "
        "their names.",
        show_default=False,
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        help="The picture to write, of the background's size: .png, .jpg, .webp or .tif; or a "
        "folder; - is standard output.",
        show_default=False,
    ),
]
PortraitMask = Annotated[
    Path | None,
    typer.Option(help="White where the person is in PORTRAIT; without it, the person is found."),
]
SaveParts = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Also write foreground.png, mask.png, composite.png there, all of the background's "
        "size, and a layer (linear light, 16 bits) for each step.",
    ),
]


@app.command()
@takes
def compose(
    portrait: Portrait,
    background: Background,
    output: Output,
    mask: PortraitMask = None,
    *,
    options: ComposeOptions,
    save_parts: SaveParts = None,
    reference: Reference = None,
    look: LookFile = None,
    save_look: SaveLook = None,
    network: NetworkOptions,
    matte: Matte = None,
    jobs: Jobs = 1,
    resume: Resume = False,
    recursive: Recursive = False,
    as_json: AsJson = False,
) -> None:
    """Put the person of PORTRAIT in front of BACKGROUND, in harmony with it."""
    from phnet.batch.portrait_worker import ComposeSettings
    from phnet.images import quiet_readers

    quiet_readers()
    settings = ComposeSettings(**network_settings(network, matte, reference, look), compose=options)
    files = (portrait, background, mask, output)
    if not portrait.is_dir():
        _compose_one(*files, settings, save_parts, save_look)
        return
    check_folder("portrait", output, {"--save-parts": save_parts, "--save-look": save_look})
    _compose_folder(*files, settings, jobs, resume, recursive, as_json)


def _compose_one(
    portrait: Path,
    background: Path,
    mask: Path | None,
    output: Path,
    settings: "ComposeSettings",
    save_parts: Path | None,
    save_look: Path | None,
) -> None:
    """Compose a file, or standard input."""
    from phnet.batch.file_worker import handed_in
    from phnet.batch.portrait_worker import compose_file
    from phnet.compositing.composer import Composer
    from phnet.compositing.parts import write_parts
    from phnet.files import make_folder
    from phnet.harmonization.finishing.finish import Layers

    destination, taken = checked_target(output, settings, [portrait, background, mask], save_look)
    if save_parts:
        _check_parts(save_parts, *taken)
        make_folder(save_parts)
    person, scene, its_mask = sources(portrait, background, mask)
    assert person is not None
    assert scene is not None
    reference, look = handed_in(settings, settings.compose.max_megapixels)
    composer = Composer(settings.harmonizer(), settings.matter() if mask is None else None)
    layers = Layers() if save_parts else None
    done = compose_file(
        *(composer, person, scene, its_mask, destination, settings.compose),
        reference=reference,
        look=look,
        save_look=save_look,
        layers=layers,
    )
    if save_parts and layers:
        write_parts(save_parts, done.made.foreground, done.made.mask, done.made.composite)
        layers.write(save_parts)
    for sentence in done.notes:
        note(sentence)
    height, width = done.size
    share = f"{float(done.made.mask.mean()):.0%} of it person, placed at {done.made.place}"
    say(f"{name_of(destination)}: {width}x{height}, {share}", destination)


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
    from phnet.compositing.parts import PARTS
    from phnet.errors import BadOutput

    if folder.exists() and not folder.is_dir():
        raise BadOutput(f"{folder}: expected a folder for the parts, but it is a file")
    if not folder.parent.is_dir():
        raise BadOutput(f"{folder}: expected a folder name in an existing folder")
    for name in PARTS:
        if any(path is not None and path.resolve() == (folder / name).resolve() for path in taken):
            raise BadOutput(f"{folder / name}: is also an input or the output; choose another name")
