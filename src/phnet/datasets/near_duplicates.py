"""Find photos that are nearly the same, so that they never sit in two splits.

A photo's gradient hash is 256 bits: whether each pixel of its 17x16 thumbnail is brighter than
its left neighbor ("dHash" of side 16). Two photos are near-duplicates when their hashes
differ in at most 40 bits; unrelated photos differ in about 128.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from phnet.images.arrays import Bytes, Floats

MOST_DIFFERENT = 40  # bits of 256
BITS = 256
_SIDE = 16
_BLOCK = 4096  # hashes compared with as many others at once


def gradient_hash(photo: Bytes) -> str:
    """Return the hash of a photo, uint8 (H, W, 3), as 64 hexadecimal digits."""
    gray = Image.fromarray(photo).convert("L")
    small = gray.resize((_SIDE + 1, _SIDE), Image.Resampling.LANCZOS)
    pixels = np.asarray(small, np.int16)
    return np.packbits(pixels[:, 1:] > pixels[:, :-1]).tobytes().hex()


def near_pairs(hashes: list[str], most_different: int = MOST_DIFFERENT) -> npt.NDArray[np.int64]:
    """Return all pairs (i, j), i < j, of hashes that differ in at most ``most_different`` bits.

    Exact, not a heuristic: with bits as -1 and 1, the dot product of two hashes is 256 - 2d, so
    that blocks of comparisons are matrix products. 70,000 hashes are 2.4 billion comparisons.

    Returns:
        int64 (pairs, 2), sorted.
    """
    signs = _signs(hashes)
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(hashes), _BLOCK):
        rows = signs[start : start + _BLOCK]
        for other in range(start, len(hashes), _BLOCK):
            alike = rows @ signs[other : other + _BLOCK].T >= BITS - 2 * most_different
            if alike.any():
                pairs = np.argwhere(alike) + np.array([start, other])
                found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def groups(hashes: list[str], most_different: int = MOST_DIFFERENT) -> list[list[int]]:
    """Return the indices of ``hashes`` in groups: near-duplicates, and theirs, are together.

    Groups and their members are in ascending order; a photo without near-duplicates is alone.
    """
    parent = list(range(len(hashes)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in near_pairs(hashes, most_different).tolist():
        a, b = root(i), root(j)
        parent[max(a, b)] = min(a, b)
    members: dict[int, list[int]] = {}
    for i in range(len(hashes)):
        members.setdefault(root(i), []).append(i)
    return list(members.values())


def _signs(hashes: list[str]) -> Floats:
    """Hashes as float32 (count, 256) of -1 and 1."""
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), BITS // 8)
    return np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1
