"""The shadow: under the feet, where it is asked for, and nowhere else."""

import numpy as np
import pytest

import phnet
from phnet.compositing.shadow import ShadowLight, cast_shadow, estimate_light, stands
from phnet.images.arrays import Floats


def standing() -> Floats:
    mask = np.zeros((300, 300), np.float32)
    mask[60:240, 130:170] = 1
    return mask


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_the_ground_under_the_feet_is_darkened_and_only_there(kind: str, channels: int) -> None:
    scale = {"uint8": 255, "uint16": 65535, "float32": 1}[kind]
    scene = np.full((300, 300, channels), 0.6 * scale).astype(kind)
    made, missing = cast_shadow(scene, standing(), 1, ShadowLight(0, 0.6, 0.5, 0))
    assert made.dtype == scene.dtype
    np.testing.assert_array_equal(made[missing == 0], scene[missing == 0])
    np.testing.assert_array_equal(made[standing() > 0], scene[standing() > 0])
    assert made[241, 150, 0] < 0.6 * float(scene[241, 150, 0])
    np.testing.assert_array_equal(made[:200], scene[:200])
    if channels == 4:
        np.testing.assert_array_equal(made[..., 3], scene[..., 3])


def test_the_cast_falls_to_the_side_that_is_asked_for() -> None:
    scene = np.full((300, 300, 3), 150, np.uint8)
    right, _ = cast_shadow(scene, standing(), 1, ShadowLight(70, 1, 0.2, 1))
    left, _ = cast_shadow(scene, standing(), 1, ShadowLight(-70, 1, 0.2, 1))
    assert right[:, 190:].mean() < right[:, :110].mean() - 0.3
    np.testing.assert_allclose(left[:, ::-1].mean(0), right.mean(0), atol=1.5)


def test_a_person_at_a_frame_does_not_stand() -> None:
    alpha = standing()
    assert stands(alpha, 0)
    assert not stands(alpha, 100)  # the feet are below the scene's edge
    alpha[240:, 130:170] = 1
    assert not stands(alpha, 0)  # the portrait's frame cuts the legs


def test_light_from_the_left_casts_to_the_right() -> None:
    scene = np.full((100, 100, 3), 60, np.uint8)
    scene[:50, :40] = 250
    assert estimate_light(scene).angle > 10
    assert estimate_light(scene[:, ::-1]).angle < -10


def test_where_the_scene_is_transparent_there_is_no_ground_and_no_light() -> None:
    portrait = np.full((300, 300, 4), 120, np.uint8)
    portrait[..., 3] = 255 * standing()
    made = []
    for hidden in (0, 255):
        scene = np.full((300, 300, 4), 160, np.uint8)
        scene[..., 3] = 255
        scene[:, 150:, :3], scene[:, 150:, 3] = hidden, 0
        result = phnet.compose(portrait, scene, place=(0, 0, 1), finish=True, shadow_angle=80)
        np.testing.assert_array_equal(result[:, 171:], scene[:, 171:])
        assert result[238:244, 100:129, :3].min() < 150
        made.append(result[:, :171][result[:, :171, 3] > 0])
    np.testing.assert_array_equal(*made)
