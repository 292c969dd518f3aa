"""A video file that is written: the encoder, and the other tracks between its frames."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from phnet.errors import BadOutput
from phnet.images.arrays import Pixels
from phnet.video.colors import Colors, matrix_for
from phnet.video.container import Report, pyav
from phnet.video.frames import Reader
from phnet.video.tracks import Tracks, describe, describe_file

# What a suffix is encoded with, the first that is there.
ENCODERS = {
    ".mp4": ("libx264", "mpeg4"),
    ".m4v": ("libx264", "mpeg4"),
    ".mov": ("libx264", "mpeg4"),
    ".mkv": ("libx264", "mpeg4"),
    ".webm": ("libvpx-vp9", "libvpx"),
}
SQUARE = (".webm",)  # VP9 has no place for a pixel's aspect, and PyAV does not write the file's


def add_picture(target: Any, output: Path, rate: Any, time_base: Any) -> Any:
    """Add the picture's track, for YUV 4:2:0, to a container that is to become ``output``.

    Raises:
        BadOutput: there is no encoder for it.
    """
    known = pyav().codecs_available
    names = [name for name in ENCODERS[output.suffix.lower()] if name in known]
    if not names:
        raise BadOutput(f"{output}: no encoder for this kind is in the installed PyAV")
    stream = target.add_stream(names[0], rate=rate)
    coder = stream.codec_context
    coder.time_base = time_base
    coder.pix_fmt = "yuv420p"
    if names[0] == "libx264":
        coder.options = {"crf": "18", "preset": "veryfast"}
    elif names[0].startswith("libvpx"):
        coder.options = {"crf": "24", "b:v": "0", "deadline": "realtime", "cpu-used": "6"}
    else:
        coder.bit_rate = 8_000_000
    return stream


def even(pixels: Pixels) -> tuple[int, int]:
    """Height and width that YUV 4:2:0 can have: an odd side loses its last line."""
    height, width = (max(2, side - side % 2) for side in pixels.shape[:2])
    return height, width


def yuv_of(pixels: Pixels, stream: Any, colors: Colors) -> Any:
    """A frame of YUV 4:2:0 of a track's size from RGB uint8 (H, W, 3)."""
    height, width = even(pixels)
    coder = stream.codec_context
    frame = pyav().VideoFrame.from_ndarray(
        np.ascontiguousarray(pixels[:height, :width]), format="rgb24"
    )
    return frame.reformat(
        width=coder.width,
        height=coder.height,
        format="yuv420p",
        dst_colorspace=matrix_for(colors.matrix, coder.height),
        dst_color_range=colors.range,
    )


class Writer:
    """Encodes the picture, and passes on the other tracks between its frames.

    Args:
        target: the container to write.
        source: the container that is read.
        reader: of its picture.
        output: the file's name, for sentences.
        report: gets what there is to tell.
    """

    def __init__(
        self, target: Any, source: Any, reader: Reader, output: Path, report: Report
    ) -> None:
        self._target, self._output, self._report = target, output, report
        self._reader = reader
        self._stream = add_picture(target, output, reader.rate, reader.time_base)
        self._early: list[Any] = []  # of other tracks, from before the first frame
        self._begun = False
        coder, self._colors = self._stream.codec_context, reader.colors.written
        coder.color_range = self._colors.range
        coder.colorspace = self._colors.matrix
        coder.color_primaries = self._colors.primaries
        coder.color_trc = self._colors.transfer
        describe(reader.stream, self._stream)
        describe_file(source, target)
        self._tracks = Tracks(target, source, output, report)

    def write(self, pts: int, pixels: Pixels) -> None:
        """Encode RGB uint8 (H, W, 3) at a time in units of the reader's time base."""
        if not self._begun:
            self._begin(pixels)
        frame = yuv_of(pixels, self._stream, self._colors)
        frame.pts, frame.time_base = pts, self._reader.time_base
        self._target.mux(self._stream.encode(frame))
        while self._early:
            self._target.mux(self._early.pop(0))

    def _begin(self, pixels: Pixels) -> None:
        coder = self._stream.codec_context
        height, width = even(pixels)
        coder.height, coder.width = height, width
        aspect = self._reader.pixel_aspect
        if aspect != 1 and self._output.suffix.lower() in SQUARE:
            coder.width = max(2, round(width * aspect / 2) * 2)
            self._report.notes.append(
                f"{self._output}: the pixels were made square: {coder.width}x{height}"
            )
            aspect = Fraction(1)
        coder.sample_aspect_ratio = aspect
        if (height, width) != pixels.shape[:2]:
            self._report.notes.append(
                f"{self._output}: an odd side lost its last line: {width}x{height}"
            )
        self._begun = True

    def pass_on(self, packet: Any) -> None:
        """Write a packet of another track, as it is or encoded anew."""
        made = self._tracks.packets(packet)
        if self._begun:
            self._target.mux(made)
        else:  # the first packet writes the header, which holds the size
            self._early += made

    def finish(self) -> None:
        """Write what the encoders still hold."""
        self._target.mux(self._stream.encode(None))
        self._target.mux(self._tracks.rest())
