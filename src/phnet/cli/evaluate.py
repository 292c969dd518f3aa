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
    from phnet.datasets.readers import Sample
    from phnet.evaluation.adapters import Run
    from phnet.evaluation.score import Method
    from phnet.evaluation.statistics import Scored
    from phnet.harmonization.harmonizer import Harmonizer
    from phnet.images.arrays import Pixels

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        help="A data set: FFHQH, iHarmony4 or its like, HYouTube, or a list of JSON lines.",
        show_default=False,
    ),
]
Split = Annotated[str, typer.Option(help="train, val or test.")]
Real = Annotated[
    Path | None,
    typer.Option(help="Folder of FFHQH's real photos.", show_default="DATA/real"),
]
Side = Annotated[
    int | None,
    typer.Option(
        "--size",
        min=16,
        max=8192,
        help="Resize all to this square.",
        show_default="the protocol's",
    ),
]

MethodName = Annotated[
    str,
    typer.Option(
        "--method",
        help="default (the shipped network), full, reinhard, mk, idt, histogram, poisson, "
        "multiscale, composite (untouched), or the path of an ONNX file, a checkpoint, or an "
        "adapter (.toml) of anyone's network.",
    ),
]
Resolution = Annotated[
    int | None,
    typer.Option(
        min=16,
        max=4096,
        help="Side that a network sees.",
        show_default="its own; 256 for a checkpoint",
    ),
]


class Format(StrEnum):
    """Kinds of output of ``phnet evaluate``."""

    table = "table"
    json = "json"
    csv = "csv"
    html = "html"
    skin = "skin"
    figure = "figure"


class Rule(StrEnum):
    """Protocols, see :mod:`phnet.evaluation.protocols`."""

    paper = "paper"
    dovenet = "dovenet"
    idih = "idih"
    pctnet = "pctnet"
    harmonizer = "harmonizer"
    released = "released"


@app.command()
def predict(
    data: Data,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of predictions.", show_default=False)
    ],
    split: Split = "test",
    method: MethodName = "default",
    protocol: Annotated[
        Rule, typer.Option(help="After whose rules composites and masks are handed in.")
    ] = Rule.paper,
    real: Real = None,
    size: Side = None,
    resolution: Resolution = None,
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
        seconds = predict_all(
            samples,
            chosen,
            output,
            protocol=protocol.value,
            untouched=untouched,
            about=about(chosen, method),
            progress=progress,
        )
    middle = 1000 * statistics.median(seconds)
    left = len(samples) - len(seconds)
    print(
        f"{output}: {len(seconds)} predictions by {method}, {middle:.1f} ms an image (median)"
        + (f"; {left} left out, their masks are empty" if left else "")
    )


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
    protocol: Annotated[
        Rule, typer.Option(help="Whose figures: size, mask, resizing, depth, peak, equation.")
    ] = Rule.paper,
    suffix: Annotated[
        str, typer.Option(help="What predictions have behind the composite's name.")
    ] = "",
    images: Annotated[
        str | None,
        typer.Option(help="Ids of the figure's rows, with commas.", show_default="best to worst"),
    ] = None,
    convention: Annotated[str | None, typer.Option(hidden=True)] = None,
    real: Real = None,
    size: Side = None,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
) -> None:
    """Score predictions on disk: MSE, PSNR, fMSE, fPSNR, SSIM, CIEDE2000 with 95% intervals.

    table and json give means and paired tests, csv a line for each image, html the report, skin
    what methods do to skin of three tones, figure predictions side by side.
    """
    from phnet.datasets.readers import read
    from phnet.evaluation.score import evaluate as evaluate_all

    _check_request(format, output, convention)
    samples = read(data, split, real, size=size)
    with _bar("evaluating") as progress:
        methods = evaluate_all(
            samples,
            predictions,
            protocol=protocol.value,
            suffix=suffix,
            jobs=jobs,
            progress=progress,
        )
    if format is Format.figure and output is not None:
        _write_figure(output, samples, methods, images)
        return
    text = _as_text(format, samples, methods, protocol.value, data, split)
    if output is None:
        print(text.rstrip("\n"))
        return
    from phnet.files import write_text

    write_text(output, text if text.endswith("\n") else text + "\n")
    left = f", {len(methods[0].failed)} left out" if methods[0].failed else ""
    print(f"{output}: {len(methods)} methods on {len(methods[0].ids)} images{left}")


def _check_request(format: Format, output: Path | None, convention: str | None) -> None:  # noqa: A002
    """Refuse, before any work, what cannot be written, and the option that is no more."""
    from phnet.errors import BadInput, BadOutput
    from phnet.evaluation.protocols import PROTOCOLS

    if convention is not None:
        names = ", ".join(PROTOCOLS)
        raise BadInput(f"--convention: expected --protocol, which replaced it: {names}")
    if output is not None and not output.parent.is_dir():
        raise BadOutput(f"{output}: expected a file name in an existing folder")
    if format is Format.figure and output is None:
        raise BadOutput("--output: expected the file that the figure is written to")


def _as_text(
    format: Format,  # noqa: A002
    samples: "list[Sample]",
    methods: "list[Scored]",
    protocol: str,
    data: Path,
    split: str,
) -> str:
    """Write the results as text, in the format that was asked for."""
    import json

    from phnet.evaluation import protocols, skin_table
    from phnet.evaluation import statistics as figures

    if format is Format.csv:
        return figures.as_csv(methods)
    if format is Format.html:
        from phnet.evaluation.report import page

        return page(samples, methods, protocol, f"{data.resolve().name}, {split}")
    summary = {
        "data": str(data),
        "split": split,
        "protocol": protocols.find(protocol, samples[0].size).about(),
        **figures.summary(methods),
    }
    for method, scored in zip(summary["methods"], methods, strict=True):
        assert scored.skin is not None
        method["skin_tone"] = skin_table.by_tone(scored.skin)
    if format is Format.json:
        return json.dumps(summary, indent=1)
    if format is Format.skin:
        return figures.aligned(skin_table.rows_of(summary["methods"]))
    return figures.as_table(summary)


def _write_figure(
    output: Path, samples: "list[Sample]", methods: "list[Scored]", images: str | None
) -> None:
    from phnet.evaluation.qualitative import sheet, write_sheet

    wanted = [name for name in (images or "").split(",") if name]
    write_sheet(output, sheet(samples, methods, wanted))
    print(f"{output}: {len(methods)} methods side by side")


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
    if Path(name).suffix == ".toml":
        if resolution is not None or self_ensemble:
            raise BadInput(f"{name}: an adapter says itself how its network is run")
        return _adapter(Path(name), threads)
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


def about(method: "Method", name: str) -> dict[str, object]:
    """Describe a method, for the note beside its predictions."""
    network = getattr(method, "network", method)
    card = getattr(network, "card", None)
    parameters = card.about.get("parameters") if card else getattr(network, "parameters", None)
    known = {"name": getattr(network, "name", None) or (card.name if card else name)}
    return known if parameters is None else {**known, "parameters": parameters}


@dataclass(frozen=True)
class _At:
    """A network that sees its composites at another resolution than its own."""

    network: "Harmonizer"
    resolution: int

    def harmonize(self, composite: "Pixels", mask: "Pixels") -> "Pixels":
        return self.network.harmonize(composite, mask, resolution=self.resolution)


def _adapter(path: Path, threads: int | None) -> "Method":
    """Anyone's network; torch is loaded for TorchScript alone."""
    from phnet.evaluation.adapters import SCRIPTS, load_adapter

    def load_script(script: Path, threads: int | None) -> "tuple[Run, int]":
        from phnet.errors import MissingExtra

        try:
            from phnet.networks.torchscript import load_script as load
        except ModuleNotFoundError as error:
            raise MissingExtra("train", f"{script}: TorchScript ({', '.join(SCRIPTS)})") from error
        return load(script, threads)

    return load_adapter(path, threads, load_script)


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
