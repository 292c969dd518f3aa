"""``phnet video``: the person of a video in front of another background."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phnet.cli import app
from phnet.cli.options import Matte, Model, Providers, Threads, takes
from phnet.options import LiveOptions, MaskOptions

if TYPE_CHECKING:
    from phnet.images.arrays import Pixels
    from phnet.video import Live
    from phnet.video.container import Report


Masks = Annotated[
    str,
    typer.Option(
        metavar="MASKS/|auto",
        help="A folder with a mask for each frame, in order of name; auto finds the person.",
    ),
]


@app.command()
@takes
def video(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The video.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="The video to write: .mp4, .mov, .mkv or .webm.",
            show_default=False,
        ),
    ],
    background: Annotated[
        Path, typer.Option(help="A picture or a video; it covers the frame.", show_default=False)
    ],
    mask: Masks = "auto",
    *,
    options: LiveOptions,
    reading: MaskOptions,
    model: Model = None,
    matte: Matte = None,
    threads: Threads = None,
    providers: Providers = None,
) -> None:
    """Put the person of IN in front of another background, in harmony with it; sound is kept."""
    import signal
    from dataclasses import asdict

    from rich.console import Console
    from rich.progress import Progress

    from phnet.errors import BadMask, BadOption
    from phnet.harmonization.harmonizer import Harmonizer
    from phnet.matting.matte import Matter
    from phnet.video import Live
    from phnet.video.container import frame_count
    from phnet.video.convert import check_video_output, convert

    check_video_output(output, source, background)
    masks = None if mask == "auto" else Path(mask)
    if masks is not None and not masks.is_dir():
        raise BadMask(f"{mask}: expected a folder of masks, or auto")
    if masks is None and reading.mask_class is not None:
        raise BadOption("mask_class: expected a folder of masks, got none")
    harmonizer = Harmonizer(model, threads, providers=providers)
    matter = Matter(matte, threads, providers)

    def live(scene: "Pixels") -> "Live":
        return Live(scene, **asdict(options), harmonizer=harmonizer, matter=matter)

    total = frame_count(source)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what is done then is kept
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(output.name, total=total)
        report = convert(
            *(source, output, background, live, masks, lambda: progress.advance(task)),
            mask_class=reading.mask_class,
        )
    _tell(report, source, output)


def _tell(report: "Report", source: Path, output: Path) -> None:
    """Say what became of it; exit code 130 after Ctrl-C, 1 where the file ended early."""
    import sys

    if report.broken:
        report.notes.append(f"{source}: {report.broken} broken packets were left out")
    for note in report.notes:
        print(f"phnet: note: {note}", file=sys.stderr)
    print(f"{output}: {report.frames} frames, {report.cuts} cuts")
    if report.stopped:
        print(f"phnet: stopped; {output} holds what was done until then", file=sys.stderr)
        raise typer.Exit(130)
    if report.short:
        print(f"phnet: {report.short}; {output} holds those", file=sys.stderr)
        raise typer.Exit(1)
