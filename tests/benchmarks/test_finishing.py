"""Figures of finishing: what is counted, and a frame's cost."""

import numpy as np
import pytest
from skimage.data import astronaut

from phnet.benchmarks import finishing


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
    monkeypatch.setattr(finishing, "FRAME", (96, 128))
    asked = {"none": {}, "finish": {"finish": True}}
    monkeypatch.setattr(finishing, "FRAME_COSTS", asked)
    costs = finishing.frame_cost_figures(astronaut(), astronaut()[::-1])
    assert list(costs) == list(asked)
    assert all(cost > 0 for cost in costs.values())
