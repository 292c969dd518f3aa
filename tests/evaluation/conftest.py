"""What tests of scores share: predictions of a small data set."""

from pathlib import Path

import numpy as np
import pytest

from phnet.datasets.readers import read
from phnet.evaluation import score
from phnet.evaluation.baselines import METHODS

FIXTURES = Path(__file__).parents[1] / "fixtures"
IHARMONY4 = FIXTURES / "iharmony4"


class Half:
    """Halves the foreground, whatever it is."""

    def harmonize(self, composite: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return np.where(mask[..., None] > 0.5, composite // 2, composite)


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """Predictions of iHarmony4's fixture: untouched and halved, and halved real photos."""
    samples = read(IHARMONY4, "test")
    score.predict(samples, METHODS["composite"], tmp_path / "composite")
    seconds = score.predict(samples, Half(), tmp_path / "half")
    assert len(seconds) == len(samples)
    score.predict(samples, Half(), tmp_path / "half", untouched=True)
    return tmp_path
