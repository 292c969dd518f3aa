"""A person in a video in front of another background: decode, compose, encode, sound kept.

Frames pass one by one, so memory does not grow with length: while one thread harmonizes and
encodes a frame, the next is decoded and its person found. PyAV (extra ``video``) decodes and
encodes; each frame keeps its time, so a variable frame rate stays one.
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phnet.errors import BadImage, BadMask, BadOutput
from phnet.files import check_place, replacing
from phnet.images import load, load_mask
from phnet.images.arrays import Floats, Pixels, check_mask
from phnet.video.container import ENCODERS, Report, Writer, opened, pixels_of, pyav

if TYPE_CHECKING:
    from phnet.video.live import Begun, Live

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".heic")


def check_video_output(path: Path, *inputs: Path | None) -> None:
    """Refuse, before any work, an output that cannot be written or would overwrite an input.

    Raises:
        BadOutput: with the reason.
    """
    if path.suffix.lower() not in ENCODERS:
        raise BadOutput(f"{path}: expected a name ending in {', '.join(ENCODERS)}")
    check_place(path, *inputs)


def frame_count(source: Path) -> int | None:
    """How many frames a video has by its own account; None if it does not say."""
    with opened(source) as container:
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
        output: the video to write, of the same size, times and color range.
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
        opened(source) as container,
        replacing(output) as temporary,
    ):
        scene_time, scene = next(scenes)
        session = live(scene)
        alphas = None if masks is None else _masks(masks)
        try:
            with (
                pyav().open(str(temporary), "w") as target,
                _Second(Writer(target, container, output, report), session, on_frame) as second,
            ):
                try:
                    for frame in _frames(container, second, report):
                        when = float(frame.time or 0)
                        while scene_time <= when and background.suffix.lower() not in PICTURES:
                            session.background = scene
                            scene_time, scene = next(scenes)
                        pixels = pixels_of(frame)
                        alpha = None
                        if alphas is not None:
                            alpha = _next(alphas, masks, second.begun, pixels.shape[:2])
                        second.finish(frame, session.begin(pixels, alpha))
                except KeyboardInterrupt:
                    report.stopped = True
                second.wait()
                report.frames = second.frames
                if report.stopped and not report.frames:
                    raise KeyboardInterrupt
                if not report.frames:
                    raise BadImage(f"{source}: expected a video, but no frame could be decoded")
                second.writer.finish()
        except pyav().error.FFmpegError as error:
            raise BadOutput(f"{output}: the video cannot be written ({error})") from error
    report.cuts = session.cuts.seen
    return report


class _Second:
    """The thread that finishes and writes frames, one at a time, in order, and passes sound on."""

    def __init__(self, writer: "Writer", session: "Live", on_frame: Callable[[], None]) -> None:
        self.writer = writer
        self.frames = 0
        """Frames that are written."""
        self.begun = 0
        """Frames that are written or under way."""
        self._session, self._on_frame = session, on_frame
        self._pool = ThreadPoolExecutor(1)
        self._frame: Future[None] | None = None
        self._sound: list[Future[None]] = []

    def __enter__(self) -> "_Second":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def finish(self, frame: Any, begun: "Begun") -> None:
        """Have a frame finished and written, once the one before is done."""
        self.wait()
        self.begun += 1
        self._frame = self._pool.submit(self._write, frame, begun)

    def copy_sound(self, packet: Any) -> None:
        """Have a packet of sound written after what is under way."""
        self._sound.append(self._pool.submit(self.writer.copy_sound, packet))

    def wait(self) -> None:
        """Until all is written; raises what went wrong."""
        for sound in self._sound:
            sound.result()
        self._sound.clear()
        if self._frame is not None:
            self._frame.result()
            self._frame = None
            self.frames += 1
            self._on_frame()

    def _write(self, frame: Any, begun: "Begun") -> None:
        self.writer.write(frame, self._session.finish(begun))


def _frames(container: Any, second: _Second, report: Report) -> Iterator[Any]:
    """The frames that can be decoded; sound goes to the second thread on the way."""
    errors = pyav().error
    video = container.streams.video[0]
    video.thread_type = "AUTO"
    streams = [video, *(s for s in container.streams.audio if s.index in second.writer.sound)]
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
            second.copy_sound(packet)
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
        with opened(background) as container:
            stream = container.streams.video[0]
            length = float(1 / (stream.average_rate or 25))
            for frame in container.decode(stream):
                end = start + float(frame.time or 0)
                yield end, pixels_of(frame)
        if end is None:
            raise BadImage(f"{background}: expected a picture or a video, but it holds no frame")
        start = end + length


def _masks(folder: Path) -> Iterator[tuple[Path, Floats]]:
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES)
    for file in files:
        yield file, load_mask(file)


def _next(
    alphas: Iterator[tuple[Path, Floats]], folder: Path | None, found: int, size: tuple[int, ...]
) -> Floats:
    """The next mask at the frame's size; an empty one says that nobody is in the frame."""
    file, alpha = next(alphas, (None, None))
    if alpha is None:
        raise BadMask(f"{folder}: expected a mask for each frame, found only {found}")
    return check_mask(alpha, (size[0], size[1]), str(file)) if alpha.any() else alpha
