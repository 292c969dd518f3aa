"""``phnet matte``: the alpha of the person in a photo."""

from pathlib import Path
from typing import Annotated

import typer

from phnet.cli import app
from phnet.cli.options import Matte, Refine, Threads


@app.command()
def matte(
    photo: Annotated[Path, typer.Argument(help="The photo.", show_default=False)],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The alpha to write (grayscale, 8 bits).")
    ],
    model: Matte = None,
    refine: Annotated[
        Refine, typer.Option(help="Edges: closed-form needs the extra 'matte'.")
    ] = Refine.guided,
    threads: Threads = None,
) -> None:
    """Write the alpha of the person in PHOTO: white where the person is."""
    import numpy as np
    from PIL import Image

    from phnet.files import replacing
    from phnet.images import check_output
    from phnet.matting.matte import Matter

    check_output(output, photo)
    alpha = Matter(model, threads).matte(photo, refine.value)
    with replacing(output) as temporary:
        Image.fromarray(np.rint(alpha * 255).astype(np.uint8)).save(temporary, lossless=True)
    print(f"{output}: {100 * float(alpha.mean()):.0f}% of the picture is person")
