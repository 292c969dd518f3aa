"""The frames of a video file as they are to be shown: upright, whole, in SDR, each with its time.

Interlaced frames are deinterlaced, a frame without a time gets the one that the rate says, and
what cannot be decoded is left out and told.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from phnet.errors import BadInput
from phnet.images.arrays import Floats, Pixels
from phnet.video.colors import Colors, pixels_of
from phnet.video.container import LARGEST_FRAME, Report, picture_stream, pyav

DEFAULT_RATE = Fraction(25)
ROUNDING = 0.005  # seconds
DECLARED = "matroska"  # the format whose length is declared and is that of what is shown
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own leave alpha out
TRANSPORT_PACKETS = (188, 192, 204)  # bytes; a file of them holds whole ones
STEEPEST = 16.0  # sides of a pixel; what is beyond is a mistake


@dataclass(frozen=True)
class Shown:
    """A frame to be shown."""

    pixels: Pixels  # RGB uint8 (H, W, 3)
    alpha: Floats | None  # (H, W), where the video has one that says something
    pts: int  # its time, in units of the stream's time base
    seconds: float


class Reader:
    """Reads the frames of the first moving picture in a container.

    Args:
        container: opened by :func:`phnet.video.container.opened`.
        path: of the file, for sentences.
        report: gets what there is to tell.
    """

    def __init__(self, container: Any, path: Path, report: Report) -> None:
        self._container, self._path, self._report = container, path, report
        self.stream = picture_stream(container)
        # Frame threads lose what they hold when the last packet is broken.
        self.stream.thread_type = "SLICE"
        self.colors = Colors.of(self.stream)
        self.rate = self.stream.average_rate or DEFAULT_RATE
        self.time_base = self.stream.time_base or 1 / self.rate
        self.step = max(1, round(1 / (self.rate * self.time_base)))
        """A frame's length, in units of the time base."""
        self.pixel_aspect = Fraction(1)
        """Width of a pixel over its height, upright; known from the first frame on."""
        self._decoder = self._make_decoder()
        self._deinterlacer = _Deinterlacer(
            self.time_base, lambda: self._note("interlaced frames were deinterlaced")
        )
        self._alpha_speaks = False
        self._last: int | None = None  # the last frame's time
        self._end = 0.0  # seconds at which what was read ends, of any track
        self._unshown: int | None = None  # the latest time of a packet that is to be shown
        self._ended_early = False

    def _make_decoder(self) -> Any:
        stream, av = self.stream, pyav()
        name = ALPHA_DECODERS.get(stream.codec_context.name)
        tags = {key.lower(): value for key, value in stream.metadata.items()}
        if name is None or tags.get("alpha_mode") != "1":
            return stream.codec_context
        if name not in av.codecs_available:
            self._note("the installed PyAV cannot read its alpha")
            return stream.codec_context
        return av.CodecContext.create(name, "r")

    def frames(self, pass_on: Callable[[Any], None] | None = None) -> Iterator[Shown]:
        """The frames that can be decoded.

        Args:
            pass_on: gets the packets of the other tracks, on the way; None: they are not read.
        """
        errors = pyav().error
        streams = [self.stream] if pass_on is None else list(self._container.streams)
        packets = self._container.demux([s for s in streams if s.type != "attachment"])
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except errors.FFmpegError:
                self._ended_early = True
                break
            self._note_time(packet)
            if packet.stream.index == self.stream.index:
                yield from self._shown(packet if packet.size else None)
            elif pass_on is not None:
                pass_on(packet)
        yield from self._shown(None)
        for frame in self._deinterlacer.rest():
            yield self._show(frame)

    def _shown(self, packet: Any) -> Iterator[Shown]:
        errors = pyav().error
        try:
            decoded = self._decoder.decode(packet)
        except errors.FFmpegError:
            self._report.broken += packet is not None
            return
        for frame in decoded:
            for whole in self._deinterlacer.frames(frame):
                yield self._show(whole)

    def _show(self, frame: Any) -> Shown:
        if frame.width * frame.height > LARGEST_FRAME:
            raise BadInput(f"{self._path}: expected at most {LARGEST_FRAME} pixels a frame")
        first = self._last is None
        pts = self._time(frame)
        pixels, alpha = pixels_of(frame, self.colors)
        if alpha is not None and not self._alpha_speaks and float(alpha.min()) < 1:
            self._alpha_speaks = True
            self._note("the video's own alpha says where the person is")
        if first:
            self.pixel_aspect = _aspect(self.stream, turned=round(frame.rotation / 90) % 2 == 1)
            self._tell()
        shown_alpha = alpha if self._alpha_speaks else None
        return Shown(pixels, shown_alpha, pts, float(pts * self.time_base))

    def _note(self, words: str) -> None:
        self._report.notes.append(f"{self._path}: {words}")

    def _tell(self) -> None:
        if self.colors.note:
            self._note(self.colors.note)
        elif any(part.bits > 8 for part in self.stream.codec_context.format.components):
            self._note("more than 8 bits a channel become 8")

    def _time(self, frame: Any) -> int:
        """A frame's time in units of the time base; times grow."""
        if frame.pts is None:
            pts = 0 if self._last is None else self._last + self.step
        else:
            pts = round(frame.pts * (frame.time_base or self.time_base) / self.time_base)
        if self._last is not None and pts <= self._last:
            pts = self._last + 1
        self._last = pts
        return pts

    def _note_time(self, packet: Any) -> None:
        """Keep what tells whether the end of the file was read."""
        if not packet.size or packet.pts is None:
            return
        is_picture = packet.stream.index == self.stream.index
        length = packet.duration or (self.step if is_picture else 0)
        base = packet.time_base or self.time_base
        self._end = max(self._end, float((packet.pts + length) * base))
        if is_picture and not packet.is_discard:
            self._unshown = max(packet.pts, self._unshown or packet.pts)

    def shortfall(self) -> str:
        """A sentence that says that the end could not be read; empty: it was."""
        lost = self._unshown is not None and self._unshown > (self._last or 0) + self.step // 2
        if not (self._ended_early or lost or self._is_cut() or self._is_shorter()):
            return ""
        claimed = self.stream.frames
        of = f" of {claimed}" if claimed and claimed > self._report.frames else ""
        return f"{self._path}: the file ends early: {self._report.frames}{of} frames could be read"

    def _is_cut(self) -> bool:
        """Tell whether the index names a frame behind the file's end, or a packet has no end."""
        entries, size = getattr(self.stream, "index_entries", None), self._container.size
        if size > 0 and self._container.format.name == "mpegts":
            return all(size % packet for packet in TRANSPORT_PACKETS)
        if not entries or size <= 0:
            return False
        last = entries[len(entries) - 1]
        return bool(last.pos + last.size > size)

    def _is_shorter(self) -> bool:
        """Tell whether less was read than the file declares."""
        container = self._container
        if not container.duration or DECLARED not in container.format.name.split(","):
            return False
        missing = container.duration / 1e6 - self._end
        return bool(missing > float(self.step * self.time_base) + ROUNDING)


class _Deinterlacer:
    """Makes interlaced frames whole with FFmpeg's bwdif; lets the others pass."""

    def __init__(self, time_base: Fraction, on_first: Callable[[], None]) -> None:
        self._time_base, self._on_first = time_base, on_first
        self._kind: tuple[Any, ...] | None = None
        self._graph: Any = None

    def frames(self, frame: Any) -> Iterator[Any]:
        """Frames that are ready to be shown once ``frame`` is there."""
        if self._kind is None and not frame.interlaced_frame:
            yield frame
            return
        kind = (frame.format.name, frame.width, frame.height)
        if kind != self._kind or self._graph is None:
            if self._kind is None:
                self._on_first()
            yield from self.rest()
            self._make(frame)
            self._kind = kind
        self._graph.push(frame)
        yield from self._ready()

    def rest(self) -> Iterator[Any]:
        """Frames that are held back until the next one."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._ready()
            self._graph = None

    def _make(self, frame: Any) -> None:
        graph = pyav().filter.Graph()
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or self._time_base,
        )
        bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
        graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
        self._graph = graph

    def _ready(self) -> Iterator[Any]:
        av = pyav()
        while True:
            try:
                yield self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def _aspect(stream: Any, turned: bool) -> Fraction:
    """A pixel's aspect; 1 where it is not given or cannot be."""
    given = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    if not given or not 1 / STEEPEST <= given <= STEEPEST:
        return Fraction(1)
    return 1 / Fraction(given) if turned else Fraction(given)


def squared(pixels: Pixels, aspect: Fraction) -> Pixels:
    """A picture (H, W, 3) with pixels of an aspect, made wider or narrower to square ones."""
    if aspect == 1:
        return pixels
    import cv2

    size = (max(1, round(pixels.shape[1] * float(aspect))), pixels.shape[0])
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR))
