"""``phnet live``: the person before a camera in front of another background."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from phnet.cli import app
from phnet.cli.options import Matte, Model, Providers, Threads, takes
from phnet.options import LiveOptions

if TYPE_CHECKING:
    from phnet.video.broadcast import Aired

DEVICE = "v4l2:"

Camera = Annotated[
    str,
    typer.Option(
        metavar="N|DEVICE|FILE",
        help="A camera's number or device, or a video that is played as if it were one.",
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="window|v4l2:DEVICE|FILE",
        help="Where the pictures go: a window, a virtual camera of Linux (v4l2loopback), or a "
        "video file.",
    ),
]


@app.command()
@takes
def live(
    background: Annotated[
        Path, typer.Option(help="A picture; it covers the frame.", show_default=False)
    ],
    camera: Camera = "0",
    output: Output = "window",
    size: Annotated[
        str, typer.Option(metavar="WxH", help="Width and height to ask the camera for.")
    ] = "640x480",
    *,
    options: LiveOptions,
    model: Model = None,
    matte: Matte = None,
    threads: Threads = None,
    providers: Providers = None,
) -> None:
    """Put the person before a camera in front of another background, until Ctrl-C."""
    import signal
    from dataclasses import asdict

    from rich.console import Console

    from phnet.harmonization.harmonizer import Harmonizer
    from phnet.images import load
    from phnet.images.arrays import to_uint8
    from phnet.matting.matte import Matter
    from phnet.video import Live
    from phnet.video.broadcast import broadcast
    from phnet.video.camera import frames_of

    frames = frames_of(camera, _size(size))
    sink = _sink(output, Path(camera), background)
    scene = to_uint8(load(background).rgb)
    session = Live(
        scene,
        **asdict(options),
        harmonizer=Harmonizer(model, threads, providers=providers),
        matter=Matter(matte, threads, providers),
    )
    console = Console(stderr=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ends the file, too
    with console.status("waiting for the camera") as status, sink as shown:

        def on_frame(aired: "Aired") -> None:
            status.update(str(aired))

        aired = broadcast(frames, session, shown, on_frame)
    print(f"{output}: {aired}")


def _size(text: str) -> tuple[int, int]:
    from phnet.errors import BadOption

    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and 0 < int(width) * int(height) < 1 << 26):
        raise BadOption(f"size: expected WIDTHxHEIGHT in pixels, such as 640x480, got {text!r}")
    return int(width), int(height)


def _sink(output: str, *inputs: Path) -> AbstractContextManager[Any]:
    """Open the sink of pictures, checked before any work."""
    from phnet.video.broadcast import DeviceSink, FileSink, WindowSink
    from phnet.video.convert import check_video_output

    if output == "window":
        return WindowSink()
    if output.startswith(DEVICE):
        return DeviceSink(output.removeprefix(DEVICE))
    check_video_output(Path(output), *inputs)
    return FileSink(Path(output))
