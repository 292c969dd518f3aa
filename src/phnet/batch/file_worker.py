"""One composite's file to one result's file, and a worker that does it for many."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from phnet.errors import BadInput, PHNetError
from phnet.files import make_folder
from phnet.harmonization.finishing.finish import Layers, has_effects, layers_for
from phnet.harmonization.harmonize_picture import Harmonized, harmonize_picture
from phnet.harmonization.harmonizer import Harmonizer
from phnet.harmonization.look import Look, check_alone, look_of, read_look, write_look
from phnet.harmonization.lut3d import Lut
from phnet.images import (
    Mask,
    Picture,
    Source,
    bounded,
    check_output,
    encoded,
    left_out,
    load,
    quiet_readers,
    read_mask,
    save,
)
from phnet.images.arrays import Floats, Pixels, on_threads
from phnet.images.encoding import WRITABLE, has_layers
from phnet.matting.matte import Matter
from phnet.options import EffectOptions, HarmonizeOptions, NetworkOptions, cores

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Done:
    """Result of harmonizing one file."""

    output: Path | None
    size: tuple[int, int]  # (H, W)
    foreground: float  # share of the picture
    notes: Sequence[str]  # warnings, a sentence each


def harmonize_file(
    harmonizer: Harmonizer | Future[Harmonizer],
    composite: Path | Source,
    mask: Path | Source | None,
    output: Path | BinaryIO,
    options: HarmonizeOptions,
    *,
    matter: Matter | None = None,
    save_lut: Path | None = None,
    reference: Picture | None = None,
    look: Look | None = None,
    save_look: Path | None = None,
    save_parts: Path | None = None,
) -> Done:
    """Harmonize one file into another; the seam for whoever works on many.

    Args:
        harmonizer: the session; or one that is still being opened while the files are read.
        composite: the file to read.
        mask: its mask; None: ``matter`` finds the person.
        output: the file to write, whole or not at all; or a stream, see :func:`write`.
        options: how.
        matter: the matting session; needed where there is no mask.
        save_lut: where to write the look as a ``.cube`` file.
        reference: a picture that the light is read from instead of the background.
        look: a correction that is applied instead of a new one.
        save_look: where to write the correction.
        save_parts: a folder, made where there is none, for a layer of each step.

    Raises:
        PHNetError: one sentence; nothing was written then.
    """
    if save_lut and look is not None:
        raise BadInput(f"{save_lut}: expected a look that is found, but one is handed in")
    picture, its_mask = _opened(composite, mask, output, options, harmonizer)
    session = harmonizer.result() if isinstance(harmonizer, Future) else harmonizer
    layers = Layers() if save_parts else layers_for(options) if has_layers(output) else None
    made = harmonize_picture(
        *(picture, its_mask, options),
        harmonizer=session,
        matter=matter,
        name=str(composite),
        mask_name=str(mask),
        reference=reference,
        look=look,
        keep=layers,
    )
    applied = look_of(made.colors, made.mask) if save_look else None
    if save_parts:
        make_folder(save_parts)
    kind = write(output, picture, made.result, made.mask, steps=steps_of(layers, options))
    notes = [*made.notes, *_lost(output, kind, picture)]
    if save_parts and layers:
        layers.write(save_parts)
    if save_look and applied:
        write_look(save_look, applied)
    if save_lut:
        _write_cube(save_lut, session, made, options)
    place = output if isinstance(output, Path) else None
    return Done(place, picture.size, float(made.mask.mean()), notes)


def steps_of(layers: Layers | None, options: EffectOptions) -> Mapping[str, Pixels] | None:
    """Steps that a file with layers gets; None where no effect is on."""
    return layers.made if layers and has_effects(options) else None


def _lost(output: Path | BinaryIO, kind: str, picture: Picture) -> list[str]:
    """List what a file of some kind does not keep, a sentence each."""
    notes = list(left_out(str(output) if isinstance(output, Path) else "", kind, picture))
    if picture.pixels.itemsize > 1 and kind in ("JPEG", "WEBP"):
        notes.append(f"{output}: the composite has 16 bits a sample, this format keeps 8 of them")
    return notes


def _opened(
    composite: Path | Source,
    mask: Path | Source | None,
    output: Any,
    options: HarmonizeOptions,
    harmonizer: Harmonizer | Future[Harmonizer],
) -> tuple[Picture, Mask | None]:
    """The composite and its mask, read at once, where the output can be written."""
    if isinstance(output, Path):
        check_output(output, *(path for path in (composite, mask) if isinstance(path, Path)))
    most = options.max_megapixels

    def read() -> Picture:
        picture = load(bounded(composite, most))
        if isinstance(output, Path):
            check_output(output, picture=picture)
        return picture

    if mask is None:
        return read(), None
    wanted, several = options.mask_class, options.each

    def understood() -> Mask:
        return read_mask(bounded(mask, most), wanted=wanted, several=several)

    readers: list[Callable[[], Any]] = [read, understood]
    threads = cores() if isinstance(harmonizer, Future) else harmonizer.threads
    picture, its_mask = on_threads(lambda reader: reader(), readers, min(threads, 2))
    return picture, its_mask


def write(
    output: Path | BinaryIO,
    picture: Picture,
    result: Pixels,
    mask: Floats,
    bare: Pixels | None = None,
    steps: Mapping[str, Pixels] | None = None,
) -> str:
    """Write a result into a file, or into a stream; returns the kind that it is now.

    To a stream goes the composite's own kind of file, PNG where that cannot be written. For kinds
    with layers ``bare`` is the composite before it was harmonized (None: the picture), and
    ``steps`` are those of :func:`phnet.images.save`.

    Raises:
        BadOutput: the place cannot be written, or the format cannot hold the picture.
    """
    if isinstance(output, Path):
        save(output, picture, result, mask, bare, steps)
        return WRITABLE[output.suffix.lower()]
    kind = "JPEG" if picture.format == "MPO" else picture.format
    kind = kind if kind in WRITABLE.values() and kind != "PSD" else "PNG"
    if kind == "JPEG" and picture.alpha is not None:
        kind = "PNG"
    output.write(encoded(kind, picture, result, mask))
    output.flush()
    return kind


def _write_cube(
    path: Path, harmonizer: Harmonizer, made: Harmonized, options: HarmonizeOptions
) -> None:
    table = harmonizer.color_map(made.seen, made.mask, options.resolution, "lut", options.light)
    assert isinstance(table, Lut)
    table.write_cube(path, title=path.stem)


@dataclass(frozen=True)
class Settings:
    """Settings that all files of one run share; can be sent to another process."""

    options: HarmonizeOptions = HarmonizeOptions()
    model: str | None = None  # see :func:`phnet.harmonization.harmonizer.find_model`
    threads: int | None = None  # CPU threads of each network
    self_ensemble: bool = NetworkOptions.self_ensemble
    finds_people: bool = False  # some composites come without a mask
    matte: str | None = None  # another matting model
    reference: str | None = None  # a picture that the light is read from
    look: str | None = None  # a saved correction
    providers: str | None = None  # where networks run, see :class:`phnet.options.NetworkOptions`

    def harmonizer(self) -> Harmonizer:
        """The session that is asked for."""
        ensemble, providers = self.self_ensemble, self.providers
        return Harmonizer(self.model, self.threads, self_ensemble=ensemble, providers=providers)

    @contextmanager
    def opening(self) -> Iterator[Future[Harmonizer]]:
        """Open the session beside whatever is done meanwhile."""
        with ThreadPoolExecutor(1) as pool:
            yield pool.submit(self.harmonizer)

    def matter(self) -> Matter:
        """The matting session, likewise."""
        return Matter(self.matte, self.threads, self.providers)


def handed_in(settings: Settings, max_megapixels: int) -> tuple[Picture | None, Look | None]:
    """The reference and the look that the settings name.

    Raises:
        BadInput: one of them cannot be used.
    """
    reference = settings.reference
    check_alone(settings.look, reference)
    return (
        load(bounded(reference, max_megapixels)) if reference else None,
        read_look(settings.look) if settings.look else None,
    )


class FileWorker:
    """Harmonizes files one after another, or from several threads, with one session.

    The same class runs in threads, in processes and in Ray's actors; see
    :mod:`phnet.batch.executors`. A file depends on its inputs and the settings alone and is written
    whole, so that doing it twice gives the same bytes.

    Raises:
        BadModel: a model cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        quiet_readers()
        self._options = settings.options
        self._reference, self._look = handed_in(settings, settings.options.max_megapixels)
        self._harmonizer = settings.harmonizer()
        self._matter = settings.matter() if settings.finds_people else None

    def __call__(self, task: dict[str, Any]) -> dict[str, Any]:
        """Harmonize one file.

        Args:
            task: "composite", "mask" (None: the person is found) and "output", all paths; what
                else there is comes back with the record.

        Returns:
            The task, with "notes" (sentences), or with "failed" (one sentence).
        """

        def work(composite: Path, mask: Path | None, output: Path) -> Sequence[str]:
            done = harmonize_file(
                *(self._harmonizer, composite, mask, output, self._options),
                matter=self._matter,
                reference=self._reference,
                look=self._look,
            )
            return done.notes

        return recorded(task, work)


def recorded(
    task: dict[str, Any], work: Callable[[Path, Path | None, Path], Sequence[str]]
) -> dict[str, Any]:
    """A task and what came of it, see :class:`FileWorker`.

    Args:
        task: see there.
        work: from composite, mask and output to notes.
    """
    composite, output = Path(task["composite"]), Path(task["output"])
    mask = None if task["mask"] is None else Path(task["mask"])
    try:
        make_folder(output.parent)
        notes = work(composite, mask, output)
    except PHNetError as error:
        return {**task, "failed": str(error)}
    except Exception as error:  # one picture, whatever is wrong with it, stops no other
        logger.exception("%s", composite)
        return {**task, "failed": f"{composite}: {type(error).__name__}: {error}"}
    return {**task, "notes": list(notes)}
