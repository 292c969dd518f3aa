"""Video files through PyAV (extra ``video``): opened and checked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phnet.errors import BadImage, BadInput, MissingExtra

LARGEST_FRAME = 1 << 26  # pixels


@dataclass
class Report:
    """Report on a converted video."""

    frames: int = 0
    broken: int = 0  # packets that could not be decoded and were left out
    cuts: int = 0
    stopped: bool = False  # by Ctrl-C; what was written until then can be played
    short: str = ""  # a sentence, where the end of the file could not be read
    notes: list[str] = field(default_factory=list)


def opened(path: Path) -> Any:
    """A container with a moving picture in it, checked.

    Raises:
        BadImage: it cannot be read, or holds no moving picture.
        BadInput: the codec is unknown or the frames are too large.
    """
    av = pyav()
    try:
        container = av.open(str(path), metadata_errors="replace")
    except OSError as error:  # PyAV's errors of files are of this kind, too
        raise BadImage(f"{path}: cannot be read ({error.strerror})") from error
    except av.error.FFmpegError as error:
        raise BadImage(f"{path}: expected a video ({error.strerror})") from error
    stream = picture_stream(container)
    if stream is None:
        covers = len(container.streams.video)
        container.close()
        found = "its only picture is a cover" if covers else "there is no picture in it"
        raise BadImage(f"{path}: expected a video, but {found}")
    given = stream.codec_context
    if given is None or given.width * given.height > LARGEST_FRAME:
        container.close()
        raise BadInput(f"{path}: expected a known codec and at most {LARGEST_FRAME} pixels a frame")
    return container


def picture_stream(container: Any) -> Any:
    """The first video stream that is no cover; None without one."""
    return next((s for s in container.streams.video if not is_cover(s)), None)


def is_cover(stream: Any) -> bool:
    """Tell whether a video stream is a picture that goes with a song or a film."""
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def frame_count(source: Path) -> int | None:
    """Count of a video's frames by its own account; None if it does not say."""
    with opened(source) as container:
        stream = picture_stream(container)
        if stream.frames:
            return int(stream.frames)
        if stream.duration and stream.average_rate:
            return round(float(stream.duration * stream.time_base * stream.average_rate))
        return None


def pyav() -> Any:
    """PyAV, or the sentence that says how to get it."""
    try:
        import av
        import av.error
    except ImportError:
        raise MissingExtra("video", "a video") from None
    return av
