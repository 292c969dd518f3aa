"""Live frames to a window, a virtual camera or a file: dropped rather than late."""

import statistics
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from phnet.errors import BadImage, BadOutput
from phnet.files import replacing
from phnet.images.arrays import Pixels
from phnet.video.camera import Frames, Newest
from phnet.video.colors import BT709, LIMITED, Colors
from phnet.video.container import pyav
from phnet.video.writing import add_picture, even, yuv_of

if TYPE_CHECKING:
    from phnet.video.live import Live

RECENT = 31  # frames that figures are taken of
RATE = Fraction(30)  # that sinks are told; each frame has its own time
MILLISECONDS = Fraction(1, 1000)
SDR = Colors(BT709, LIMITED, BT709, BT709)
TITLE = "PHNet"


@dataclass
class Aired:
    """Counts of what became of live frames."""

    shown: int = 0
    dropped: int = 0
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    """Seconds from a frame's coming to its handing over, of the last 31."""
    times: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    """When they were handed over."""

    @property
    def latency(self) -> float:
        """Their median; NaN before the first."""
        return statistics.median(self.latencies) if self.latencies else float("nan")

    @property
    def rate(self) -> float:
        """Frames a second, of the last 31; 0 before the second."""
        lasted = self.times[-1] - self.times[0] if len(self.times) > 1 else 0.0
        return (len(self.times) - 1) / lasted if lasted else 0.0

    def __str__(self) -> str:
        return (
            f"{self.shown} frames shown, {self.dropped} dropped, {self.rate:.1f} a second, "
            f"latency {self.latency * 1000:.0f} ms"
        )


class Sink(Protocol):
    """Interface of a place to which live pictures go."""

    is_open: bool
    """False: nobody wants more."""

    def show(self, picture: Pixels, seconds: float) -> None:
        """Take a picture, RGB uint8 (H, W, 3), and its time since the first."""


def broadcast(
    frames: Frames,
    live: "Live",
    sink: Sink,
    on_frame: Callable[[Aired], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Aired:
    """Show the newest frame again and again, until there are no more or Ctrl-C.

    Args:
        frames: see :func:`phnet.video.camera.frames_of`.
        live: what is made of a frame.
        sink: where it goes.
        on_frame: called after each frame.
        clock: seconds.

    Raises:
        PHNetError: frames cannot be read, or none came, or they cannot be shown.
    """
    aired, start = Aired(), None
    with Newest(frames, clock) as newest:
        try:
            while sink.is_open:
                taken = newest.take()
                if taken is None:
                    break
                start = taken.when if start is None else start
                sink.show(live.process(taken.pixels), taken.when - start)
                now = clock()
                aired.shown += 1
                aired.dropped = newest.dropped
                aired.latencies.append(now - taken.when)
                aired.times.append(now)
                on_frame(aired)
        except KeyboardInterrupt:
            pass
    aired.dropped = newest.dropped
    if not aired.shown:
        raise BadImage("expected frames from the camera, but none came")
    return aired


class FileSink(AbstractContextManager["FileSink"]):
    """A video file, whole when it is closed; each frame at the time at which it came."""

    is_open = True

    def __init__(self, path: Path) -> None:
        self._path, self._stack = path, ExitStack()
        self._stream: Any = None
        self._last = -1

    def __enter__(self) -> "FileSink":
        temporary = self._stack.enter_context(replacing(self._path))
        self._target = self._stack.enter_context(pyav().open(str(temporary), "w"))
        return self

    def __exit__(self, *error: Any) -> bool | None:
        if error[0] is None:
            self._target.mux(self._stream.encode(None))
        return self._stack.__exit__(*error)

    def show(self, picture: Pixels, seconds: float) -> None:
        """See :class:`Sink`."""
        if self._stream is None:
            self._stream = add_picture(self._target, self._path, RATE, MILLISECONDS)
            sized(self._stream, picture)
        frame = yuv_of(picture, self._stream, SDR)
        self._last = max(self._last + 1, round(seconds * 1000))
        frame.pts, frame.time_base = self._last, MILLISECONDS
        self._target.mux(self._stream.encode(frame))


class DeviceSink(AbstractContextManager["DeviceSink"]):
    """A virtual camera of Linux (v4l2loopback), as raw YUV 4:2:0.

    Args:
        path: the device.
        form: FFmpeg's name of what writes to it.
    """

    is_open = True

    def __init__(self, path: str, form: str = "v4l2") -> None:
        self._path, self._form = path, form
        self._target: Any = None
        self._stream: Any = None

    def __enter__(self) -> "DeviceSink":
        if self._form == "v4l2" and not Path(self._path).is_char_device():
            raise BadOutput(
                f"{self._path}: expected a virtual camera (v4l2loopback) to write to, found none"
            )
        try:
            self._target = pyav().open(self._path, "w", format=self._form)
        except (ValueError, pyav().error.FFmpegError) as error:
            raise self._failure(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._target.close()

    def show(self, picture: Pixels, seconds: float) -> None:
        """See :class:`Sink`."""
        try:
            if self._stream is None:
                self._stream = self._target.add_stream("rawvideo", rate=RATE)
                self._stream.pix_fmt = "yuv420p"
                self._stream.codec_context.time_base = MILLISECONDS
                sized(self._stream, picture)
            frame = yuv_of(picture, self._stream, SDR)
            frame.pts, frame.time_base = round(seconds * 1000), MILLISECONDS
            self._target.mux(self._stream.encode(frame))
        except pyav().error.FFmpegError as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> BadOutput:
        reason = getattr(error, "strerror", None) or str(error)
        return BadOutput(f"{self._path}: expected a virtual camera to write to, but {reason}")


class WindowSink(AbstractContextManager["WindowSink"]):
    """A window of tkinter; closing it ends the show."""

    def __init__(self) -> None:
        self.is_open = True

    def __enter__(self) -> "WindowSink":
        try:
            import tkinter
        except ImportError:
            raise BadOutput("window: expected Python's tkinter, but it is not installed") from None
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise BadOutput(f"window: expected a display, but {error}") from error
        self._root.title(TITLE)
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        self._label = tkinter.Label(self._root)
        self._label.pack()
        return self

    def __exit__(self, *_: object) -> None:
        self._root.destroy()

    def _close(self) -> None:
        self.is_open = False

    def show(self, picture: Pixels, seconds: float) -> None:  # noqa: ARG002
        """See :class:`Sink`."""
        from PIL import Image, ImageTk

        self._photo = ImageTk.PhotoImage(Image.fromarray(picture), master=self._root)  # is kept
        self._label.configure(image=self._photo)
        self._root.update()


def sized(stream: Any, picture: Pixels) -> None:
    """Give a track the even size of its first picture, and the tags of SDR."""
    coder = stream.codec_context
    coder.height, coder.width = even(picture)
    coder.colorspace, coder.color_range = SDR.matrix, SDR.range
    coder.color_primaries, coder.color_trc = SDR.primaries, SDR.transfer
