"""PSD files: layers as other programs see them, and flat ones read."""

import struct
from pathlib import Path

import numpy as np
import pytest

from phnet.errors import BadImage, BadOutput
from phnet.images import Picture, Source, check_output, load, save

psd_tools = pytest.importorskip("psd_tools")


def pictures(kind: type) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Background, composite, result and mask, soft at its edge."""
    rng = np.random.default_rng(0)
    top = np.iinfo(kind).max
    scene, person, other = (rng.random((40, 56, 3)) for _ in range(3))
    across = np.clip(np.linspace(2, -1, 56), 0, 1).astype(np.float32)
    mask = np.broadcast_to(across, (40, 56)).copy()
    made = [scene, *(scene + (one - scene) * mask[..., None] for one in (person, other))]
    return (*(np.rint(one * top).astype(kind) for one in made), mask)  # type: ignore[return-value]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_layers_blend_to_what_was_pasted_and_harmonized(tmp_path: Path, kind: type) -> None:
    scene, composite, result, mask = pictures(kind)
    save(tmp_path / "out.psd", Picture(scene), result, mask, composite)
    document = psd_tools.PSDImage.open(tmp_path / "out.psd")
    assert [layer.name for layer in document] == [
        "Background",
        "Original person",
        "Harmonized person",
    ]
    top = np.iinfo(kind).max
    assert document.depth == np.dtype(kind).itemsize * 8
    below, *persons = (layer.numpy("color") * top for layer in document)
    assert np.abs(below - scene).max() < 0.1
    assert not document[0].has_mask()
    for layer, colors, expected in zip(document[1:], persons, (composite, result), strict=True):
        share = np.asarray(layer.mask.topil(), np.float32)[..., None] / 255
        assert np.abs(share[..., 0] - mask).max() < 0.6 / 255
        blended = below + (colors - below) * share
        # The layer's mask has 8 bits, also beside colors of 16.
        assert np.abs(blended - expected).max() < top * 1.6 / 255
    assert np.abs(document.numpy("color") * top - result).max() < 0.1  # what viewers show


def test_a_flat_file_is_read_again(tmp_path: Path) -> None:
    scene, _, result, mask = pictures(np.uint8)
    save(tmp_path / "out.psd", Picture(scene), result, mask)
    again = load(tmp_path / "out.psd")
    assert again.format == "PSD"
    assert np.array_equal(again.pixels, result)


def test_what_the_format_cannot_hold(tmp_path: Path) -> None:
    flat = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(BadOutput, match="alpha"):
        check_output(tmp_path / "out.psd", picture=Picture(flat, flat[..., 0]))
    with pytest.raises(BadOutput, match="30000"):
        check_output(tmp_path / "out.psd", picture=Picture(np.zeros((1, 30001, 3), np.uint8)))


def test_a_psd_of_sixteen_bits_is_refused_by_its_depth() -> None:
    content = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 4, 6, 16, 3) + bytes(200)
    with pytest.raises(BadImage, match="expected a PSD of 8 bits, got 16; save it as TIFF"):
        load(Source("a.psd", content))
