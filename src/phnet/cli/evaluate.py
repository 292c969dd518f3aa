"""``phnet predict`` and ``phnet evaluate``: any method, and scores read from disk."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phnet.cli import app
from phnet.cli.options import SelfEnsemble, Threads

if TYPE_CHECKING:
    from phnet.evaluation.score import Method
    from phnet.harmonization.harmonizer import Harmonizer
    from phnet.images.arrays import Pixels

Data = Annotated[
    Path, typer.Option("--data", help="A tree of FFHQH or iHarmony4.", show_default=False)
]
Split = Annotated[str, typer.Option(help="train, val or test.")]
Real = Annotated[
    Path | None,
    typer.Option(help="Folder of FFHQH's real photos.", show_default="DATA/real"),
]
Side = Annotated[
    int | None,
    typer.Option(
        "--size", min=16, max=8192, help="Resize all to this square.", show_default="as stored"
    ),
]


class Format(StrEnum):
    """What ``phnet evaluate`` gives."""

    table = "table"
    json = "json"
    csv = "csv"
    html = "html"


class Rule(StrEnum):
    """How PSNR and fMSE are reckoned, see :mod:`phnet.evaluation.metrics`."""

    default = "default"
    iharmony4 = "iharmony4"
    released = "released"


@app.command()
def predict(
    data: Data,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of predictions.", show_default=False)
    ],
    split: Split = "test",
    method: Annotated[
        str,
        typer.Option(
            help="default (the shipped network), full, reinhard, mk, idt, histogram, poisson, "
            "multiscale, composite (untouched), or the path of an ONNX file or checkpoint."
        ),
    ] = "default",
    real: Real = None,
    size: Side = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            min=16,
            max=4096,
            help="Side that a network sees.",
            show_default="its own; 256 for a checkpoint",
        ),
    ] = None,
    untouched: Annotated[
        bool,
        typer.Option(
            "--untouched", help="Hand in the real photos; written to OUTPUT/untouched, for a check."
        ),
    ] = False,
    self_ensemble: SelfEnsemble = False,
    threads: Threads = None,
) -> None:
    """Write a method's prediction for every composite of a data set, under its file name.

    The files hold PNG whatever their name ends in, so that nothing is lost.
    """
    import statistics

    from phnet.datasets.readers import read
    from phnet.evaluation.score import predict as predict_all

    samples = read(data, split, real, size=size)
    chosen = find_method(method, threads, resolution, self_ensemble)
    with _bar("predicting") as progress:
        seconds = predict_all(samples, chosen, output, untouched=untouched, progress=progress)
    middle = 1000 * statistics.median(seconds)
    print(f"{output}: {len(seconds)} predictions by {method}, {middle:.1f} ms an image (median)")


@app.command()
def evaluate(
    data: Data,
    predictions: Annotated[
        list[Path],
        typer.Option("--predictions", help="A folder that predict wrote; may be repeated."),
    ],
    split: Split = "test",
    format: Annotated[Format, typer.Option("--format", help="What to give.")] = Format.table,  # noqa: A002
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write instead of printing.")
    ] = None,
    convention: Annotated[
        Rule, typer.Option(help="Of PSNR's peak and fMSE's equation.")
    ] = Rule.default,
    real: Real = None,
    size: Side = None,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
) -> None:
    """Score predictions on disk: MSE, PSNR, fMSE, fPSNR, SSIM with 95% intervals.

    table and json give means, csv a line for each image, html the report.
    """
    import json

    from phnet.datasets.readers import read
    from phnet.errors import BadOutput
    from phnet.evaluation import statistics as figures
    from phnet.evaluation.score import evaluate as evaluate_all
    from phnet.files import write_text

    if output is not None and not output.parent.is_dir():
        raise BadOutput(f"{output}: expected a file name in an existing folder")
    samples = read(data, split, real, size=size)
    with _bar("evaluating") as progress:
        methods = evaluate_all(
            samples, predictions, convention=convention.value, jobs=jobs, progress=progress
        )
    if format is Format.csv:
        text = figures.as_csv(methods)
    elif format is Format.html:
        from phnet.evaluation.report import page

        text = page(samples, methods, convention.value, f"{data.resolve().name}, {split}")
    else:
        summary = {
            "data": str(data),
            "split": split,
            "size": size,
            "convention": convention.value,
            **figures.summary(methods),
        }
        as_json = format is Format.json
        text = json.dumps(summary, indent=1) if as_json else figures.as_table(summary)
    if output is None:
        print(text.rstrip("\n"))
    else:
        write_text(output, text if text.endswith("\n") else text + "\n")
        print(f"{output}: {len(methods)} methods on {len(samples)} images")


def find_method(
    name: str,
    threads: int | None,
    resolution: int | None = None,
    self_ensemble: bool = False,
) -> "Method":
    """The method that ``--method`` names.

    Raises:
        BadInput: there is none of that name, and no such file.
        BadModel: the file is no network.
    """
    from phnet.errors import BadInput
    from phnet.evaluation.baselines import METHODS
    from phnet.harmonization.harmonizer import Harmonizer

    if name in METHODS:
        if resolution is not None:
            raise BadInput(f"--resolution is for networks, but {name} sees every pixel")
        if self_ensemble:
            raise BadInput(f"--self-ensemble is for networks, but {name} is none")
        return METHODS[name]
    if name == "default":
        network = Harmonizer(None, threads)
    elif not Path(name).is_file():
        names = ", ".join(["default", *METHODS])
        raise BadInput(f"--method: expected {names}, or a file that exists, got {name!r}")
    elif Path(name).suffix.lower() == ".onnx":
        network = Harmonizer(name, threads)
    else:
        network = _from_checkpoint(Path(name), threads, resolution)
    network.self_ensemble = self_ensemble
    if network.takes_light:
        network.light = 0.0  # the paper's task
    return network if resolution is None else _At(network, resolution)


@dataclass(frozen=True)
class _At:
    """A network that sees its composites at another resolution than its own."""

    network: "Harmonizer"
    resolution: int

    def harmonize(self, composite: "Pixels", mask: "Pixels") -> "Pixels":
        return self.network.harmonize(composite, mask, resolution=self.resolution)


def _from_checkpoint(path: Path, threads: int | None, resolution: int | None) -> "Harmonizer":
    """A checkpoint, exported as it would be to ship it; it works at 256 unless told otherwise."""
    import tempfile

    from phnet.errors import MissingExtra
    from phnet.harmonization.harmonizer import Harmonizer

    try:
        from phnet.export.onnx_export import export_file
    except ModuleNotFoundError as error:
        raise MissingExtra("train", f"{path}: a checkpoint") from error
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        export_file(path, file, resolution=resolution or 256)
        return Harmonizer(file, threads)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error and yield what moves it: (done, total)."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
