"""Live frames: the newest is shown, the rest is dropped; a file stands for camera and sink."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phnet.errors import BadImage, BadOutput
from phnet.video.broadcast import Aired, DeviceSink, FileSink, WindowSink, broadcast
from phnet.video.camera import device_frames, frames_of

av = pytest.importorskip("av")


def numbered(number: int) -> np.ndarray:
    return np.full((32, 48, 3), number, np.uint8)


class Kept:
    """A sink that keeps what it gets."""

    is_open = True

    def __init__(self) -> None:
        self.shown: list[tuple[int, float]] = []

    def show(self, picture: np.ndarray, seconds: float) -> None:
        self.shown.append((int(picture[0, 0, 0]), seconds))


class Same:
    """A live path that changes nothing."""

    def process(self, frame: np.ndarray) -> np.ndarray:
        return frame


class Slow:
    """A camera of which ten frames come while one is worked on, and what works on them."""

    def __init__(self) -> None:
        self.now = 100.0
        self._begun, self._come = threading.Semaphore(0), threading.Semaphore(0)

    def clock(self) -> float:
        return self.now

    def frames(self, _: Any) -> Iterator[np.ndarray]:
        for i in range(31):
            if i % 10 == 1:  # the first is being worked on, then the 11th, then the 21st
                self._begun.acquire()
            self.now += 0.01
            yield numbered(i)
            if i % 10 == 0 and i:
                self._come.release()

    def process(self, frame: np.ndarray) -> np.ndarray:
        if frame[0, 0, 0] < 30:
            self._begun.release()
            self._come.acquire()
        return frame


def test_frames_are_dropped_rather_than_late() -> None:
    slow, sink, told = Slow(), Kept(), []
    aired = broadcast(slow.frames, slow, sink, lambda a: told.append(a.shown), slow.clock)  # type: ignore[arg-type]
    assert [number for number, _ in sink.shown] == [0, 10, 20, 30]
    assert [round(seconds, 2) for _, seconds in sink.shown] == [0, 0.1, 0.2, 0.3]
    assert (aired.shown, aired.dropped) == (4, 27)
    assert told == [1, 2, 3, 4]
    # Each was ten frames old when it was shown, the last none: it does not grow.
    assert [round(seconds, 2) for seconds in aired.latencies] == [0.1, 0.1, 0.1, 0]
    assert str(aired) == "4 frames shown, 27 dropped, 15.0 a second, latency 100 ms"


def test_no_frame_and_a_broken_camera_are_one_sentence() -> None:
    def broken(_: Any) -> Iterator[np.ndarray]:
        yield numbered(1)
        raise OSError(5, "?")

    def none(_: Any) -> Iterator[np.ndarray]:
        yield from ()

    with pytest.raises(BadImage, match="none came"):
        broadcast(none, Slow(), Kept())  # type: ignore[arg-type]
    with pytest.raises(BadImage, match=r"cannot be read .Input/output"):
        broadcast(broken, Same(), Kept())  # type: ignore[arg-type]
    with pytest.raises(BadImage, match="camera 97: expected a camera, but it cannot be opened"):
        broadcast(frames_of("97"), Slow(), Kept())  # type: ignore[arg-type]


def test_ctrl_c_and_a_closed_sink_end_it() -> None:
    def endless(_: Any) -> Iterator[np.ndarray]:
        while True:
            yield numbered(7)

    def interrupt(aired: Aired) -> None:
        if aired.shown == 3:
            raise KeyboardInterrupt

    assert broadcast(endless, Same(), Kept(), interrupt).shown == 3  # type: ignore[arg-type]
    sink = Kept()

    def close(_: Aired) -> None:
        sink.is_open = False

    assert broadcast(endless, Same(), sink, close).shown == 1  # type: ignore[arg-type]


def test_a_file_as_sink_keeps_times_and_colors(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    color = np.full((33, 48, 3), (30, 160, 60), np.uint8)
    with FileSink(out) as sink:
        for seconds in (0, 0.04, 0.15):
            sink.show(color, seconds)
    with av.open(str(out)) as container:
        frames = list(container.decode(video=0))
    assert [round(float(f.time), 3) for f in frames] == [0, 0.04, 0.15]
    assert (frames[0].width, frames[0].height, int(frames[0].colorspace)) == (48, 32, 1)
    shown = frames[0].to_ndarray(format="rgb24", src_colorspace=1)
    np.testing.assert_allclose(shown.mean((0, 1)), (30, 160, 60), atol=3)
    with pytest.raises(AttributeError), FileSink(tmp_path / "no.mp4") as sink:
        sink.show(None, 0)  # type: ignore[arg-type]
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_a_virtual_camera_gets_raw_frames(tmp_path: Path) -> None:
    """FFmpeg's writer of raw files stands in for its writer to devices."""
    place = tmp_path / "video9"
    with DeviceSink(str(place), "rawvideo") as sink:
        for number in (16, 200):
            sink.show(numbered(number), number / 1000)
    planes = np.frombuffer(place.read_bytes(), np.uint8).reshape(2, 48, 48)  # Y, then U and V
    for plane, number in zip(planes, (16, 200), strict=True):
        np.testing.assert_allclose(plane[:32], 16 + number * 219 / 255, atol=1)
        np.testing.assert_allclose(plane[32:], 128, atol=1)


def test_sinks_that_are_not_there_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(BadOutput, match=r"expected a virtual camera .* found none"),
        DeviceSink(str(tmp_path / "nowhere" / "video9")),
    ):
        pass
    monkeypatch.setenv("DISPLAY", "")
    with pytest.raises(BadOutput, match="window: expected "), WindowSink():
        pass


def test_a_device_is_read_as_rgb(tmp_path: Path) -> None:
    """OpenCV reads a file through what reads cameras."""
    with FileSink(tmp_path / "in.mp4") as sink:
        for i in range(3):
            sink.show(np.full((32, 48, 3), (200, 60, 30), np.uint8), i / 25)
    frames = list(device_frames(str(tmp_path / "in.mp4"), "file", (48, 32)))
    assert len(frames) == 3
    assert frames[0].dtype == np.uint8
    np.testing.assert_allclose(frames[0].mean((0, 1)), (200, 60, 30), atol=25)
