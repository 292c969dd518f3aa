"""``phnet train``: run a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from phnet.cli import app


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="The run as a TOML file; see recipes/.")],
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="A folder of photos or pairs, instead of the recipe's."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The run's folder [runs/RECIPE].")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where decoded images are kept [OUTPUT/cache].")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop in good order after this long.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of the network.")] = None,
    init: Annotated[
        Path | None, typer.Option(help="Take weights from this checkpoint, not the recipe's.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="TABLE.KEY=VALUE", help="Change an entry of the recipe."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=0, help="Train so many runs, each of another seed; tell the spread.")
    ] = 0,
) -> None:
    """Train a network; run it again to go on where it stopped.

    Under torchrun every process takes its share of each batch.
    """
    from phnet.errors import MissingExtra

    try:
        from phnet.training import run
    except ModuleNotFoundError as error:
        raise MissingExtra("train", "phnet train") from error
    found = run.train(
        *(recipe, data or [], output, cache, minutes, threads, init, changes or []), seeds
    )
    for measure in found:
        print(
            f"{measure.name}: {measure.mean:.5g} ± {measure.deviation:.2g} "
            f"({len(measure.values)} seeds)"
        )
