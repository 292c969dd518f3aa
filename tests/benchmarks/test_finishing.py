"""Figures of finishing: what is counted, and a frame's cost."""

from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from phnet.benchmarks import finishing, finishing_times


def test_each_photo_is_told_and_those_near_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [(np.zeros((4, 4, 3), np.uint8), np.full((4, 4), k, np.float32)) for k in range(4)]
    ratios = [1.1, None, 0.5, 0.81]
    monkeypatch.setattr(finishing, "_grain_ratio", lambda photo, *_: ratios[int(photo[1][0, 0])])
    monkeypatch.setattr(finishing, "_given_more", lambda photo: photo[1][0, 0] == 2)
    figures = finishing.grain_figures(photos)
    assert figures["flat_5"] == {
        "after": 0.81,
        "within_20_percent": "2 of 3",
        "each": [1.1, 0.5, 0.81],
    }
    assert figures["person_with_more"] == {"given_more": "1 of 4"}


def test_a_frames_cost_is_told_for_each_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finishing_times, "FRAME", (96, 128))
    asked = {"none": {}, "finish": {"finish": True}}
    monkeypatch.setattr(finishing_times, "FRAME_COSTS", asked)
    costs = finishing_times.frame_cost_figures(astronaut(), astronaut()[::-1])
    assert list(costs) == list(asked)
    assert all(cost > 0 for cost in costs.values())


def person() -> finishing.Photo:
    alpha = np.zeros((512, 512), np.float32)
    alpha[100:, 150:400] = 1
    return astronaut(), alpha


def test_times_are_told_for_each_effect_and_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finishing_times, "PIXELS", 60_000)
    told: list[str] = []
    figures = finishing_times.twelve_megapixel_figures([person()], 1, told.append)
    assert figures["size"] == "245x245"
    assert figures["person"] == pytest.approx(412 * 250 / 512**2, abs=0.01)
    names = ["harmonize_itself", "clean_edges", "match_sharpness", "match_grain", "light_wrap"]
    for threads in ("threads_1", "threads_2"):
        assert list(figures[threads]) == [*names, "finish"]
        assert figures[threads]["harmonize_itself"]["wall_s"] > 0
    assert len(told) == 4


def test_a_rounds_own_time_is_taken_from_each() -> None:
    rounds = [{"none": (1.0 * k, 2.0), "finish": (1.0 * k + 0.5, 2.25)} for k in (1, 2, 9)]
    assert finishing_times._medians(rounds, "finish") == {"wall_s": 0.5, "processor_s": 0.25}
    assert finishing_times._medians(rounds, "none") == {"wall_s": 2.0, "processor_s": 2.0}


def test_noisy_scenes_and_persons_that_were_changed_are_counted() -> None:
    smooth = np.full((512, 512, 3), 120, np.uint8)
    alpha = person()[1]
    rng = np.random.default_rng(0)
    noisy = np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)
    pasted = np.where(alpha[..., None] > 0, smooth, noisy)
    counts = finishing.as_they_are([(one, alpha) for one in (smooth, noisy, pasted)])
    assert counts["scenes_that_count_as_noisy"] == "2 of 3"
    assert counts["persons_changed"] == "1 of 3"
    assert counts["median_sigma_of_these"] == pytest.approx(6 / 3**0.5, rel=0.15)


def test_only_the_figures_asked_for_are_made_and_progress_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finishing, "_photos", lambda *_: iter([person()]))
    monkeypatch.setattr(finishing, "edge_figures", lambda photos: len(photos))
    told: list[str] = []
    figures = finishing.finishing_figures(Path(), 1, ["edges"], tell=told.append)
    assert figures == {"photos": 1, "edges": 1}
    assert told == ["edges"]
