"""Video files through PyAV (extra ``video``): opened and checked, read upright, written."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from phnet.errors import BadImage, BadInput, BadOutput, MissingExtra
from phnet.images.arrays import Pixels

# What a suffix is encoded with, the first that is there.
ENCODERS = {
    ".mp4": ("libx264", "mpeg4"),
    ".m4v": ("libx264", "mpeg4"),
    ".mov": ("libx264", "mpeg4"),
    ".mkv": ("libx264", "mpeg4"),
    ".webm": ("libvpx-vp9", "libvpx"),
}
LARGEST_FRAME = 1 << 26  # pixels
UNSPECIFIED = 2  # FFmpeg's number for a color space that a file does not name


@dataclass
class Report:
    """What became of a video."""

    frames: int = 0
    broken: int = 0  # packets that could not be decoded and were left out
    cuts: int = 0
    stopped: bool = False  # by Ctrl-C; what was written until then can be played
    notes: list[str] = field(default_factory=list)


class Writer:
    """The encoder and, where the container can hold it, the sound as it was."""

    def __init__(self, target: Any, source: Any, output: Path, report: Report) -> None:
        self._target, self._report = target, report
        video = source.streams.video[0]
        known = pyav().codecs_available
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
            except (ValueError, pyav().error.FFmpegError):
                report.notes.append(
                    f"{output}: the sound is {audio.codec_context.name}, which "
                    f"{output.suffix} cannot hold, and was left out"
                )

    def write(self, like: Any, pixels: Pixels) -> None:
        """Encode RGB uint8 (H, W, 3) at the time and in the colors of the frame ``like``."""
        height, width = (side - side % 2 for side in pixels.shape[:2])
        coder = self._stream.codec_context
        if self._last is None:
            coder.height, coder.width = height, width
            if (height, width) != pixels.shape[:2]:
                self._report.notes.append(
                    f"{self._target.name}: an odd side lost its last line: {width}x{height}"
                )
        frame = pyav().VideoFrame.from_ndarray(
            np.ascontiguousarray(pixels[:height, :width]), format="rgb24"
        )
        frame = frame.reformat(
            width=coder.width,
            height=coder.height,
            format="yuv420p",
            dst_colorspace=colorspace_of(like),
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


def pixels_of(frame: Any) -> Pixels:
    """A frame as RGB uint8 (H, W, 3), upright."""
    rgb = frame.reformat(
        format="rgb24", src_colorspace=colorspace_of(frame), src_color_range=frame.color_range
    ).to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90) % 4))


def colorspace_of(frame: Any) -> Any:
    """A frame's color space; where the file names none, that of its size (BT.709 is HD's)."""
    if int(frame.colorspace) != UNSPECIFIED:
        return frame.colorspace
    return "itu709" if frame.height >= 720 else "itu601"


def opened(path: Path) -> Any:
    """A container with a picture in it, checked."""
    av = pyav()
    try:
        container = av.open(str(path))
    except OSError as error:  # PyAV's errors of files are of this kind, too
        raise BadImage(f"{path}: cannot be read ({error.strerror})") from error
    except av.error.FFmpegError as error:
        raise BadImage(f"{path}: expected a video ({error.strerror})") from error
    if not container.streams.video:
        container.close()
        raise BadImage(f"{path}: expected a video, but there is no picture in it")
    given = container.streams.video[0].codec_context
    if given is None or given.width * given.height > LARGEST_FRAME:
        container.close()
        raise BadInput(f"{path}: expected a known codec and at most {LARGEST_FRAME} pixels a frame")
    return container


def pyav() -> Any:
    """PyAV, or the sentence that says how to get it."""
    try:
        import av
        import av.error
    except ImportError:
        raise MissingExtra("video", "a video") from None
    return av
