"""HDR and wide gamuts to SDR, against values of the standards."""

import numpy as np
import pytest

from phnet.video.colors import Colors, to_sdr

BT2020_PQ, BT2020_HLG = Colors(9, 1, 9, 16), Colors(9, 1, 9, 18)


def made(values: tuple[float, float, float], colors: Colors) -> list[int]:
    pixels = np.rint(np.array(values) * 65535).astype(np.uint16)[None, None]
    return [int(level) for level in to_sdr(pixels, colors)[0, 0]]


@pytest.mark.parametrize(
    ("value", "colors", "level"),
    [
        (0.0, BT2020_PQ, 0),
        (0.4403, BT2020_PQ, 136),  # 50 cd/m², below the knee: sRGB of 50/203
        (0.5807, BT2020_PQ, 229),  # the reference white of BT.2408
        (0.7518, BT2020_PQ, 255),  # 1,000 cd/m²
        (1.0, BT2020_PQ, 255),
        (0.75, BT2020_HLG, 229),  # the same white in HLG
        (1.0, BT2020_HLG, 255),
    ],
)
def test_grays_keep_their_light_up_to_the_knee(value: float, colors: Colors, level: int) -> None:
    np.testing.assert_allclose(made((value,) * 3, colors), level, atol=1)


def test_wide_gamuts_become_that_of_the_background() -> None:
    p3 = Colors(1, 1, 12, 13)
    np.testing.assert_allclose(made((0.5, 0.5, 0.5), p3), 128, atol=1)
    light = ((np.array([200, 60, 30]) / 255 + 0.055) / 1.055) ** 2.4
    to_p3 = np.array([[0.8225, 0.1774, 0], [0.0332, 0.9669, 0], [0.0171, 0.0724, 0.9108]])
    red, green, blue = 1.055 * (to_p3 @ light) ** (1 / 2.4) - 0.055
    np.testing.assert_allclose(made((red, green, blue), p3), (200, 60, 30), atol=1)
    assert made((0, 0.8, 0), p3)[0] == 0


def test_what_can_be_written_as_it_is_stays() -> None:
    for colors in (Colors(5, 1, 2, 2), Colors(2, 2, 2, 2), Colors(1, 2, 1, 13)):
        assert colors.written == colors
        assert colors.note == ""
    assert Colors(0, 2, 2, 13, True).written == Colors(1, 1, 1, 13)
    assert BT2020_HLG.written == Colors(1, 1, 1, 1)
