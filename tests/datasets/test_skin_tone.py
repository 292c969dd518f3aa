"""The face's skin and its tone: made faces of known color, and the committed portraits."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from phnet.datasets import skin_tone
from phnet.datasets.benchmark_sets import load_pair, photos_with_masks

PORTRAITS = Path(__file__).parents[1] / "portraits"
SKINS = {"light": (235, 200, 180), "medium": (190, 140, 110), "dark": (95, 60, 45)}


def portrait(skin: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A head of one color on a blue body before a wall of the color of skin."""
    photo = np.full((120, 100, 3), (190, 140, 110), np.uint8)
    mask = np.zeros((120, 100), np.uint8)
    cv2.rectangle(photo, (20, 55), (80, 119), (40, 60, 160), -1)
    cv2.rectangle(mask, (20, 55), (80, 119), 255, -1)
    cv2.ellipse(photo, (50, 35), (15, 20), 0, 0, 360, skin, -1)
    cv2.ellipse(mask, (50, 35), (15, 20), 0, 0, 360, 255, -1)
    return photo, mask / 255


@pytest.mark.parametrize("tone", SKINS)
def test_a_face_has_its_tone_and_nothing_else_is_skin(tone: str) -> None:
    photo, mask = portrait(SKINS[tone])
    found = skin_tone.find_skin(photo, mask)
    assert found is not None
    assert found.tone == tone
    assert (photo[found.where] == SKINS[tone]).all()  # neither wall nor body
    assert found.where.sum() > 200
    lab = cv2.cvtColor(np.float32([[SKINS[tone]]]) / 255, cv2.COLOR_RGB2LAB)[0, 0]
    assert found.angle == pytest.approx(np.degrees(np.arctan((lab[0] - 50) / lab[2])), abs=1e-3)


def test_the_face_is_found_by_the_heads_shape() -> None:
    """Its place is that of the head, small on a full figure and large in a close-up."""
    for scale, body in ((1, 80), (3, 10)):
        mask = np.zeros((400, 300), np.uint8)
        top = 20
        cv2.ellipse(mask, (150, top + 20 * scale), (15 * scale, 20 * scale), 0, 0, 360, 1, -1)
        cv2.rectangle(mask, (150 - body, top + 40 * scale), (150 + body, 399), 1, -1)
        place = skin_tone.face_place(mask > 0)
        assert place is not None
        height = 40 * scale
        assert place[0].start == pytest.approx(top + 0.38 * height, abs=0.05 * height)
        assert place[0].stop == pytest.approx(top + 0.8 * height, abs=0.08 * height)
        assert (place[1].start + place[1].stop) / 2 == pytest.approx(150, abs=2)
    assert skin_tone.face_place(np.zeros((9, 9), bool)) is None
    assert skin_tone.face_place(np.eye(30, dtype=bool)) is not None


def test_bins_have_the_edges_that_the_source_gives() -> None:
    assert [skin_tone.tone_of(a) for a in (41.1, 41.0, 10.1, 10.0, -80)] == [
        "light",
        "medium",
        "medium",
        "dark",
        "dark",
    ]
    assert skin_tone.angle(50, 15) == 0
    assert skin_tone.angle(65, 15) == pytest.approx(45)


def test_without_a_face_there_is_no_tone() -> None:
    photo, mask = portrait((30, 200, 40))
    assert skin_tone.find_skin(photo, mask) is None
    assert skin_tone.find_skin(photo, mask * 0) is None
    assert skin_tone.shares([None, 50, 20, 20, -5]) == {
        "light": 1,
        "medium": 2,
        "dark": 1,
        "no face": 1,
    }


def test_most_committed_portraits_have_a_face() -> None:
    angles = []
    for files in photos_with_masks(PORTRAITS):
        photo, mask = load_pair(*files)
        found = skin_tone.find_skin(photo, mask / 255)
        angles.append(None if found is None else found.angle)
    counts = skin_tone.shares(angles)
    assert counts["no face"] <= 4
    assert all(counts[tone] >= 1 for tone in skin_tone.TONES)


def test_the_command_counts_the_faces_of_folders(
    command_line: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    for folder, tones in (("a", ["light", "dark"]), ("b", ["dark"])):
        (tmp_path / folder).mkdir()
        for tone in tones:
            photo, mask = portrait(SKINS[tone])
            place = tmp_path / folder / f"{tone}.jpg"
            cv2.imwrite(str(place), photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
            cv2.imwrite(str(place.with_suffix(".png")), np.rint(mask * 255))
    half = command_line("data", "skin", tmp_path / "a", "--every", "2", "--jobs", "1")[1]
    assert "of 1 faces" in half
    status, out, _ = command_line("data", "skin", tmp_path / "a", tmp_path / "b", "--jobs", "1")
    assert status == 0
    assert "light 1 (50.0%), medium 0 (0.0%), dark 1 (50.0%) of 2 faces" in out
    assert "together: light 1 (33.3%), medium 0 (0.0%), dark 2 (66.7%) of 3 faces" in out
