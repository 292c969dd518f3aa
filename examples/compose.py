"""Make before_after.jpg: a portrait before a launch site, pasted and harmonized, side by side.

    python examples/compose.py

The same by hand, in this folder::

    phnet compose ../tests/portraits/test_0177.jpg background.jpg -o out.jpg

Run it again when the weights in the package have changed. NOTICE says whose photos these are.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from phnet.compositing.composer import Composer

HERE = Path(__file__).parent
PORTRAIT = HERE.parent / "tests" / "portraits" / "test_0177.jpg"


def main() -> None:
    """Write the picture beside this file."""
    portrait, background = (
        np.asarray(Image.open(path).convert("RGB")) for path in (PORTRAIT, HERE / "background.jpg")
    )
    composer = Composer()
    made = composer.compose(composer.cut_out(portrait), background)
    pair = Image.fromarray(np.hstack([made.composite, made.result]))
    pair.save(HERE / "before_after.jpg", quality=88, subsampling=0, optimize=True)


if __name__ == "__main__":
    main()
