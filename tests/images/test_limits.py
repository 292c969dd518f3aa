"""What a file asks for is known, and refused, before it is decoded."""

import io
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import phnet
from phnet.errors import BadImage, BadMask, BadOutput
from phnet.images import Picture, Source, load, read_mask, save
from phnet.images.limits import UNBOUNDED, most_pixels, scans_of
from tests.conftest import disc_mask, smooth_photo
from tests.images.test_broken_files import png_of_size


def jpeg(side: int = 64, **options: object) -> bytes:
    target = io.BytesIO()
    photo = Image.fromarray(smooth_photo(np.random.default_rng(0), side, side))
    photo.save(target, "JPEG", **options)
    return target.getvalue()


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    content = jpeg(progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * count + content[-2:]


def test_scans_are_counted() -> None:
    assert scans_of(jpeg()) == 1
    assert scans_of(jpeg(progressive=True)) == 10
    # A thumbnail in the header, and what comes behind the picture, do not count.
    thumbnail = jpeg(progressive=True)
    exif = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    assert scans_of(jpeg()[:2] + exif + jpeg()[2:] + thumbnail) == 1
    assert scans_of(jpeg()[:300]) == 0


def test_a_jpeg_of_thousands_of_scans_is_refused_at_once() -> None:
    content = with_scans(7000)
    begun = time.process_time()
    for read, error in ((load, BadImage), (read_mask, BadMask)):
        with pytest.raises(error, match=r"at most 100 scans .*, got 7009 scans of 64x64"):
            read(Source("photo", content))
    assert time.process_time() - begun < 1
    assert load(Source("photo", with_scans(20))).size == (64, 64)
    assert load(Source("photo", with_scans(200), UNBOUNDED)).size == (64, 64)


def test_a_large_jpeg_of_many_scans_is_refused() -> None:
    content = bytearray(with_scans(60))
    frame = content.index(b"\xff\xc2")
    content[frame + 5 : frame + 9] = (8000).to_bytes(2, "big") * 2
    with pytest.raises(BadImage, match="2000 megapixels in all of them, got 69 scans of 8000x8000"):
        load(Source("photo", bytes(content)))


@pytest.mark.parametrize("size", [(99_999_999, 1), (1, 99_999_999), (100_001, 1)])
def test_a_picture_of_a_very_long_side_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BadImage, match="sides of at most 100000 pixels, got"):
        load(Source("thin", png_of_size(*size, 8)))


def test_the_option_lifts_the_bound_and_lowers_it(tmp_path: Path) -> None:
    assert most_pixels(0) == UNBOUNDED
    assert most_pixels(3) == 3_000_000
    side = 1100
    photo, mask = tmp_path / "photo.jpg", disc_mask(side, side)
    photo.write_bytes(jpeg(side))
    for composite in (photo, photo.read_bytes()):
        with pytest.raises(BadImage, match="at most 1 megapixels, got 1100x1100"):
            phnet.harmonize(composite, mask, max_megapixels=1)
        with pytest.raises(BadImage, match="at most 1 megapixels"):
            phnet.compose(composite, composite, mask=mask, max_megapixels=1)
    assert phnet.harmonize(photo, mask, max_megapixels=0).size == (side, side)
    with pytest.raises(BadMask, match="at most 1 megapixels"):
        phnet.harmonize(Image.open(photo), str(photo), max_megapixels=1)


def test_what_a_format_cannot_hold_is_left_out_or_refused(tmp_path: Path) -> None:
    """Metadata that are too large for a JPEG, and the buffer that Pillow makes too small."""
    rng = np.random.default_rng(0)
    colors = smooth_photo(rng, 40, 30)
    alpha = np.zeros((40, 30), np.float32)
    tables = {"qtables": {0: [1] * 64, 1: [1] * 64}, "subsampling": 0, "progressive": True}
    for xmp, exif in ((b"x" * 65_000, None), (b"x" * 70_000, b"Exif\0\0" + bytes(70_000))):
        picture = Picture(colors, xmp=xmp, exif=exif, jpeg=tables)
        save(tmp_path / "a.jpg", picture, colors, alpha)
        assert load(tmp_path / "a.jpg").size == (40, 30)
        assert load(tmp_path / "a.jpg").xmp == (xmp if len(xmp) < 65_400 else None)
    with pytest.raises(BadOutput, match="PNG: expected a color profile of at most"):
        save(tmp_path / "a.png", Picture(colors, icc=bytes(2 << 20)), colors, alpha)
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("tag", "value"),
    [(257, 0), (256, 0), (278, 0), (322, 0), (277, 0), (258, 0), (282, (1, 0))],
)
def test_a_tiff_of_impossible_sizes_is_refused_or_read(
    tmp_path: Path, tag: int, value: int | tuple[int, int]
) -> None:
    target = io.BytesIO()
    tags = [(tag, "I", 1, value, True)] if tag == 322 else []
    pixels = np.zeros((8, 6, 3), np.uint8)
    tifffile.imwrite(target, pixels, resolution=(72, 72), metadata=None, extratags=tags)
    content = bytearray(target.getvalue())
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        known = tiff.pages.first.tags
        place = known[tag].valueoffset if tag in known else None
        if tag == 258 and place is not None:
            content[place : place + 6] = bytes(6)
        elif isinstance(value, tuple) and place is not None:
            content[place + 4 : place + 8] = bytes(4)
        elif place is not None:
            content[place : place + 2] = value.to_bytes(2, "little")
    (tmp_path / "a.tif").write_bytes(content)
    for read, error in ((load, BadImage), (read_mask, BadMask)):
        if tag in (282, 322, 278):  # nothing that the pixels depend on, or that readers mend
            with suppress(error):
                read(tmp_path / "a.tif")
        else:
            with pytest.raises(error, match="expected"):
                read(tmp_path / "a.tif")
