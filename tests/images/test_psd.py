"""PSD files: layers as other programs see them, and flat ones read."""

import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from phnet.errors import BadImage, BadOutput
from phnet.images import Picture, Source, check_output, load, read_mask, save

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


# -- what other programs write --


def resource(number: int, content: bytes) -> bytes:
    size = len(content)
    return b"8BIM" + struct.pack(">HHI", number, 0, size) + content + bytes(size % 2)


def psd(
    planes: np.ndarray,
    mode: int = 3,
    depth: int | None = None,
    *,
    layers: int = 0,
    resources: bytes = b"",
    palette: bytes = b"",
    packed: bool = False,
    version: int = 1,
) -> bytes:
    """A file with planes (C, H, W) as they are stored, packed bits (C, H, W / 8) for one bit."""
    channels, height, width = planes.shape
    depth = depth or 8 * planes.dtype.itemsize
    width *= 8 if depth == 1 else 1
    head = struct.pack(">4sH6xHIIHH", b"8BPS", version, channels, height, width, depth, mode)
    long, short = (">Q", ">I") if version == 2 else (">I", ">H")
    section = struct.pack(long, 2) + struct.pack(">h", layers) if layers else b""
    content = head + struct.pack(">I", len(palette)) + palette
    content += struct.pack(">I", len(resources)) + resources
    content += struct.pack(long, len(section)) + section
    rows = [row.astype(row.dtype.newbyteorder(">")).tobytes() for plane in planes for row in plane]
    if not packed:
        return content + struct.pack(">H", 0) + b"".join(rows)
    rows = [bytes(imagecodecs.packbits_encode(row)) for row in rows]
    sizes = b"".join(struct.pack(short, len(row)) for row in rows)
    return content + struct.pack(">H", 1) + sizes + b"".join(rows)


def read(content: bytes) -> Picture:
    return load(Source("a.psd", content))


def planes_of(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(np.atleast_3d(picture), -1, 0))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_flat_pictures_of_both_depths_come_bit_for_bit(
    kind: type, packed: bool, version: int
) -> None:
    picture = pictures(kind)[1]
    content = psd(planes_of(picture), packed=packed, version=version)
    np.testing.assert_array_equal(read(content).pixels, picture)
    if version == 1:
        seen = psd_tools.PSDImage.open(io.BytesIO(content)).numpy("color")
        np.testing.assert_allclose(seen, picture / np.iinfo(kind).max, atol=1e-6)
    gray = read(psd(planes_of(picture[..., 0]), 1, packed=packed, version=version))
    np.testing.assert_array_equal(gray.pixels, picture[..., 0])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_what_is_read_is_written_in_its_depth(tmp_path: Path, kind: type) -> None:
    picture, mask = pictures(kind)[1], np.zeros((40, 56), np.float32)
    mask[10:35, 20:40] = 1
    composite = read(psd(planes_of(picture)))
    result = composite.colors // 2
    save(tmp_path / "out.psd", composite, result, mask)
    again = load(tmp_path / "out.psd")
    assert again.pixels.dtype == kind
    np.testing.assert_array_equal(again.pixels[mask > 0], result[mask > 0])
    (background, _, _) = psd_tools.PSDImage.open(tmp_path / "out.psd")
    np.testing.assert_allclose(background.numpy("color"), picture / np.iinfo(kind).max, atol=1e-6)


def test_a_selection_is_no_alpha_and_transparency_is_without_the_white() -> None:
    picture = pictures(np.uint8)[0]
    alpha = np.full((40, 56), 255, np.uint8)
    alpha[:, :20] = 128
    saved = read(psd(planes_of(np.dstack([picture, alpha]))))
    assert saved.alpha is None
    assert "saved selection" in saved.notes[0]
    np.testing.assert_array_equal(saved.pixels, picture)
    share = alpha[..., None] / 255
    shown = np.rint(picture * share + 255 * (1 - share)).astype(np.uint8)
    cut = read(psd(planes_of(np.dstack([shown, alpha])), layers=-1))
    assert "its layers were left out" in cut.notes[0]
    np.testing.assert_array_equal(cut.alpha, alpha)
    assert np.abs(cut.pixels.astype(int) - picture).max() <= 1
    np.testing.assert_array_equal(cut.pixels[:, 20:], picture[:, 20:])


def test_other_color_modes() -> None:
    gray = pictures(np.uint8)[0][..., 0]
    np.testing.assert_array_equal(read(psd(planes_of(gray), 8)).pixels, gray)
    paper = np.full((40, 56, 4), 255, np.uint8)
    paper[:20, :, 0] = 0  # full cyan: 0 is full ink
    picture = read(psd(planes_of(paper), 4))
    assert "CMYK" in picture.notes[0]
    np.testing.assert_array_equal(picture.pixels[0, 0], (0, 255, 255))
    np.testing.assert_array_equal(picture.pixels[-1, 0], (255, 255, 255))
    for kind, middle in ((np.uint8, 128), (np.uint16, 32768)):
        lab = np.full((40, 56, 3), middle, kind)
        lab[..., 0] = np.iinfo(kind).max
        white = read(psd(planes_of(lab), 9)).pixels
        assert (white >= np.iinfo(kind).max * 0.99).all()
    bits = np.array([0b10100000, 0b00000001], np.uint8).reshape(1, 2, 1)
    expected = [[0, 255, 0, 255, 255, 255, 255, 255], [255] * 7 + [0]]
    np.testing.assert_array_equal(read(psd(bits, 0, 1)).pixels, expected)
    palette = np.zeros((3, 256), np.uint8)
    palette[0, 1] = 128
    indices = np.zeros((40, 56), np.uint8)
    indices[5:20] = 1
    content = psd(planes_of(indices), 2, palette=palette.tobytes())
    np.testing.assert_array_equal(read(content).pixels[10, 0], (128, 0, 0))
    np.testing.assert_array_equal(read_mask(Source("m.psd", content)).alpha, indices)


def test_what_the_file_says_about_the_picture_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "a caption", 6
    profile = bytes(imagecodecs.cms_profile("adobergb"))
    blocks = resource(1039, profile) + resource(1060, b"<x:xmpmeta/>")
    blocks += resource(1058, exif.tobytes().removeprefix(b"Exif\0\0"))
    blocks += resource(1005, struct.pack(">IHHIHH", 300 << 16, 1, 1, 300 << 16, 1, 1))
    blocks += resource(1028, b"\x1c\x02\x78\0\x03abc")
    picture = read(psd(planes_of(pictures(np.uint8)[0]), resources=blocks))
    assert (picture.icc, picture.xmp, picture.dpi) == (profile, b"<x:xmpmeta/>", (300, 300))
    assert picture.size == (40, 56)  # Photoshop turns the pixels, not the tag
    assert b"a caption" in (picture.exif or b"")
    assert b"abc" in (picture.words.resources or b"")


def test_what_cannot_be_read_gets_its_sentence() -> None:
    planes = planes_of(pictures(np.uint8)[0])
    with pytest.raises(BadImage, match="maximize compatibility"):
        read(psd(planes, layers=2, resources=resource(1057, b"\0\0\0\1\0")))
    with pytest.raises(BadImage, match="expected a PSD of 8 or 16 bits, got 32; save it as TIFF"):
        read(psd(planes.astype(np.uint32)))
    with pytest.raises(BadImage, match="got mode 7"):
        read(psd(planes, 7))
    whole = psd(planes, packed=True)
    for end in (20, 40, len(whole) // 2):
        with pytest.raises(BadImage, match=r"a\.psd: expected"):
            read(whole[:end])
