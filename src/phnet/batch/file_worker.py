"""One composite's file to one result's file, and a worker that does it for many."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phnet.errors import BadOutput, PHNetError
from phnet.harmonization.finishing.finish import Layers
from phnet.harmonization.harmonize_picture import harmonize_picture
from phnet.harmonization.harmonizer import Harmonizer
from phnet.harmonization.look import Look, look_of, read_look, write_look
from phnet.harmonization.lut3d import Lut
from phnet.images import (
    Picture,
    check_output,
    load,
    quiet_readers,
    read_mask,
    save,
)
from phnet.images.arrays import Floats
from phnet.matting.matte import Matter
from phnet.options import HarmonizeOptions, NetworkOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Done:
    """What harmonizing one file came to."""

    output: Path
    size: tuple[int, int]  # (H, W)
    foreground: float  # share of the picture
    notes: Sequence[str]  # what a person should know, a sentence each


def harmonize_file(
    harmonizer: Harmonizer,
    composite: Path,
    mask: Path | None,
    output: Path,
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
        harmonizer: the session.
        composite: the file to read.
        mask: its mask; None: ``matter`` finds the person.
        output: the file to write, whole or not at all.
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
    check_output(output, composite, mask)
    picture = load(composite)
    check_output(output, picture=picture)
    if save_parts:
        _make_folder(save_parts)
    layers = Layers() if save_parts else None
    made = harmonize_picture(
        picture,
        None if mask is None else read_mask(mask),
        options,
        harmonizer=harmonizer,
        matter=matter,
        name=str(composite),
        mask_name=str(mask),
        reference=reference,
        look=look,
        keep=layers,
    )
    notes, alpha = list(made.notes), made.mask
    if picture.pixels.itemsize > 1 and output.suffix.lower() in (".jpg", ".jpeg", ".webp"):
        notes.append(f"{output}: the composite has 16 bits a sample, this format keeps 8 of them")
    applied = look_of(made.colors, alpha) if save_look else None
    save(output, picture, made.result, alpha)
    if save_parts and layers:
        layers.write(save_parts)
    if save_look and applied:
        write_look(save_look, applied)
    if save_lut:
        _write_cube(save_lut, harmonizer, picture, alpha, options)
    return Done(output, picture.size, float(alpha.mean()), notes)


def _write_cube(
    path: Path, harmonizer: Harmonizer, picture: Picture, alpha: Floats, options: HarmonizeOptions
) -> None:
    table = harmonizer.color_map(picture.colors, alpha, options.resolution, "lut", options.light)
    assert isinstance(table, Lut)
    table.write_cube(path, title=path.stem)


@dataclass(frozen=True)
class Settings:
    """What all files of one run have in common; can be sent to another process."""

    options: HarmonizeOptions = HarmonizeOptions()
    model: str | None = None  # see :func:`phnet.harmonization.harmonizer.find_model`
    threads: int | None = None  # CPU threads of each network
    self_ensemble: bool = NetworkOptions.self_ensemble
    finds_people: bool = False  # some composites come without a mask
    matte: str | None = None  # another matting model
    reference: str | None = None  # a picture that the light is read from
    look: str | None = None  # a saved correction


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
        self._reference = load(settings.reference) if settings.reference else None
        self._look = read_look(settings.look) if settings.look else None
        self._harmonizer = Harmonizer(
            settings.model, settings.threads, self_ensemble=settings.self_ensemble
        )
        finds = settings.finds_people
        self._matter = Matter(settings.matte, settings.threads) if finds else None

    def __call__(self, task: dict[str, Any]) -> dict[str, Any]:
        """Harmonize one file.

        Args:
            task: "composite", "mask" (None: the person is found) and "output", all paths; what
                else there is comes back with the record.

        Returns:
            The task, with "notes" (sentences), or with "failed" (one sentence).
        """
        composite, output = Path(task["composite"]), Path(task["output"])
        mask = None if task["mask"] is None else Path(task["mask"])
        try:
            _make_folder(output.parent)
            done = harmonize_file(
                *(self._harmonizer, composite, mask, output, self._options),
                matter=self._matter,
                reference=self._reference,
                look=self._look,
            )
        except PHNetError as error:
            return {**task, "failed": str(error)}
        except Exception as error:  # one picture, whatever is wrong with it, stops no other
            logger.exception("%s", composite)
            return {**task, "failed": f"{composite}: {type(error).__name__}: {error}"}
        return {**task, "notes": list(done.notes)}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutput(f"{folder}: expected a folder to write to, but {error.strerror}") from error
