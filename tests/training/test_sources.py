"""Where training images come from: hold-outs."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from phnet.errors import BadData
from phnet.training.sources import pair_sources

IHARMONY4 = Path(__file__).parents[1] / "fixtures" / "iharmony4"


def test_an_empty_hold_out_says_so() -> None:
    """Four photos are too few for one in 50."""
    assert len(pair_sources([str(IHARMONY4)], "train", "")) == 4
    with pytest.raises(BadData, match=r"the hold-out .* is empty"):
        pair_sources([str(IHARMONY4)], "val", "")
