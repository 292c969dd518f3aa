"""Hostile and broken files: refused with one sentence, before they cost anything."""

import re
import struct
import threading
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from phnet.errors import BadImage, BadMask, PHNetError
from phnet.images import (
    load,
    load_mask,
)
from tests.images.test_picture import gentle_pixels, random_pixels, write


def png_of_size(width: int, height: int, bits: int = 8) -> bytes:
    """A PNG whose header promises much and whose body holds nothing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "bits"),
    [((20_000, 10_001), 8), ((20_000, 10_001), 16), ((2**31 - 1, 2**31 - 1), 8)],
)
def test_more_than_100_megapixels_are_refused_from_the_header(
    tmp_path: Path, size: tuple[int, int], bits: int
) -> None:
    (tmp_path / "huge.png").write_bytes(png_of_size(*size, bits))
    for read, error in ((load, BadImage), (load_mask, BadMask)):
        with pytest.raises(error, match=rf"huge.png: .*100 megapixels, got {size[0]}x{size[1]}"):
            read(tmp_path / "huge.png")


def test_a_jpeg_of_12_bits_gets_its_own_sentence(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (16, 24, 3)).astype(np.uint16)
    content = imagecodecs.jpeg_encode(pixels, bitspersample=12)
    (tmp_path / "deep.jpg").write_bytes(content)
    for read, error in ((load, BadImage), (load_mask, BadMask)):
        with pytest.raises(error, match="expected a JPEG of 8 bits a sample, got one of 12;"):
            read(tmp_path / "deep.jpg")
    (tmp_path / "deep.jpg").write_bytes(content[:20])  # before that is said
    with pytest.raises(BadImage, match="unknown kind"):
        load(tmp_path / "deep.jpg")


def test_between_pillows_limit_and_ours_pillow_does_not_speak(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(png_of_size(9_900, 10_000))
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(BadImage, match="truncated"):  # so it came to be decoded
        load(tmp_path / "large.png")
    assert limit == Image.MAX_IMAGE_PIXELS


def test_pillows_limit_is_as_it_was_after_many_threads(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", random_pixels((4, 4, 3), np.uint8))
    limit = Image.MAX_IMAGE_PIXELS
    threads = [threading.Thread(target=load, args=[path]) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("name", ["a.png", "deep.png", "a.jpg", "a.webp", "a.tif", "palette.tif"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95])
def test_truncated_files_get_one_sentence(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    pixels = random_pixels((50, 60, 3), np.uint16 if name == "deep.png" else np.uint8)
    if name == "palette.tif":
        Image.fromarray(pixels).convert("P").save(path)
    else:
        write(path, pixels)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadImage) as caught:
        load(path)
    assert re.fullmatch(rf"{re.escape(str(path))}: expected .+", str(caught.value))


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif", "a.tif"])
def test_animations_and_documents_are_refused(tmp_path: Path, name: str) -> None:
    frames = [Image.fromarray(random_pixels((9, 9, 3), np.uint8, seed)) for seed in (1, 2, 3)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    with pytest.raises(BadImage, match=r"expected a single picture, got .*3 (frames|pages)"):
        load(tmp_path / name)


def test_other_refusals_name_file_expectation_and_find(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    floats = np.zeros((4, 4, 3), np.float32)
    write(tmp_path / "float.tif", floats)
    inks = np.zeros((9, 9, 5), np.uint8)
    tifffile.imwrite(
        tmp_path / "five.tif", inks, photometric="separated", extratags=[(332, 3, 1, 2)]
    )
    for name in ("text.png", "float.tif", "five.tif", "missing.png", "."):
        with pytest.raises(BadImage, match=r"expected"):
            load(tmp_path / name)


@settings(deadline=None, max_examples=120)
@given(data=st.data())
def test_damaged_files_raise_nothing_but_our_errors(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    name = data.draw(st.sampled_from(["a.png", "deep.png", "a.jpg", "a.webp", "a.tif"]))
    path = folder / name
    deep = name == "deep.png"
    write(path, gentle_pixels((12, 13, 3), np.uint16 if deep else np.uint8))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        picture = load(path)
    except PHNetError:
        return
    assert picture.pixels.dtype in (np.uint8, np.uint16)
