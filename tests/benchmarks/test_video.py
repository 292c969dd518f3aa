"""``phnet benchmark --video``: the clip shows people who move, and all figures are there."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from phnet.benchmarks import video as clips
from phnet.benchmarks.video import FLICKER_FRAMES, flicker, moving, off_compose, people
from phnet.cli import main
from phnet.errors import BadData
from phnet.harmonization.harmonizer import Harmonizer
from phnet.images.arrays import to_float
from phnet.matting.matte import Matter
from phnet.video import Live
from tests.conftest import smooth_photo

PORTRAITS = Path(__file__).parents[1] / "portraits"


def test_people_of_a_folder_move_and_are_found() -> None:
    (photo, mask), other = people(PORTRAITS, 2)
    assert photo.shape[:2] == mask.shape
    assert not np.array_equal(other[0], photo)
    frames = list(moving(photo, mask, 16))
    assert {frame.shape for frame in frames} == {(*clips.SIZE, 3)}
    matter = Matter(threads=1)
    middles = []
    for frame in (frames[0], frames[15]):
        alpha = matter.matte(frame)
        middles.append((alpha.sum(0) * np.arange(640)).sum() / alpha.sum())
    assert middles[1] - middles[0] > 30


def test_a_folder_without_photos_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"expected photos NAME\.jpg with masks NAME\.png"):
        people(tmp_path)


def test_flicker_is_that_of_finished_frames_with_their_own_mattes() -> None:
    """A live path whose look jumps by 10 levels from frame to frame has a flicker of 10."""
    photo = to_float(smooth_photo(np.random.default_rng(0), 40, 60))

    class Jumping(Live):
        def __init__(self, stabilise: float) -> None:
            self.count, self.jump = 0, 10 if stabilise == 0 else 1
            self.alpha = np.ones((40, 60), np.float32)

        def process(self, *_: object) -> np.ndarray:
            self.count += 1
            return np.full((40, 60, 3), 100 + self.jump * (self.count % 2), np.uint8)

    assert FLICKER_FRAMES > 10
    assert flicker([photo], Jumping) == {"unsmoothed": 10, "smoothed": 1, "ratio": 0.1}


def test_the_live_path_is_close_to_compose_and_is_measured() -> None:
    frame = next(moving(*people(PORTRAITS, 1)[0], 1))
    scene = smooth_photo(np.random.default_rng(0), *clips.SIZE)
    empty = np.full_like(frame, 90)
    off = off_compose([frame, empty], scene, Harmonizer(threads=1), Matter(threads=1))
    assert 0 < off < 5


@pytest.mark.slow
def test_benchmark_tells_speed_latency_and_flicker(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("av")
    arguments = ["--json", "--video", "--repeat", "3", "--photos", str(PORTRAITS)]
    monkeypatch.setattr(sys, "argv", ["phnet", "benchmark", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    figures = json.loads(capsys.readouterr().out)
    assert figures["machine"]["cores"] > 0
    video = figures["video"]
    assert video["size"] == "640x360"
    assert video["every_4"]["frames_per_second"] > video["every_1"]["frames_per_second"] > 0.5
    for name in ("every_1", "every_4"):
        assert 0 < video["latency"][name]["median_s"] < 5
    assert video["flicker"]["ratio"] <= 0.25
