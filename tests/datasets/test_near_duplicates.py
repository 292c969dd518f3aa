"""Near-duplicates among photos, found by their gradients."""

import numpy as np
from PIL import Image
from skimage.data import astronaut

from phnet.datasets import near_duplicates


def test_gradient_hashes_find_near_duplicates_exactly() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, 256).astype(np.uint8)
    rows = [rng.integers(0, 2, 256).astype(np.uint8) for _ in range(200)]
    for place, bits in ((3, 0), (50, 40), (120, 41), (199, 20)):
        rows[place] = first.copy()
        rows[place][256 - bits :] ^= 1
    hashes = [np.packbits(row).tobytes().hex() for row in rows]
    pairs = {(i, j) for i, j in near_duplicates.near_pairs(hashes).tolist()}
    by_hand = {
        (i, j)
        for i in range(200)
        for j in range(i + 1, 200)
        if np.count_nonzero(rows[i] != rows[j]) <= 40
    }
    # 50 and 120 differ by one bit: a photo can be in a group through another.
    assert pairs == by_hand == {(3, 50), (3, 199), (50, 120), (50, 199), (120, 199)}
    groups = near_duplicates.groups(hashes)
    assert [3, 50, 120, 199] in groups
    assert len(groups) == 197


def test_a_gradient_hash_says_where_it_gets_brighter() -> None:
    ramp = np.repeat(np.arange(0, 170, 10, dtype=np.uint8)[None, :], 16, 0)
    rgb = np.dstack([ramp] * 3)
    assert near_duplicates.gradient_hash(rgb) == "f" * 64
    assert near_duplicates.gradient_hash(np.ascontiguousarray(rgb[:, ::-1])) == "0" * 64
    smaller = np.asarray(Image.fromarray(astronaut()).resize((300, 300)))
    a, b = (bytes.fromhex(near_duplicates.gradient_hash(p)) for p in (astronaut(), smaller))
    differ = sum(bin(x ^ y).count("1") for x, y in zip(a, b, strict=True))
    assert differ <= 10
