"""A person in a video in front of another background: decode, compose, encode, sound kept.

Frames pass one by one, so memory does not grow with length. PyAV (extra ``video``) decodes and
encodes; each frame keeps its time, so a variable frame rate stays one.
"""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phnet.errors import BadImage, BadInput, BadMask, BadOutput, MissingExtra
from phnet.files import replacing
from phnet.image import load, load_mask
from phnet.pixels import Floats, Pixels

if TYPE_CHECKING:
    from phnet.stream import Live

# What a suffix is encoded with, the first that is there.
ENCODERS = {
    ".mp4": ("libx264", "mpeg4"),
    ".m4v": ("libx264", "mpeg4"),
    ".mov": ("libx264", "mpeg4"),
    ".mkv": ("libx264", "mpeg4"),
    ".webm": ("libvpx-vp9", "libvpx"),
}
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".heic")
LARGEST_FRAME = 1 << 26  # pixels
UNSPECIFIED = 2  # FFmpeg's number for a colour space that a file does not name


@dataclass
class Report:
    """What became of a video."""

    frames: int = 0
    broken: int = 0  # packets that could not be decoded and were left out
    cuts: int = 0
    stopped: bool = False  # by Ctrl-C; what was written until then can be played
    notes: list[str] = field(default_factory=list)


def check_video_output(path: Path, *inputs: Path | None) -> None:
    """Refuse, before any work, an output that cannot be written or would overwrite an input.

    Raises:
        BadOutput: with the reason.
    """
    if path.suffix.lower() not in ENCODERS:
        raise BadOutput(f"{path}: expected a name ending in {', '.join(ENCODERS)}")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise BadOutput(f"{path}: expected a file name in an existing folder that is writable")
    for other in inputs:
        if other is not None and path.exists() and other.exists() and path.samefile(other):
            raise BadOutput(f"{path}: the output is also an input; choose another name")


def frame_count(source: Path) -> int | None:
    """How many frames a video has by its own account; None if it does not say."""
    with _opened(source) as container:
        stream = container.streams.video[0]
        if stream.frames:
            return int(stream.frames)
        if stream.duration and stream.average_rate:
            return round(float(stream.duration * stream.time_base * stream.average_rate))
        return None


def convert(
    source: Path,
    output: Path,
    background: Path,
    live: "Callable[[Pixels], Live]",
    masks: Path | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> Report:
    """Replace a video's background.

    Args:
        source: the video.
        output: the video to write, of the same size, times and colour range.
        background: a picture or a video; a video that is shorter begins again.
        live: makes the live path from the first background picture.
        masks: a folder with one mask a frame, in the order of their names; None: the person is
            found.
        on_frame: called after each frame.

    Raises:
        PHNetError: one sentence; nothing is written then.
    """
    report = Report()
    with (
        closing(_scenes(background)) as scenes,
        _opened(source) as container,
        replacing(output) as temporary,
    ):
        scene_time, scene = next(scenes)
        session = live(scene)
        alphas = None if masks is None else _masks(masks)
        try:
            with _av().open(str(temporary), "w") as target:
                writer = _Writer(target, container, output, report)
                try:
                    for frame in _frames(container, writer, report):
                        when = float(frame.time or 0)
                        while scene_time <= when and background.suffix.lower() not in PICTURES:
                            session.background = scene
                            scene_time, scene = next(scenes)
                        alpha = None if alphas is None else _next(alphas, masks, report)
                        writer.write(frame, session.process(_pixels(frame), alpha))
                        report.frames += 1
                        on_frame()
                except KeyboardInterrupt:
                    if not report.frames:
                        raise
                    report.stopped = True
                if not report.frames:
                    raise BadImage(f"{source}: expected a video, but no frame could be decoded")
                writer.finish()
        except _av().error.FFmpegError as error:
            raise BadOutput(f"{output}: the video cannot be written ({error})") from error
    report.cuts = session.steady.cuts
    return report


class _Writer:
    """The encoder and, where the container can hold it, the sound as it was."""

    def __init__(self, target: Any, source: Any, output: Path, report: Report) -> None:
        self._target, self._report = target, report
        video = source.streams.video[0]
        known = _av().codecs_available
        names = [name for name in ENCODERS[output.suffix.lower()] if name in known]
        if not names:
            raise BadOutput(f"{output}: no encoder for this kind is in the installed PyAV")
        given = video.codec_context
        rate = video.average_rate or Fraction(25)
        self._stream = target.add_stream(names[0], rate=rate)
        self._time_base = video.time_base or 1 / rate
        self._last: int | None = None
        self._early: list[Any] = []  # sound from before the first frame
        coder = self._stream.codec_context
        coder.time_base = self._time_base
        coder.pix_fmt = "yuv420p"
        coder.color_range = given.color_range
        coder.colorspace = given.colorspace
        coder.color_primaries = given.color_primaries
        coder.color_trc = given.color_trc
        if names[0] == "libx264":
            coder.options = {"crf": "18", "preset": "veryfast"}
        elif names[0].startswith("libvpx"):
            coder.options = {"crf": "24", "b:v": "0", "deadline": "realtime", "cpu-used": "6"}
        else:
            coder.bit_rate = 8_000_000
        self.sound: dict[int, Any] = {}
        for audio in source.streams.audio:
            try:
                self.sound[audio.index] = target.add_stream_from_template(audio)
            except (ValueError, _av().error.FFmpegError):
                report.notes.append(
                    f"{output}: the sound is {audio.codec_context.name}, which "
                    f"{output.suffix} cannot hold, and was left out"
                )

    def write(self, like: Any, pixels: Pixels) -> None:
        """Encode RGB uint8 (H, W, 3) at the time and in the colours of the frame ``like``."""
        height, width = (side - side % 2 for side in pixels.shape[:2])
        coder = self._stream.codec_context
        if self._last is None:
            coder.height, coder.width = height, width
            if (height, width) != pixels.shape[:2]:
                self._report.notes.append(
                    f"{self._target.name}: an odd side lost its last line: {width}x{height}"
                )
        frame = _av().VideoFrame.from_ndarray(
            np.ascontiguousarray(pixels[:height, :width]), format="rgb24"
        )
        frame = frame.reformat(
            width=coder.width,
            height=coder.height,
            format="yuv420p",
            dst_colorspace=_colorspace(like),
            dst_color_range=like.color_range,
        )
        pts = like.pts if like.pts is not None else (self._last or 0) + 1
        if self._last is not None and pts <= self._last:  # times must grow
            pts = self._last + 1
        self._last = pts
        frame.pts, frame.time_base = pts, self._time_base
        self._target.mux(self._stream.encode(frame))
        while self._early:
            self._target.mux(self._early.pop(0))

    def copy_sound(self, packet: Any) -> None:
        """Pass on a packet of sound as it is."""
        stream = self.sound.get(packet.stream.index)
        if stream is None or packet.dts is None:
            return
        packet.stream = stream
        if self._last is None:  # the first packet writes the header, which holds the size
            self._early.append(packet)
        else:
            self._target.mux(packet)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._target.mux(self._stream.encode(None))


def _frames(container: Any, writer: _Writer, report: Report) -> Iterator[Any]:
    """The frames that can be decoded; sound goes to the writer on the way."""
    errors = _av().error
    video = container.streams.video[0]
    video.thread_type = "AUTO"
    streams = [video, *(s for s in container.streams.audio if s.index in writer.sound)]
    packets = container.demux(streams)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except errors.FFmpegError as error:
            report.notes.append(f"the file ends early ({error.strerror})")
            yield from video.codec_context.decode(None)
            return
        if packet.stream.index != video.index:
            writer.copy_sound(packet)
            continue
        try:
            decoded = packet.decode()
        except errors.FFmpegError:
            report.broken += 1
            continue
        yield from decoded


def _scenes(background: Path) -> Generator[tuple[float, Pixels], None, None]:
    """Pictures and the seconds at which they begin, without end."""
    if background.suffix.lower() in PICTURES:
        picture = np.rint(load(background).rgb * 255).astype(np.uint8)
        while True:
            yield 0.0, picture
    start = 0.0
    while True:
        end = None
        with _opened(background) as container:
            stream = container.streams.video[0]
            length = float(1 / (stream.average_rate or 25))
            for frame in container.decode(stream):
                end = start + float(frame.time or 0)
                yield end, _pixels(frame)
        if end is None:
            raise BadImage(f"{background}: expected a picture or a video, but it holds no frame")
        start = end + length


def _masks(folder: Path) -> Iterator[Floats]:
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES)
    for file in files:
        yield load_mask(file)


def _next(alphas: Iterator[Floats], folder: Path | None, report: Report) -> Floats:
    alpha = next(alphas, None)
    if alpha is None:
        raise BadMask(f"{folder}: expected a mask for each frame, found only {report.frames}")
    return alpha


def _pixels(frame: Any) -> Pixels:
    """A frame as RGB uint8 (H, W, 3), upright."""
    rgb = frame.reformat(
        format="rgb24", src_colorspace=_colorspace(frame), src_color_range=frame.color_range
    ).to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90) % 4))


def _colorspace(frame: Any) -> Any:
    """A frame's colour space; where the file names none, that of its size (BT.709 is HD's)."""
    if int(frame.colorspace) != UNSPECIFIED:
        return frame.colorspace
    return "itu709" if frame.height >= 720 else "itu601"


def _opened(path: Path) -> Any:
    """A container with a picture in it, checked."""
    av = _av()
    try:
        container = av.open(str(path))
    except OSError as error:  # PyAV's errors of files are of this kind, too
        raise BadImage(f"{path}: cannot be read ({error.strerror})") from error
    except av.error.FFmpegError as error:
        raise BadImage(f"{path}: expected a video ({error})") from error
    if not container.streams.video:
        container.close()
        raise BadImage(f"{path}: expected a video, but there is no picture in it")
    given = container.streams.video[0].codec_context
    if given is None or given.width * given.height > LARGEST_FRAME:
        container.close()
        raise BadInput(f"{path}: expected a known codec and at most {LARGEST_FRAME} pixels a frame")
    return container


def _av() -> Any:
    try:
        import av
        import av.error
    except ImportError:
        raise MissingExtra("video", "a video") from None
    return av
