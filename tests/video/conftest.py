"""What tests of video files share: a session whose person is a corner."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from phnet.harmonization.harmonizer import Harmonizer
from phnet.video import Live
from phnet.video.container import Report
from phnet.video.convert import convert

GREEN = (30, 160, 60)


class Corner:
    """A matter for which the person is the lower right quarter."""

    def matte(self, rgb: np.ndarray, **_: Any) -> np.ndarray:
        alpha = np.zeros(rgb.shape[:2], np.float32)
        alpha[rgb.shape[0] // 2 :, rgb.shape[1] // 2 :] = 1
        return alpha


@pytest.fixture(scope="module")
def harmonizer() -> Harmonizer:
    return Harmonizer(threads=1)


@pytest.fixture
def convert_to(tmp_path: Path, harmonizer: Harmonizer) -> Callable[..., Report]:
    """Put a file's person before green, or before another picture."""
    background = tmp_path / "green.png"
    Image.new("RGB", (64, 64), GREEN).save(background)

    def live(scene: np.ndarray) -> Live:
        return Live(scene, every=50, harmonizer=harmonizer, matter=Corner())  # type: ignore[arg-type]

    def run(source: Path, output: Path, behind: Path = background) -> Report:
        return convert(source, output, behind, live)

    return run
