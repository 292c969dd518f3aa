"""Interface of color maps: they change a composite's foreground at any size."""

from abc import ABC, abstractmethod

from phnet.harmonization.tiling import Changed, Trims, in_strips
from phnet.images.arrays import Floats, Pixels
from phnet.options import LookOptions


class ColorMap(ABC):
    """A map of colors that can be applied to a composite of any size."""

    @abstractmethod
    def changing(self, composite: Pixels, columns: slice) -> Changed:
        """Map some columns of a composite (H, W, 3), a strip of rows at a time.

        Returns:
            a function from a strip's channels in [0, 1] and its rows to new channels, unclipped,
            which may be written over.
        """

    def apply(
        self,
        composite: Pixels,
        mask: Floats,
        strength: float = LookOptions.strength,
        threads: int = 1,
        trims: Trims | None = None,
    ) -> Pixels:
        """Return the composite with its foreground mapped.

        Args:
            composite: RGB (H, W, 3): uint8, uint16, or floats in [0, 1].
            mask: float32 (H, W) in [0, 1]; where it is 0, pixels come back bit for bit.
            strength: how much of the change to take, in [0, 2].
            threads: how many strips are worked on at once.
            trims: exposure and warmth on top; None for neither.
        """
        return in_strips(composite, mask, strength, threads, self.changing, trims)
