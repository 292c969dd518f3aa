"""Files beside the result of a call in Python: the look, a PSD, a folder with layers."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phnet.errors import BadOutput
from phnet.files import check_place, make_folder
from phnet.harmonization.finishing.finish import Layers, has_effects, layers_for
from phnet.harmonization.look import Look, write_look
from phnet.images.arrays import Floats, Pixels
from phnet.images.encoding import check_output, has_layers, save
from phnet.images.picture import Picture
from phnet.options import EffectOptions

Place = str | os.PathLike[str] | None


@dataclass(frozen=True)
class Beside:
    """Places to write to; None: nothing of that kind."""

    look: Place = None  # JSON
    psd: Place = None  # with effects a layer for each step, else one with what changed
    parts: Place = None  # a folder, made where there is none

    def check(self, picture: Picture, *inputs: Any) -> None:
        """Refuse, before any work, a place that cannot be written or is one of the inputs.

        Args:
            picture: what the result is like.
            inputs: what was handed in; paths among them must stay as they are.

        Raises:
            BadOutput: with the reason.
        """
        files = [one for one in inputs if isinstance(one, str | os.PathLike)]
        if self.look is not None:
            check_place(Path(self.look), *files)
        if self.psd is not None:
            if not has_layers(Path(self.psd)):
                raise BadOutput(f"save_psd: expected a name ending in .psd, got {self.psd}")
            check_output(self.psd, *files, picture=picture)
        if self.parts is not None and Path(self.parts).exists() and not Path(self.parts).is_dir():
            raise BadOutput(f"{self.parts}: expected a folder for the parts, but it is a file")

    def layers(self, options: EffectOptions) -> Layers | None:
        """Layers that are to be told of the steps; None where nobody asks."""
        if self.parts is not None:
            return Layers()
        return None if self.psd is None else layers_for(options)

    def write(
        self,
        look: Callable[[], Look],
        picture: Picture,
        pasted: Pixels,
        result: Pixels,
        mask: Floats,
        layers: Layers | None,
        options: EffectOptions,
    ) -> None:
        """Write all that was asked for.

        Args:
            look: makes the look.
            picture: what the result is like.
            pasted: sRGB (H, W, 3), before any step.
            result: likewise, after all.
            mask: (H, W); where it is 0 nothing changed.
            layers: the steps.
            options: the effects' strengths.

        Raises:
            BadInput: there is no look.
            BadOutput: a place cannot be written.
        """
        applied = None if self.look is None else look()
        if self.psd is not None:
            steps = layers.made if layers and has_effects(options) else None
            save(self.psd, picture, result, mask, pasted, steps)
        if self.parts is not None and layers is not None:
            make_folder(Path(self.parts))
            layers.write(Path(self.parts))
        if self.look is not None and applied is not None:
            write_look(self.look, applied)
