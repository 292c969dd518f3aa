"""Sources of live frames: a camera, or a file that is played as if it were one.

A thread reads on and keeps the newest frame alone, so what cannot be shown in time is dropped and
nothing queues up.
"""

import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from phnet.errors import BadImage, PHNetError
from phnet.images.arrays import Pixels
from phnet.video.container import Report, opened
from phnet.video.frames import Reader

WAITING = 0.5  # seconds after which a wait is looked at again, so that Ctrl-C gets through
# Frames, without end where it is a camera; the argument waits so many seconds, or says to stop.
Frames = Callable[[Callable[[float], bool]], Generator[Pixels, None, None]]


@dataclass(frozen=True)
class Taken:
    """A frame, and when it came."""

    pixels: Pixels  # RGB uint8 (H, W, 3)
    when: float  # seconds of the clock


def frames_of(camera: str, size: tuple[int, int] | None = None) -> Frames:
    """Open the frames of a camera's number or device, or of a video file.

    Args:
        camera: a number, a device (``/dev/video0``), or the path of a file, which is played at its
            own pace.
        size: width and height to ask a camera for; None: what it gives.
    """
    if camera.isdecimal():
        return lambda _: device_frames(int(camera), camera, size)
    if camera.startswith("/dev/"):
        return lambda _: device_frames(camera, camera, size)
    return lambda wait: file_frames(Path(camera), wait)


def device_frames(
    device: int | str, name: str, size: tuple[int, int] | None = None
) -> Generator[Pixels, None, None]:
    """The frames of a camera through OpenCV.

    Raises:
        BadImage: there is no such camera.
    """
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        capture = cv2.VideoCapture(device)
    finally:
        cv2.utils.logging.setLogLevel(before)
    if not capture.isOpened():
        raise BadImage(f"camera {name}: expected a camera, but it cannot be opened")
    try:
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if size is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        while True:
            ok, frame = capture.read()
            if not ok:
                return
            yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
    finally:
        capture.release()


def file_frames(path: Path, wait: Callable[[float], bool]) -> Generator[Pixels, None, None]:
    """The frames of a file, each when its time has come."""
    start = None
    with opened(path) as container:
        for shown in Reader(container, path, Report()).frames():
            start = time.monotonic() - shown.seconds if start is None else start
            if wait(start + shown.seconds - time.monotonic()):
                return
            yield shown.pixels


class Newest:
    """Reads frames in a thread of its own, and hands out the newest.

    Args:
        frames: see :func:`frames_of`.
        clock: seconds.
    """

    def __init__(self, frames: Frames, clock: Callable[[], float] = time.monotonic) -> None:
        self.dropped = 0
        """Frames that came and that nobody took before the next one came."""
        self._clock = clock
        self._frame: Taken | None = None
        self._has_ended = False
        self._error: PHNetError | None = None
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(frames,), daemon=True)

    def __enter__(self) -> "Newest":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(2)

    def take(self) -> Taken | None:
        """The newest frame, once there is one that was not taken; None: there are no more.

        Raises:
            PHNetError: the camera or file cannot be read.
        """
        with self._changed:
            while self._frame is None and not self._has_ended:
                self._changed.wait(WAITING)
            frame, self._frame = self._frame, None
            if frame is None and self._error is not None:
                raise self._error
            return frame

    def _read(self, frames: Frames) -> None:
        try:
            with closing(frames(self._wait)) as coming:
                for pixels in coming:
                    with self._changed:
                        self.dropped += self._frame is not None
                        self._frame = Taken(pixels, self._clock())
                        self._changed.notify()
                    if self._stop.is_set():
                        break
        except PHNetError as error:
            self._error = error
        except Exception as error:  # said where frames are taken; a thread has nobody to tell
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""
            self._error = BadImage(f"the camera's frames cannot be read ({reason or error})")
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify()

    def _wait(self, seconds: float) -> bool:
        """Wait; True: it is time to stop."""
        return self._stop.wait(max(0.0, seconds))
