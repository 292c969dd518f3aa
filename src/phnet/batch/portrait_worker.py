"""One portrait's file to a composed one, or to its matte; and workers that do it for many."""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import Image

from phnet.batch.file_worker import Settings, handed_in, recorded, steps_of, write
from phnet.compositing.composer import Composer, Composition, compose_pictures
from phnet.errors import BadInput, BadMask, BadOption
from phnet.files import replacing
from phnet.harmonization.finishing.finish import Layers, layers_for
from phnet.harmonization.look import Look, look_of, write_look
from phnet.images import (
    Picture,
    Source,
    bounded,
    check_output,
    left_out,
    load,
    quiet_readers,
    read_mask,
)
from phnet.images.arrays import to_uint8
from phnet.images.encoding import compressed, has_layers
from phnet.matting.matte import Matter
from phnet.options import ComposeOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

File = Path | Source
CUT = (
    "the photo's frame cuts the person off ({}), which shows unless that side lies at the "
    "picture's edge"
)


@dataclass(frozen=True)
class ComposedFile:
    """Result of composing one file."""

    made: Composition
    size: tuple[int, int]  # (H, W)
    notes: Sequence[str]  # warnings, a sentence each


def compose_file(
    composer: Composer,
    portrait: File,
    background: File,
    mask: File | None,
    output: Path | BinaryIO,
    options: ComposeOptions,
    *,
    reference: Picture | None = None,
    look: Look | None = None,
    save_look: Path | None = None,
    layers: Layers | None = None,
) -> ComposedFile:
    """Put the person of one file in front of another one.

    Args:
        composer: the sessions.
        portrait: with the person.
        background: of any size.
        mask: where the person is in the portrait; None: the person is found.
        output: the file to write, whole or not at all, or a stream.
        options: how.
        reference: a picture that the light is read from instead of the background.
        look: a correction that is applied instead of a new one.
        save_look: where to write the correction.
        layers: get what each step changed; None: they are only made for a file that has them.

    Raises:
        PHNetError: one sentence; nothing was written then.
    """
    if isinstance(output, Path):
        files = [path for path in (portrait, background, mask) if isinstance(path, Path)]
        check_output(output, *files)
    most = options.max_megapixels
    layers = layers or (layers_for(options) if has_layers(output) else None)
    scene, photo = load(bounded(background, most)), load(bounded(portrait, most))
    if isinstance(output, Path):
        check_output(output, picture=scene)
    with _named(portrait, mask):
        alpha = None if mask is None else read_mask(bounded(mask, most), wanted=options.mask_class)
        done = compose_pictures(
            *(photo, scene, alpha, options),
            composer=composer,
            reference=reference,
            look=look,
            keep=layers,
        )
    applied = look_of(done.made.colors, done.made.mask) if save_look else None
    bare = done.made.composite[..., :3]
    steps = steps_of(layers, options)
    kind = write(output, done.picture, done.result, done.made.changed, bare, steps)
    if save_look and applied:
        write_look(save_look, applied)
    notes = [f"{mask}: {note}" for note in done.notes]
    notes += [f"{portrait}: {note}" for note in photo.notes]
    notes += [f"{background}: {note}" for note in scene.notes]
    notes += left_out(str(output) if isinstance(output, Path) else "", kind, done.picture)
    notes += [f"{portrait}: {CUT.format(', '.join(done.cut_sides))}"] if done.cut_sides else []
    return ComposedFile(done.made, scene.size, notes)


@contextmanager
def _named(portrait: File, mask: File | None) -> "Iterator[None]":
    """Sentences about the portrait or its mask get the file's name."""
    try:
        yield
    except BadOption:
        raise
    except BadMask as error:
        name = str(mask or portrait)
        if str(error).startswith(name):
            raise
        raise BadMask(f"{name}: {error}") from error
    except BadInput as error:
        if mask is not None or not str(error).startswith("no person"):
            raise
        raise BadInput(f"{portrait}: {error}; hand in a mask (mask)") from error


@dataclass(frozen=True)
class ComposeSettings(Settings):
    """Settings that all portraits of one run share."""

    compose: ComposeOptions = ComposeOptions()


class ComposeWorker:
    """Composes files one after another, or from several threads, with the same sessions.

    Raises:
        BadModel: a model cannot be used.
    """

    def __init__(self, settings: ComposeSettings) -> None:
        quiet_readers()
        matter = settings.matter() if settings.finds_people else None
        self._composer = Composer(settings.harmonizer(), matter)
        self._options = settings.compose
        self._reference, self._look = handed_in(settings, settings.compose.max_megapixels)

    def __call__(self, task: dict[str, Any]) -> dict[str, Any]:
        """Compose one file; a task has a "background" besides what file_worker says."""

        def work(portrait: Path, mask: Path | None, output: Path) -> Sequence[str]:
            background = Path(task["background"])
            done = compose_file(
                *(self._composer, portrait, background, mask, output, self._options),
                reference=self._reference,
                look=self._look,
            )
            return done.notes

        return recorded(task, work)


def matte_file(matter: Matter, photo: File, output: Path | BinaryIO, refine: str) -> float:
    """Write the alpha of the person in one file; returns the person's share of the picture.

    Args:
        matter: the session.
        photo: the file to read.
        output: the file to write, whole or not at all; or a stream, to which goes a PNG.
        refine: see :meth:`phnet.matting.matte.Matter.matte`.

    Raises:
        PHNetError: one sentence; nothing was written then.
    """
    if isinstance(output, Path):
        check_output(output, *([photo] if isinstance(photo, Path) else []))
    alpha = matter.matte(photo, refine)
    gray = to_uint8(alpha)
    if isinstance(output, Path):
        with replacing(output) as temporary:
            Image.fromarray(gray).save(temporary, lossless=True)
    else:
        output.write(compressed(gray))
        output.flush()
    return float(alpha.mean())


@dataclass(frozen=True)
class MatteSettings(Settings):
    """Settings that all photos of one run share."""

    refine: str = "guided"


class MatteWorker:
    """Writes the alphas of files one after another, or from several threads, with one session.

    Raises:
        BadModel: the model cannot be used.
    """

    def __init__(self, settings: MatteSettings) -> None:
        quiet_readers()
        self._matter = settings.matter()
        self._refine = settings.refine

    def __call__(self, task: dict[str, Any]) -> dict[str, Any]:
        """Find the person of one file; tasks as file_worker says."""

        def work(photo: Path, _: Path | None, output: Path) -> Sequence[str]:
            matte_file(self._matter, photo, output, self._refine)
            return []

        return recorded(task, work)
