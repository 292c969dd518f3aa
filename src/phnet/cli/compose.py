"""``phnet compose``: a person from a portrait in front of another background."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phnet.cli import app
from phnet.cli.options import Lift, LiftChoice, Matte, Model, SelfEnsemble, Threads

if TYPE_CHECKING:
    from phnet.compositing.composer import Composer, Composition
    from phnet.compositing.placement import Cutout
    from phnet.images import Picture

PARTS = ("foreground.png", "mask.png", "composite.png")


class Fit(StrEnum):
    """How a portrait is fitted to the background, other than the default."""

    cover = "cover"


class Foreground(StrEnum):
    """How the person's colours at soft edges are estimated."""

    blur_fusion = "blur-fusion"
    ml = "ml"
    none = "none"


@app.command()
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
    place: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,SCALE",
            help="The portrait's upper left corner in the background's pixels, and its scale.",
            show_default="at the bottom, centred, at most twice enlarged",
        ),
    ] = None,
    fit: Annotated[
        Fit | None, typer.Option(help="Let the portrait cover the whole background instead.")
    ] = None,
    save_parts: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help=f"Also write {', '.join(PARTS)} there, all of the background's size.",
        ),
    ] = None,
    foreground: Annotated[
        Foreground,
        typer.Option(help="Colours at soft edges: ml needs the extra 'matte' and is slower."),
    ] = Foreground.blur_fusion,
    strength: Annotated[
        float, typer.Option(min=0, max=1, help="How much of the harmonization to take.")
    ] = 1.0,
    lift: LiftChoice = Lift.auto,
    model: Model = None,
    self_ensemble: SelfEnsemble = False,
    matte: Matte = None,
    threads: Threads = None,
) -> None:
    """Put the person of PORTRAIT in front of BACKGROUND, in harmony with it."""
    import sys

    from phnet.compositing.composer import Composer
    from phnet.compositing.placement import choose_place, cut_sides
    from phnet.harmonization.harmonizer import Harmonizer
    from phnet.images import check_output, load, quiet_readers
    from phnet.matting.matte import Matter

    quiet_readers()
    inputs = [portrait, background, mask, Path(model) if model else None, matte]
    check_output(output, *inputs)
    if save_parts:
        _check_parts(save_parts, output, *inputs)
    numbers = None if place is None else _numbers(place)
    scene, photo = load(background), load(portrait)
    check_output(output, picture=scene)
    chosen = choose_place(numbers, fit.value if fit else None, photo.size, scene.size)
    matter = Matter(matte, threads) if mask is None else None
    harmonizer = Harmonizer(model, threads, self_ensemble=self_ensemble)
    composer = Composer(harmonizer, matter, foreground.value)
    cutout = _cut_out(composer, portrait, photo, mask)
    made = composer.compose(cutout, scene.colours_with_alpha, chosen, strength, lift.value)
    _save(output, scene, made)
    if save_parts:
        _write_parts(save_parts, made)
    sides = cut_sides(cutout.alpha)
    if sides:
        print(
            f"phnet: note: {portrait}: the photo's frame cuts the person off "
            f"({', '.join(sides)}), which shows unless that side lies at the picture's edge",
            file=sys.stderr,
        )
    height, width = scene.size
    print(
        f"{output}: {width}x{height}, {float(made.mask.mean()):.0%} of it person, "
        f"placed at {made.place}"
    )


def _numbers(place: str) -> tuple[float, float, float]:
    from phnet.errors import BadInput

    try:
        x, y, scale = (float(part) for part in place.split(","))
    except ValueError:
        raise BadInput(f"--place: expected x,y,scale, got {place!r}") from None
    return x, y, scale


def _cut_out(composer: "Composer", path: Path, photo: "Picture", mask: Path | None) -> "Cutout":
    from phnet.errors import BadInput, BadMask
    from phnet.images import load_mask

    alpha = None if mask is None else load_mask(mask)
    try:
        return composer.cut_out(photo.colours_with_alpha, alpha)
    except BadMask as error:
        raise BadMask(f"{mask or path}: {error}") from error
    except BadInput as error:
        if mask is not None:
            raise
        raise BadInput(f"{path}: {error}; hand in a mask with --mask") from error


def _save(output: Path, scene: "Picture", made: "Composition") -> None:
    """Write the result with all that the background's file had."""
    from phnet.images import save

    save(output, scene.behind(made.result), made.result[..., :3], made.mask)


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
    """The person's colours with alpha, the mask, and the composite before harmonization."""
    import imagecodecs
    import numpy as np

    from phnet.files import write_bytes

    folder.mkdir(exist_ok=True)
    mask = np.rint(made.mask * 255).astype(np.uint8)
    colours = np.rint(made.foreground * 255).astype(np.uint8)
    parts = (np.dstack([colours, mask]), mask, made.composite)
    for name, pixels in zip(PARTS, parts, strict=True):
        write_bytes(folder / name, bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels))))
