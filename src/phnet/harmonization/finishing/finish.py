"""The effects in their order, and each of them as a layer.

Edges come before the colors are matched, since what the network sees and changes shall be the
person alone; sharpness, grain and light wrap come after, in this order: a blur would take grain
away, and the light that bleeds over an edge is not the person's.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from phnet.files import write_bytes
from phnet.harmonization.finishing.grain import match_grain
from phnet.harmonization.finishing.light_wrap import light_wrap
from phnet.harmonization.finishing.sharpness import match_sharpness
from phnet.images.arrays import Floats, Pixels, to_float
from phnet.images.encoding import compressed
from phnet.options import EffectOptions, options_of

# Gets each step's name, the picture before it and the picture after it.
Keep = Callable[[str, Pixels, Pixels], None]


def finish(
    picture: Pixels,
    mask: Floats,
    options: EffectOptions,
    *,
    threads: int = 1,
    keep: Keep | None = None,
) -> Pixels:
    """Match sharpness and grain, and wrap light, as far as the options ask for.

    Args:
        picture: the composite with its colors matched, sRGB (H, W, 3).
        mask: (H, W) in [0, 1]; where it is 0 the picture stays bit for bit.
        options: the strengths.
        threads: strips worked on at once.
        keep: is told of each step.
    """
    steps: dict[str, Callable[..., Pixels]] = {
        "match_sharpness": match_sharpness,
        "match_grain": match_grain,
        "light_wrap": light_wrap,
    }
    for name, work in steps.items():
        amount = options.amount(name)
        if not amount:
            continue
        made = work(picture, mask, amount, threads=threads)
        if keep is not None:
            keep(name, picture, made)
        picture = made
    return picture


def has_effects(options: EffectOptions) -> bool:
    """Tell whether any effect is on."""
    names = (one.name for one in options_of(type(options)) if one.about.finish is not None)
    return any(map(options.amount, names))


def layers_for(options: EffectOptions) -> "Layers | None":
    """Layers to be kept for a file that has some; None where no effect is on."""
    return Layers() if has_effects(options) else None


class Layers:
    """Layers of what each step changed, which can be taken or left one by one.

    A layer is uint16 (H, W, 3), 0.5 where nothing changes, for the blend mode "linear light":
    below + 2 layer - 1. All of them over the bare paste give the result, to clipping.
    """

    def __init__(self) -> None:
        self.made: dict[str, Pixels] = {}

    def __call__(self, name: str, before: Pixels, after: Pixels) -> None:
        """Keep what a step changed; see :data:`Keep`. Of several persons, steps add up."""
        new = layer(before, after)
        if name in self.made:
            both = self.made[name].astype(np.int32) + new - 32768
            new = both.clip(0, 65535).astype(np.uint16)
        self.made[name] = new

    def write(self, folder: Path) -> None:
        """Write each layer as NAME.png into an existing folder.

        Raises:
            BadOutput: the place cannot be written.
        """
        for number, (name, pixels) in enumerate(self.made.items(), 1):
            write_bytes(folder / f"layer-{number}-{name}.png", compressed(pixels))


def layer(before: Pixels, after: Pixels) -> Pixels:
    """The difference of two pictures (H, W, 3) as a layer for linear light, uint16."""
    made = np.empty((*before.shape[:2], 3), np.uint16)
    for start in range(0, before.shape[0], 256):
        rows = slice(start, start + 256)
        change = to_float(after[rows, :, :3]) - to_float(before[rows, :, :3])
        made[rows] = np.rint(32768 + np.clip(change / 2, -0.5, 0.49998) * 65535).clip(0, 65535)
    return made
