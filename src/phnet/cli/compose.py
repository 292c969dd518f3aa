"""``phnet compose``: a person from a portrait in front of another background."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phnet.cli import app
from phnet.cli.options import LookFile, Matte, Reference, SaveLook, takes
from phnet.options import ComposeOptions, NetworkOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phnet.compositing.composer import Composition

PARTS = ("foreground.png", "mask.png", "composite.png")


@app.command()
@takes
def compose(
    portrait: Annotated[
        Path,
        typer.Argument(help="A photo of a person, or a cut-out with alpha.", show_default=False),
    ],
    background: Annotated[Path, typer.Argument(help="The new background.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="The picture to write, of the background's size: .png, .jpg, .webp or .tif.",
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
            help=f"Also write {', '.join(PARTS)} there, all of the background's size, and a layer "
            "(linear light, 16 bits) for each step.",
        ),
    ] = None,
    reference: Reference = None,
    look: LookFile = None,
    save_look: SaveLook = None,
    network: NetworkOptions,
    matte: Matte = None,
) -> None:
    """Put the person of PORTRAIT in front of BACKGROUND, in harmony with it."""
    import sys

    from phnet.compositing.composer import Composer, compose_pictures
    from phnet.files import check_place
    from phnet.harmonization.finishing.finish import Layers
    from phnet.harmonization.harmonizer import Harmonizer
    from phnet.harmonization.look import look_of, read_look, write_look
    from phnet.images import check_output, load, quiet_readers, read_mask, save
    from phnet.matting.matte import Matter

    quiet_readers()
    inputs = [portrait, background, mask, Path(network.model) if network.model else None, matte]
    inputs += [reference, look]
    check_output(output, *inputs)
    if save_look:
        check_place(save_look, output, *inputs)
    layers = Layers() if save_parts else None
    if save_parts:
        _check_parts(save_parts, output, *inputs)
    scene, photo = load(background), load(portrait)
    check_output(output, picture=scene)
    matter = Matter(matte, network.threads) if mask is None else None
    harmonizer = Harmonizer(network.model, network.threads, self_ensemble=network.self_ensemble)
    composer = Composer(harmonizer, matter)
    with _named(portrait, mask):
        done = compose_pictures(
            *(photo, scene, None if mask is None else read_mask(mask), options),
            composer=composer,
            reference=load(reference) if reference else None,
            look=read_look(look) if look else None,
            keep=layers,
        )
    made = done.made
    applied = look_of(made.colors, made.mask) if save_look else None
    save(output, done.picture, done.result, made.changed)
    if save_parts and layers:
        _write_parts(save_parts, made)
        layers.write(save_parts)
    if save_look and applied:
        write_look(save_look, applied)
    if done.cut_sides:
        print(
            f"phnet: note: {portrait}: the photo's frame cuts the person off "
            f"({', '.join(done.cut_sides)}), "
            "which shows unless that side lies at the picture's edge",
            file=sys.stderr,
        )
    height, width = scene.size
    print(
        f"{output}: {width}x{height}, {float(made.mask.mean()):.0%} of it person, "
        f"placed at {made.place}"
    )


@contextmanager
def _named(portrait: Path, mask: Path | None) -> "Iterator[None]":
    """Sentences about the portrait or its mask get the file's name."""
    from phnet.errors import BadInput, BadMask, BadOption

    try:
        yield
    except BadOption:
        raise
    except BadMask as error:
        raise BadMask(f"{mask or portrait}: {error}") from error
    except BadInput as error:
        if mask is not None or not str(error).startswith("no person"):
            raise
        raise BadInput(f"{portrait}: {error}; hand in a mask with --mask") from error


def _check_parts(folder: Path, *taken: Path | None) -> None:
    from phnet.errors import BadOutput

    if folder.exists() and not folder.is_dir():
        raise BadOutput(f"{folder}: expected a folder for the parts, but it is a file")
    if not folder.parent.is_dir():
        raise BadOutput(f"{folder}: expected a folder name in an existing folder")
    for name in PARTS:
        if any(path is not None and path.resolve() == (folder / name).resolve() for path in taken):
            raise BadOutput(f"{folder / name}: is also an input or the output; choose another name")


def _write_parts(folder: Path, made: "Composition") -> None:
    """The person's colors with alpha, the mask, and the composite before harmonization."""
    import imagecodecs
    import numpy as np

    from phnet.files import write_bytes

    folder.mkdir(exist_ok=True)
    mask = np.rint(made.mask * 255).astype(np.uint8)
    colors = np.rint(made.foreground * 255).astype(np.uint8)
    parts = (np.dstack([colors, mask]), mask, made.composite)
    for name, pixels in zip(PARTS, parts, strict=True):
        write_bytes(folder / name, bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels))))
