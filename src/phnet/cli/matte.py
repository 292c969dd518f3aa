"""``phnet matte``: the alpha of the person in a photo."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phnet.cli import app
from phnet.cli.folders import AsJson, Jobs, Recursive, Resume, note, work
from phnet.cli.options import Matte, Providers, Refine, Threads
from phnet.cli.streams import name_of, say, sources, target
from phnet.options import cores

if TYPE_CHECKING:
    from phnet.batch.portrait_worker import MatteSettings


@app.command()
def matte(
    photo: Annotated[
        Path,
        typer.Argument(
            help="The photo; or a folder of them; - is standard input.", show_default=False
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="The alpha to write (grayscale, 8 bits); or a folder; - is standard output.",
        ),
    ],
    model: Matte = None,
    refine: Annotated[
        Refine, typer.Option(help="Edges: closed-form needs the extra 'matte'.")
    ] = Refine.guided,
    threads: Threads = None,
    providers: Providers = None,
    jobs: Jobs = 1,
    resume: Resume = False,
    recursive: Recursive = False,
    as_json: AsJson = False,
) -> None:
    """Write the alpha of the person in PHOTO: white where the person is."""
    from phnet.batch.portrait_worker import MatteSettings, matte_file
    from phnet.images import check_output, quiet_readers
    from phnet.matting.matte import Matter

    quiet_readers()
    if photo.is_dir():
        settings = MatteSettings(
            threads=threads or max(1, cores() // jobs),
            matte=str(model) if model else None,
            providers=providers,
            refine=refine.value,
        )
        _matte_folder(photo, output, settings, jobs, resume, recursive, as_json)
        return
    destination = target(output, photo.with_suffix(".png"))
    if isinstance(destination, Path):
        check_output(destination, photo)
    (source,) = sources(photo)
    assert source is not None
    share = matte_file(Matter(model, threads, providers), source, destination, refine.value)
    say(f"{name_of(destination)}: {100 * share:.0f}% of the picture is person", destination)


def _matte_folder(
    photos: Path,
    output: Path,
    settings: "MatteSettings",
    jobs: int,
    resume: bool,
    recursive: bool,
    as_json: bool,
) -> None:
    """Write the alpha of each photo of a folder; exit code 1 if any failed."""
    from phnet.batch.matching import match, passed_over
    from phnet.batch.portrait_worker import MatteWorker
    from phnet.files import make_folder

    items = match(photos, None, output, recursive, suffix=".png")
    make_folder(output)
    if sentence := passed_over(photos, recursive):
        note(sentence)
    work(
        *(items, MatteWorker, settings, output, "matted"),
        jobs=jobs,
        resume=resume,
        as_json=as_json,
    )
