"""Temporal consistency on frames that move as they are told."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data
from typer.testing import CliRunner

from phnet.cli import app
from phnet.datasets.readers import read
from phnet.evaluation import temporal


@pytest.fixture(scope="module")
def frames() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A photo, the same four pixels to the right, and a mask of its middle."""
    photo = data.astronaut().astype(np.float32) / 255
    earlier, later = photo[100:260, 104:264], photo[100:260, 100:260]
    mask = np.zeros((160, 160), np.float32)
    mask[40:120, 40:120] = 1
    return earlier, later, mask


def test_flow_finds_the_shift(frames: tuple[np.ndarray, ...]) -> None:
    earlier, later, _ = frames
    by = temporal.flow(later, earlier)
    middle = by[40:120, 40:120]
    assert np.median(middle[..., 0]) == pytest.approx(-4, abs=0.2)
    assert np.median(middle[..., 1]) == pytest.approx(0, abs=0.2)
    back = temporal.moved(earlier, by)[40:120, 40:120]
    assert np.abs(back - later[40:120, 40:120]).mean() < 0.01


def test_flicker_is_an_error_and_a_steady_change_is_none(frames: tuple[np.ndarray, ...]) -> None:
    earlier, later, mask = frames
    true = (earlier, later)
    at_rest = temporal.warp_error(true, true, mask)
    steady = temporal.warp_error((earlier * 0.5, later * 0.5), true, mask)
    assert steady == pytest.approx(at_rest / 4, rel=1e-3)
    flickering = temporal.warp_error((earlier, later + 10 / 255), true, mask)
    # three channels that are 10 levels off, and W is nearly 1
    assert flickering == pytest.approx(300 + at_rest, rel=0.1)
    assert np.isnan(temporal.warp_error(true, true, mask * 0))


def test_a_video_set_has_its_line(frames: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    earlier, later, mask = frames
    root, steady, flicker = tmp_path / "v", tmp_path / "steady", tmp_path / "flicker"
    for i, frame in enumerate((earlier, later)):
        pixels = (frame[..., ::-1] * 255).astype(np.uint8)
        name = f"{i:05d}.png"
        for place, picture in (
            (root / "Composite" / "a" / "o", pixels // 2),
            (root / "Mask" / "a" / "o", (mask * 255).astype(np.uint8)),
            (root / "Ground-truth" / "a", pixels),
            (steady / "a" / "o", pixels),
            (flicker / "a" / "o", pixels // (i + 1)),
        ):
            place.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place / name), picture)
    (root / "test.txt").write_text("a\n")
    (pair,) = temporal.pairs(read(root, "test"))
    assert (pair.before.id, pair.after.id) == ("a/o/00000", "a/o/00001")
    command = ["evaluate", "--data", root, "--predictions", steady, "--predictions", flicker]
    shown = CliRunner().invoke(app, [str(c) for c in command], catch_exceptions=False).stdout
    assert "warp error" in shown
    command += ["--format", "json"]
    text = CliRunner().invoke(app, [str(c) for c in command], catch_exceptions=False).stdout
    first, second = json.loads(text)["methods"]
    assert first["temporal"]["pairs"] == 1
    assert first["temporal"]["warp_error"] == pytest.approx(first["temporal"]["true_video"])
    assert second["temporal"]["warp_error"] > 20 * first["temporal"]["warp_error"]
