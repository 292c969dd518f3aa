"""``phnet model`` and ``phnet export``: what a network is, and the file that the product runs."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phnet.cli import app

if TYPE_CHECKING:
    from types import ModuleType


class Storage(StrEnum):
    """Storage of weights: float32, float16 or int8."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


@app.command()
def model(
    what: Annotated[
        str | None,
        typer.Argument(help="A name (see --list), a checkpoint, an ONNX file, or *.pieces.json."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    show_list: Annotated[bool, typer.Option("--list", help="Print the names and stop.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Join the pieces into this file.")
    ] = None,
) -> None:
    """Tell what a network or a file is: parameters, work, how it is built."""
    import json

    from phnet.errors import BadInput
    from phnet.export import chunks, onnx_info
    from phnet.files import write_bytes

    if show_list:
        print("\n".join(_by_torch().NAMED))
        return
    if what is None:
        raise BadInput("phnet model: expected a file, or a name that phnet model --list prints")
    if output is not None:
        if not chunks.is_pieces(Path(what)):
            raise BadInput(f"{what}: expected a list of pieces (NAME.pieces.json) to join")
        write_bytes(output, chunks.read_pieces(Path(what)))
        what = str(output)
    if onnx_info.is_onnx(Path(what)):
        about = onnx_info.describe_onnx(Path(what))
    elif what in _by_torch().NAMED:
        about = _by_torch().describe_name(what)
    else:
        about = _by_torch().describe_file(what)
    if as_json:
        print(json.dumps(about))
        return
    for key, value in about.items():
        shown = f"{value:,}" if key == "parameters" and isinstance(value, int) else value
        print(f"{key:>12}  {shown}")


def _by_torch() -> "ModuleType":
    """Import the module that describes networks in torch."""
    from phnet.errors import MissingExtra

    try:
        from phnet.export import model_info
    except ModuleNotFoundError as error:
        raise MissingExtra("train", "phnet model of anything but an ONNX file") from error
    return model_info


@app.command()
def export(
    checkpoint: Annotated[
        Path, typer.Argument(help="A checkpoint of phnet train, or the authors' state dict.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="What to write: .onnx, or .safetensors.")
    ],
    storage: Annotated[
        Storage | None, typer.Option(help="How weights are stored: fp32, with --pieces fp16.")
    ] = None,
    resolution: Annotated[
        int, typer.Option(min=16, max=4096, help="Side of the square that the network works at.")
    ] = 256,
    name: Annotated[str | None, typer.Option(help="What the file calls itself.")] = None,
    pieces: Annotated[
        bool, typer.Option("--pieces", help="Write sum-checked pieces of at most 15 MB.")
    ] = False,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Photos ID.jpg with masks ID.png, for int8."),
    ] = None,
) -> None:
    """Write a network as ONNX, after checking that ONNX Runtime computes the same.

    A name that ends in .safetensors gets the torch weights alone, for phnet train --init.
    """
    from phnet.errors import BadInput, BadOutput, MissingExtra

    try:
        from phnet.export.onnx_export import export_file
    except ModuleNotFoundError as error:
        raise MissingExtra("train", "phnet export") from error
    if output.exists() and checkpoint.exists() and output.samefile(checkpoint):
        raise BadOutput(f"{output}: the output is also the input; choose another name")
    if output.suffix == ".safetensors":
        from phnet.training.checkpoint import load_checkpoint, save_tensors

        save_tensors(load_checkpoint(checkpoint), output)
        print(f"{output}  {output.stat().st_size / 1e6:.2f} MB")
        return
    stored = storage or (Storage.fp16 if pieces else Storage.fp32)
    if (stored is Storage.int8) != (calibrate is not None):
        raise BadInput("phnet export: --storage int8 and --calibrate DIR belong together")
    difference, files = export_file(
        checkpoint, output, stored.value, resolution, name, pieces, calibrate
    )
    for file in files:
        print(f"{file}  {file.stat().st_size / 1e6:.2f} MB")
    print(f"torch and ONNX Runtime differ by {difference:.1e} at most")
