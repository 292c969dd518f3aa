"""Options that several commands share, worded once."""

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str | None,
    typer.Option(
        help="Another ONNX network, or 'int8' or 'full'.", show_default="the embedded one"
    ),
]
Matte = Annotated[
    Path | None,
    typer.Option(help="Another matting model.", show_default="the embedded one"),
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads.", show_default="all cores")]
