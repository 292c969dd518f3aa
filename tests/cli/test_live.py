"""``phnet live`` with a file in place of the camera and of the sink."""

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from phnet.video.broadcast import FileSink

av = pytest.importorskip("av")
GREEN = (30, 160, 60)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Run) -> Run:
    """Run ``phnet live`` in a folder with in.mp4 and green.png: status, out, err."""
    monkeypatch.chdir(tmp_path)
    frame = cv2.resize(astronaut(), (96, 96), interpolation=cv2.INTER_AREA)
    with FileSink(tmp_path / "in.mp4") as sink:
        for i in range(6):
            sink.show(frame, i / 25)
    Image.new("RGB", (64, 48), GREEN).save("green.png")
    return lambda *arguments: command_line("live", "--background", "green.png", *arguments)


def test_a_file_goes_through_as_a_camera_would(run: Run, tmp_path: Path) -> None:
    options = ("--exposure", -1, "--every", 4, "--threads", 1)
    status, out, err = run("--camera", "in.mp4", "--output", "out.mp4", *options)
    assert status == 0, err
    told = re.fullmatch(
        r"out\.mp4: (\d+) frames shown, (\d+) dropped, [\d.]+ a second, latency \d+ ms\n", out
    )
    assert told
    shown, dropped = int(told[1]), int(told[2])
    assert shown >= 1
    assert shown + dropped == 6
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == shown
    picture = frames[-1].to_ndarray(format="rgb24", src_colorspace=1)
    np.testing.assert_allclose(picture[:12, :12].mean((0, 1)), GREEN, atol=8)
    assert np.abs(picture[40:56, 36:60].mean((0, 1)) - GREEN).max() > 20  # there is somebody


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--camera", "none.mp4", "--output", "o.mp4"), "none.mp4: cannot be read"),
        (("--camera", "in.mp4", "--output", "in.mp4"), "in.mp4: the output is also an input"),
        (("--camera", "in.mp4", "--output", "o.avi"), "o.avi: expected a name ending in .mp4"),
        (("--camera", "in.mp4", "--output", "v4l2:none/video9"), "expected a virtual camera"),
        (("--camera", "in.mp4", "--output", "o.mp4", "--size", "640"), "size: expected WIDTHx"),
        (("--camera", "97", "--output", "o.mp4"), "camera 97: expected a camera"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_nothing_is_written(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    before = sorted(tmp_path.iterdir())
    status, _, err = run(*arguments)
    assert status == 2
    assert sentence in err
    assert err.count("phnet: ") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_effects_are_taken(run: Run, tmp_path: Path) -> None:
    files = ("--camera", "in.mp4", "--output")
    for name, options in (("plain", ()), ("full", ("--finish", "--light-wrap", 1))):
        status, _, err = run(*files, f"{name}.mp4", *options, "--threads", 1)
        assert status == 0, err
    last = []
    for name in ("plain", "full"):
        with av.open(str(tmp_path / f"{name}.mp4")) as container:
            last.append(list(container.decode(video=0))[-1].to_ndarray(format="rgb24").astype(int))
    assert np.abs(last[0] - last[1])[:12, :12].max() <= 3
    assert np.abs(last[0] - last[1])[40:56, 36:60].max() > 3
    status, _, err = run(*files, "o.mp4", "--match-grain", 2)
    assert status == 2
    assert "--match-grain" in err
