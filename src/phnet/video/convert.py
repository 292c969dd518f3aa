"""A person in a video in front of another background: decode, compose, encode, sound kept.

Frames pass one by one, so memory does not grow with length: while one thread harmonizes and
encodes a frame, the next is decoded and its person found. PyAV (extra ``video``) decodes and
encodes; each frame keeps its time, so a variable frame rate stays one.
"""

import math
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phnet.errors import BadImage, BadMask, BadOutput, MissingClass
from phnet.files import check_place, replacing
from phnet.images import load, read_mask
from phnet.images.arrays import Floats, Pixels, check_mask, to_uint8
from phnet.video.container import Report, opened, pyav
from phnet.video.frames import Reader, squared
from phnet.video.writing import ENCODERS, Writer

if TYPE_CHECKING:
    from phnet.video.live import Live, MattedFrame

PICTURES: tuple[str, ...] = (
    ".png",
    ".jpg",
    ".jpeg",
    ".jfif",
    ".jpe",
    ".webp",
    ".tif",
    ".tiff",
    ".bmp",
)
PICTURES += (".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".psd")


def check_video_output(path: Path, *inputs: Path | None) -> None:
    """Refuse, before any work, an output that cannot be written or would overwrite an input.

    Raises:
        BadOutput: with the reason.
    """
    if path.suffix.lower() not in ENCODERS:
        raise BadOutput(f"{path}: expected a name ending in {', '.join(ENCODERS)}")
    check_place(path, *inputs)


def convert(
    source: Path,
    output: Path,
    background: Path,
    live: "Callable[[Pixels], Live]",
    masks: Path | None = None,
    on_frame: Callable[[], None] = lambda: None,
    mask_class: str | None = None,
) -> Report:
    """Replace a video's background.

    Args:
        source: the video.
        output: the video to write, of the same size, pixel aspect and times.
        background: a picture or a video; a video that is shorter begins again.
        live: makes the live path from the first background picture.
        masks: a folder, one a frame, by name; None: the video's alpha, else the person is found.
        on_frame: called after each frame.
        mask_class: the person's, of masks with several; a frame without it has nobody in it.

    Returns:
        What became of it; :attr:`Report.short` says that the end could not be read.

    Raises:
        PHNetError: one sentence; nothing is written then.
    """
    report = Report()
    alphas = None if masks is None else _Masks(masks, mask_class, report)
    with (
        closing(_scenes(background)) as scenes,
        opened(source) as container,
        replacing(output) as temporary,
    ):
        reader = Reader(container, source, report)
        time, scene = next(scenes)
        session = live(scene)
        try:
            with (
                pyav().open(str(temporary), "w") as target,
                _Second(
                    Writer(target, container, reader, output, report), session, on_frame
                ) as second,
            ):
                try:
                    _run(reader, session, second, chain([(time, scene)], scenes), alphas)
                except KeyboardInterrupt:
                    report.stopped = True
                second.wait()
                if report.stopped and not second.frames:
                    raise KeyboardInterrupt
                if not second.frames:
                    raise BadImage(f"{source}: expected a video, but no frame could be decoded")
                second.writer.finish()
        except pyav().error.FFmpegError as error:
            raise BadOutput(f"{output}: the video cannot be written ({error.strerror})") from error
        report.frames, report.cuts = second.frames, session.cuts.seen
        report.short = "" if report.stopped else reader.shortfall()
    if not second.with_person:
        report.notes.append(f"{source}: no person was found in any frame")
    return report


def _run(
    reader: Reader,
    session: "Live",
    second: "_Second",
    scenes: Iterator[tuple[float, Pixels]],
    alphas: "_Masks | None",
) -> None:
    """Begin each frame, with the scene of its time behind, and hand it to the second thread."""
    time, scene = next(scenes)
    for shown in reader.frames(second.pass_on):
        while time <= shown.seconds:
            session.background = scene
            time, scene = next(scenes)
        session.pixel_aspect = float(reader.pixel_aspect)
        alpha = shown.alpha
        if alphas is not None:
            alpha = alphas.next(second.begun, shown.pixels.shape[:2])
        is_cutout = alphas is None and alpha is not None
        second.finish(shown.pts, session.begin(shown.pixels, alpha, is_cutout=is_cutout))


class _Second:
    """The thread that finishes and writes frames, one at a time, in order, and other tracks."""

    def __init__(self, writer: "Writer", session: "Live", on_frame: Callable[[], None]) -> None:
        self.writer = writer
        self.frames = 0
        """Frames that are written."""
        self.begun = 0
        """Frames that are written or under way."""
        self.with_person = 0
        """Those of them in which there is a person."""
        self._session, self._on_frame = session, on_frame
        self._pool = ThreadPoolExecutor(1)
        self._frame: Future[None] | None = None
        self._others: list[Future[None]] = []

    def __enter__(self) -> "_Second":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def finish(self, pts: int, begun: "MattedFrame") -> None:
        """Have a frame finished and written, once the one before is done."""
        self.wait()
        self.begun += 1
        self.with_person += bool(begun.alpha.any())
        self._frame = self._pool.submit(self._write, pts, begun)

    def pass_on(self, packet: Any) -> None:
        """Have a packet of another track written after what is under way."""
        self._others.append(self._pool.submit(self.writer.pass_on, packet))

    def wait(self) -> None:
        """Until all is written; raises what went wrong."""
        for other in self._others:
            other.result()
        self._others.clear()
        if self._frame is not None:
            self._frame.result()
            self._frame = None
            self.frames += 1
            self._on_frame()

    def _write(self, pts: int, begun: "MattedFrame") -> None:
        self.writer.write(pts, self._session.finish(begun))


def _scenes(background: Path) -> Generator[tuple[float, Pixels], None, None]:
    """Pictures with square pixels and the seconds at which they begin, without end."""
    if background.suffix.lower() in PICTURES:
        picture = to_uint8(load(background).rgb)
        yield 0.0, picture
        while True:
            yield math.inf, picture
    start = 0.0
    while True:
        end = None
        with opened(background) as container:
            reader = Reader(container, background, Report())
            for shown in reader.frames():
                end = start + shown.seconds
                yield end, squared(shown.pixels, reader.pixel_aspect)
        if end is None:
            raise BadImage(f"{background}: expected a picture or a video, but it holds no frame")
        start = end + float(reader.step * reader.time_base)


class _Masks:
    """The masks of a folder, one a frame, in the order of their names."""

    def __init__(self, folder: Path, wanted: str | None, report: Report) -> None:
        self._folder, self._wanted, self._report = folder, wanted, report
        files = (path for path in folder.iterdir() if path.suffix.lower() in (*PICTURES, ".gif"))
        self._files = iter(sorted(path for path in files if not path.name.startswith(".")))
        self._told = False

    def next(self, found: int, size: tuple[int, ...]) -> Floats:
        """The next mask at the frame's size; an empty one says that nobody is in the frame."""
        file = next(self._files, None)
        if file is None:
            raise BadMask(f"{self._folder}: expected a mask for each frame, found only {found}")
        try:
            mask = read_mask(file, wanted=self._wanted)
        except MissingClass:
            return np.zeros(size, np.float32)
        if mask.note and not self._told:
            self._report.notes.append(f"{file}: {mask.note}")
            self._told = True
        if not mask.alpha.any():
            return mask.alpha
        return check_mask(mask.alpha, (size[0], size[1]), str(file))
