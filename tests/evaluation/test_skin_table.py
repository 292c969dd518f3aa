"""What is done to skin of three tones: signs, counts and errors of made pictures."""

import numpy as np
import pytest

from phnet.datasets.skin_tone import find_skin
from phnet.evaluation import skin_table
from tests.datasets.test_skin_tone import SKINS, portrait


def test_signs_and_errors_are_those_of_the_skin() -> None:
    rows = []
    for tone, color in SKINS.items():
        real, mask = portrait(color)
        skin = find_skin(real, mask)
        assert skin is not None
        composite = np.where(skin.where[..., None], real - 10.0, real)
        result = np.where(skin.where[..., None], real + 4.0, 0.0)  # what is no skin does not count
        rows.append(skin_table.measure(result, composite, real, skin))
        assert rows[-1][1:] == pytest.approx([14, 4, 16]), tone
    rows.append(skin_table.measure(real, real, real, None))
    found = skin_table.by_tone(np.array(rows))
    assert [found[tone]["n"] for tone in ("light", "medium", "dark")] == [1, 1, 1]
    assert found["dark"]["luma_change"] == pytest.approx(14)
    assert found["dark"]["luma_against_truth_interval"] == pytest.approx([4, 4])


def test_an_empty_bin_is_a_dash() -> None:
    found = skin_table.by_tone(np.array([[60.0, -1, -2, 3], [np.nan] * 4]))
    assert found["medium"] == {
        "n": 0,
        "luma_change": None,
        "luma_against_truth": None,
        "luma_against_truth_interval": [None, None],
        "mse": None,
    }
    lines = skin_table.rows_of([{"name": "x", "skin_tone": found}])
    assert lines[1] == ["x", "light", "1", "-1.0", "-2.0 [-2.0, -2.0]", "3.0"]
    assert lines[2] == ["x", "medium", "0", "-", "-", "-"]
