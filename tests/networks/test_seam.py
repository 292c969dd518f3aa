"""The mask's edge: counted by NumPy, finite everywhere, undoes a recoloring, at light 0 alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.data import astronaut

from phnet.networks import PHNet, PHNetConfig
from phnet.networks.seam import (
    LEAST_RING,
    NEARBY,
    RINGS,
    SEAM,
    SEAM_PLACES,
    edge_maps,
    seam_statistics,
    solved,
)
from phnet.training.growing import grown

PLAIN = PHNetConfig(widths=(3, 4, 6, 8, 8, 10, 12), output="field", shrink=2, statistics=True)
SMALL = replace(PLAIN, seam=True)


def picture(height: int, width: int) -> torch.Tensor:
    photo = torch.from_numpy(astronaut().transpose(2, 0, 1).copy())[None].float() / 255
    return torch.nn.functional.interpolate(photo, (height, width), mode="area")


def ellipse(height: int, width: int) -> torch.Tensor:
    y, x = np.mgrid[:height, :width]
    inside = ((y / height - 0.7) / 0.5) ** 2 + ((x / width - 0.45) / 0.3) ** 2 < 1
    return torch.from_numpy(inside.astype(np.float32))[None, None]


def counted(rgb: np.ndarray, hard: np.ndarray) -> np.ndarray:
    """The same numbers, pixel by pixel."""
    square = np.ones((3, 3), bool)

    def grow(mask: np.ndarray, times: int = 1) -> np.ndarray:
        return ndimage.binary_dilation(mask, square, times)

    def shrink(mask: np.ndarray, times: int = 1) -> np.ndarray:
        return ndimage.binary_erosion(mask, square, times, border_value=1)

    def near(inside: np.ndarray, y: int, x: int) -> np.ndarray | None:
        side = NEARBY // 2
        rows = slice(max(0, 2 * (y // 2 - side)), 2 * (y // 2 + side + 1))
        columns = slice(max(0, 2 * (x // 2 - side)), 2 * (x // 2 + side + 1))
        here = inside[rows, columns]
        return rgb[rows, columns][here].mean(0) if here.any() else None

    rings = [
        hard & ~shrink(hard),
        grow(hard) & ~hard,
        grow(hard, 2) & ~grow(hard),
        shrink(hard) & ~shrink(hard, 2),
    ]
    found = []
    for ring in rings:
        values = []
        for y, x in np.argwhere(ring):
            inner, outer = near(shrink(hard, 2), y, x), near(~grow(hard, 3), y, x)
            if inner is not None and outer is not None:
                values.append(np.concatenate([[1], inner, outer, rgb[y, x]]))
        one = np.array(values)
        moments = np.zeros((10, 10)) if len(one) < LEAST_RING else one.T @ one / len(one)
        around, crossed, own = moments[:7, :7], moments[7:, :7], moments[7:, 7:]
        found += [around.ravel(), crossed.ravel(), own.ravel()]
    return np.concatenate(found)[SEAM_PLACES]


@pytest.mark.parametrize("size", [(64, 64), (61, 83)])
def test_as_numpy_counts_them(size: tuple[int, int]) -> None:
    image, mask = picture(*size), ellipse(*size)
    found = seam_statistics(image, mask)
    assert found.shape == (1, SEAM) == (1, 55 * RINGS)
    expected = counted(image[0].permute(1, 2, 0).numpy(), mask[0, 0].numpy() > 0.5)
    assert np.abs(found[0].numpy() - expected).max() < 1e-4
    assert (expected != 0).all()


def test_an_edge_of_few_pixels_says_nothing() -> None:
    image = picture(64, 64)
    for mask in (torch.zeros(1, 1, 64, 64), torch.ones(1, 1, 64, 64)):
        assert not seam_statistics(image, mask).any()


def test_recoloring_shows_at_the_edge() -> None:
    """Darkened by a third, the person's inside is darker than its rim outside; scenes stay."""
    image, mask = picture(128, 128), ellipse(128, 128)
    darker = torch.where(mask > 0.5, image * 0.67, image)
    before, after = seam_statistics(image, mask)[0], seam_statistics(darker, mask)[0]
    changed = (after / before).reshape(RINGS, 55)
    assert changed[0, 1:4].mean() < 0.8  # the mean color inside, near the person's outermost ring
    assert torch.allclose(changed[1, [28, 35, 42]], torch.ones(3), atol=1e-5)  # the rim outside


def test_solved_as_numpy_does() -> None:
    rng = np.random.default_rng(3)
    factor = rng.normal(size=(5, 2, 6, 6))
    matrix = factor @ factor.transpose(0, 1, 3, 2) + 0.01 * np.eye(6)
    values = rng.normal(size=(5, 2, 6, 3))
    found = solved(torch.from_numpy(matrix), torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(found, np.linalg.solve(matrix, values), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("blur", [1.0, 1.6])
def test_the_maps_undo_a_recoloring(blur: float) -> None:
    """A person with a soft edge before another photo, recolored under the hard mask."""
    rng = np.random.default_rng(4)
    shape = (256, 256)
    person, scene = (
        ndimage.gaussian_filter(rng.random((*shape, 3)), (9, 9, 0), mode="wrap") for _ in range(2)
    )
    person, scene = (0.5 + 6 * (one - one.mean()) for one in (person, scene))
    mask = ellipse(*shape)
    alpha = ndimage.gaussian_filter(mask[0, 0].numpy().astype(float), blur)[..., None]
    real = person * alpha + scene * (1 - alpha)
    recolor = np.array([[0.8, 0.05, 0.0], [0.1, 0.9, 0.0], [0.0, 0.1, 1.1]])  # rows: to red, ...
    hard = mask[0, 0].numpy()[..., None]
    composite = real + hard * (real @ recolor.T + [0.03, -0.05, 0.02] - real)
    planes = torch.from_numpy(composite.transpose(2, 0, 1).copy())[None].float()
    _, maps = edge_maps(seam_statistics(planes, mask))
    found = maps[0, 0].reshape(4, 3).double().numpy() + np.eye(4, 3)
    inside = composite[hard[..., 0] > 0.5]
    undone = np.column_stack([inside, np.ones(len(inside))]) @ found
    wanted = real[hard[..., 0] > 0.5]
    before, after = (np.square(one - wanted).mean() for one in (inside, undone))
    assert after < 0.1 * before


def test_an_edge_that_says_nothing_gives_no_map() -> None:
    found, maps = edge_maps(torch.zeros(2, SEAM))
    assert not maps.any()
    assert not found.any()


def fresh(seed: int) -> PHNet:
    """A network whose seam branch says something."""
    torch.manual_seed(seed)
    net = PHNet(SMALL)
    assert net.seam is not None
    for layer in (net.seam.color_map, net.seam.trust):
        torch.nn.init.normal_(layer.weight, std=0.1)
    return net


@pytest.mark.parametrize("size", [(64, 64), (37, 51)])
def test_finite_for_empty_full_and_one_pixel_masks(size: tuple[int, int]) -> None:
    net = fresh(0)
    one = torch.zeros(1, 1, *size)
    one[..., 20, 30] = 1
    masks = torch.cat([torch.zeros(1, 1, *size), torch.ones(1, 1, *size), one, 1 - one])
    result = net(torch.rand(4, 3, *size), masks, torch.tensor([0.0, 0.3, 0.7, 1.0]))
    assert bool(result.isfinite().all())
    result.sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is None or bool(parameter.grad.isfinite().all()), name


def test_it_counts_in_full_at_light_0_and_not_at_1() -> None:
    net = fresh(1).eval()
    plain = PHNet(PLAIN).eval()
    plain.load_state_dict(net.state_dict(), False)
    image, mask = picture(64, 64), ellipse(64, 64)

    def added(light: float) -> torch.Tensor:
        wish = torch.tensor([light])
        return net.field(image, mask, wish) - plain.field(image, mask, wish)

    assert added(0.0).abs().max() > 0.01
    assert not added(1.0).any()
    assert torch.allclose(added(0.25), 0.75 * added(0.0), atol=1e-6)
    assert not added(0.0)[:, 12].any()  # detail is not its business
    assert torch.allclose(added(0.0), added(0.0)[..., :1, :1], atol=1e-5)  # one map for all


def test_weights_without_it_answer_the_same_at_first() -> None:
    torch.manual_seed(2)
    old, new = PHNet(PLAIN).eval(), PHNet(SMALL).eval()
    missing, unexpected = new.load_state_dict(grown(old.state_dict(), new), False)
    assert not unexpected
    assert all(name.startswith("seam.") for name in missing)
    image, mask = picture(64, 64), ellipse(64, 64)
    assert torch.equal(new(image, mask), old(image, mask))


def test_scales_are_learned_from_a_sample_once() -> None:
    net = PHNet(SMALL)
    assert net.scaleless()
    photos = torch.cat([picture(64, 64) * share for share in (0.3, 0.6, 1.0)])
    net.learn_scales(photos, ellipse(64, 64).repeat(3, 1, 1, 1))
    assert net.seam is not None
    edge, _ = net.seam.read(photos, ellipse(64, 64).repeat(3, 1, 1, 1))
    assert edge.mean(0).abs().max() < 1e-3
    assert 0.5 < edge.std(0).median() < 1.5
    assert net.training


def test_it_needs_the_statistics() -> None:
    with pytest.raises(ValueError, match="seam: expected"):
        PHNetConfig(seam=True)
