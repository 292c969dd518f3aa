"""``phnet benchmark``: times and memory on this machine, each with its spread."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from phnet.cli import app
from phnet.cli.options import Matte, Model, Refine


class Part(StrEnum):
    """Figures of finishing."""

    edges = "edges"
    sharpness = "sharpness"
    grain = "grain"
    as_they_are = "as_they_are"
    times = "times"


@app.command()
def benchmark(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads for the figures at 256.")] = 1,
    large_threads: Annotated[
        int, typer.Option(min=1, help="CPU threads for the large pictures and video.")
    ] = 2,
    repeat: Annotated[int, typer.Option(min=1, help="Runs of which the median is told.")] = 5,
    lift: Annotated[
        bool, typer.Option("--lift", help="What the lift loses instead, in decibels.")
    ] = False,
    shape: Annotated[
        bool,
        typer.Option("--shape", help="Ways to show pictures that are not square, instead: scores."),
    ] = False,
    video: Annotated[
        bool, typer.Option("--video", help="Video instead: speed, latency and flicker.")
    ] = False,
    matting: Annotated[
        bool, typer.Option("--matting", help="The matte instead: IoU against masks, time.")
    ] = False,
    invariance: Annotated[
        bool, typer.Option("--invariance", help="How much sharpness and size steer the answer.")
    ] = False,
    color_models: Annotated[
        bool, typer.Option("--color-models", help="What families of color maps could do at best.")
    ] = False,
    finishing: Annotated[
        bool, typer.Option("--finishing", help="Edges, sharpness, grain: errors, and times.")
    ] = False,
    only: Annotated[Part | None, typer.Option(help="For --finishing: these figures alone.")] = None,
    count: Annotated[int, typer.Option(min=1, help="For --finishing: so many photos.")] = 8,
    photos: Annotated[
        Path, typer.Option(help="For all but times: a folder of NAME.jpg with NAME.png.")
    ] = Path("tests/portraits"),
    model: Model = None,
    matte: Matte = None,
    refine: Annotated[Refine, typer.Option(help="Edges, for --matting.")] = Refine.guided,
    example: Annotated[
        Path, typer.Option(help="For the start: a folder with composite.jpg and mask.png.")
    ] = Path("examples"),
) -> None:
    """Time the product on this machine; let nothing else run meanwhile."""
    import json

    chosen = {
        "lift": lift,
        "invariance": invariance,
        "color models": color_models,
        "shape": shape,
        "matting": matting,
        "video": video,
    }
    if finishing:
        figures = _finishing(photos, count, only, repeat)
    elif kind := next((name for name, given in chosen.items() if given), None):
        figures = _figures(kind, photos, model, matte, refine.value, threads, large_threads, repeat)
    else:
        figures = _times(model, threads, large_threads, repeat, example)
    print(json.dumps(figures, indent=2)) if as_json else _show(figures)


def _figures(
    kind: str,
    photos: Path,
    model: str | None,
    matte: Path | None,
    refine: str,
    threads: int,
    large_threads: int,
    repeat: int,
) -> dict[str, Any]:
    """Figures of a kind, other than times."""
    from phnet.benchmarks.speed import machine
    from phnet.harmonization.harmonizer import Harmonizer

    if kind == "lift":
        from phnet.benchmarks.lift_loss import lift_figures

        return lift_figures(photos)
    if kind == "invariance":
        from phnet.benchmarks.invariance import invariance_figures

        return invariance_figures(photos, Harmonizer(model))
    if kind == "color models":
        from phnet.benchmarks.color_models import color_model_figures

        return color_model_figures(photos)
    if kind == "shape":
        from phnet.benchmarks.aspect_ratio import shape_figures

        return shape_figures(photos, Harmonizer(model))
    if kind == "matting":
        from phnet.benchmarks.matting import matte_figures
        from phnet.matting.matte import Matter

        return {
            "machine": machine(),
            "matting": matte_figures(photos, Matter(matte, threads), refine),
        }
    from phnet.benchmarks.video import video_figures

    made = video_figures(photos, large_threads, repeat, model)
    return {"machine": machine(), "repeat": repeat, "video": made}


def _finishing(photos: Path, count: int, only: Part | None, repeat: int) -> dict[str, Any]:
    """Figures of finishing; how far it is goes to stderr."""
    from phnet.benchmarks.finishing import finishing_figures
    from phnet.benchmarks.speed import machine

    def tell(line: str) -> None:  # standard error of now: the one of the start is the libraries'
        print(line, file=sys.stderr)

    made = finishing_figures(photos, count, only and [only.value], repeat, tell)
    return {"machine": machine(), "repeat": repeat, **made}


def _times(
    model: str | None, threads: int, large_threads: int, repeat: int, example: Path
) -> dict[str, Any]:
    """Time the product, and the paper's network in torch where that is installed."""
    from phnet.benchmarks.speed import large_figures, machine, small_figures, spread, start_figures
    from phnet.harmonization.harmonizer import Harmonizer

    small = small_figures(Harmonizer(model, threads), repeat)
    figures: dict[str, Any] = {"machine": machine(), "repeat": repeat, "small": small}
    try:
        from phnet.benchmarks.torch_network import paper_seconds
    except ModuleNotFoundError:
        figures["paper_in_torch"] = None  # torch is not installed
    else:
        figures["paper_in_torch"] = spread(paper_seconds(threads, repeat))
        paper = figures["paper_in_torch"]["median_s"]
        for name in ("end_to_end", "with_lift"):
            ratio = paper / figures["small"][name]["median_s"]
            figures["small"][name]["times_faster_than_paper"] = round(ratio, 1)
    figures["large"] = large_figures(large_threads, repeat, model)
    figures["new_process"] = start_figures(repeat, example)
    return figures


def _show(figures: dict[str, Any], name: str = "") -> None:
    """Print the leaves of nested figures, one a line."""
    for key, value in figures.items():
        path = f"{name}.{key}" if name else key
        if isinstance(value, dict):
            _show(value, path)
        else:
            print(f"{path}: {'not measured' if value is None else value}")
