"""Verify the tree of a data set and list everything that is wrong with it at once."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from phnet.batch.executors import apply
from phnet.datasets import readers
from phnet.datasets.near_duplicates import gradient_hash, near_pairs
from phnet.datasets.readers import Sample
from phnet.errors import BadData, BadInput
from phnet.images import load, load_mask
from phnet.images.arrays import Floats, to_uint8


@dataclass(frozen=True)
class TreeReport:
    """Report on a tree; a sound one has no problems."""

    layout: str
    samples: dict[str, int]  # complete triples in each split
    problems: list[str]  # a sentence each


def check(
    root: str | os.PathLike[str],
    real: str | os.PathLike[str] | None = None,
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> TreeReport:
    """Check every triple of every split.

    That each is there and can be decoded, that its sizes agree, that its mask is not empty when
    binarized at 0.5; that no id is in two splits, and no near-duplicate of a real photo (256-bit
    gradient hash, distance at most 40).

    Args:
        root: a data set of :mod:`phnet.datasets.readers`.
        real: folder of FFHQH's real photos, where it is not ``root/real``.
        jobs: worker processes.
        progress: called with (done, total) samples.

    Raises:
        BadData: ``root`` holds neither data set.
    """
    kind = readers.layout(root)
    found: list[tuple[str, Sample]] = []
    problems: list[str] = []
    known = {"FFHQH": readers.SPLITS, "iHarmony4": ("train", "test")}
    for split in known.get(kind) or readers.splits(root):
        try:
            complete, missing = readers.find(root, split, real)
        except BadData as error:
            complete, missing = [], [str(error)]
        found.extend((split, sample) for sample in complete)
        problems.extend(missing)
    problems.extend(_in_two_splits(found))

    hashes: dict[tuple[str, Path], str] = {}  # by split and real photo
    results = apply(inspect, (sample for _, sample in found), jobs)
    for done, ((split, sample), (wrong, hashed)) in enumerate(zip(found, results, strict=True)):
        problems.extend(wrong)
        if hashed:
            hashes[split, sample.real_path] = hashed
        if progress is not None:
            progress(done + 1, len(found))
    problems.extend(_across_splits(hashes))
    counts = Counter(split for split, _ in found)
    return TreeReport(kind, dict(counts), list(dict.fromkeys(problems)))


def inspect(sample: Sample) -> tuple[list[str], str]:
    """Decode one triple; return what is wrong with it, and the real photo's gradient hash."""
    problems: list[str] = []
    pictures: dict[Path, Floats] = {}
    for path in (sample.composite_path, sample.mask_path, sample.real_path):
        try:
            is_mask = path == sample.mask_path
            pictures[path] = load_mask(path) if is_mask else load(path).rgb
        except BadInput as error:
            problems.append(str(error))
    sizes = {path: f"{p.shape[1]}x{p.shape[0]}" for path, p in pictures.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{path} {size}" for path, size in sizes.items())
        problems.append(f"{sample.id}: sizes differ: {listed}")
    mask = pictures.get(sample.mask_path)
    if mask is not None and not (mask > 0.5).any():
        problems.append(f"{sample.mask_path}: the mask is empty (no pixel above 0.5)")
    real = pictures.get(sample.real_path)
    hashed = "" if real is None else gradient_hash(to_uint8(real))
    return problems, hashed


def _in_two_splits(found: list[tuple[str, Sample]]) -> list[str]:
    seen: dict[tuple[str, str], list[str]] = {}
    for split, sample in found:
        seen.setdefault((sample.subset, sample.id), []).append(split)
    problems = []
    for (subset, name), where in seen.items():
        if len(set(where)) > 1:
            problems.append(
                f"{subset}: {name} is in the splits {' and '.join(dict.fromkeys(where))}"
            )
        elif len(where) > 1:
            problems.append(f"{subset}: {name} is {len(where)} times in the split {where[0]}")
    return problems


def _across_splits(hashes: dict[tuple[str, Path], str]) -> list[str]:
    seen = list(hashes)
    problems = []
    for i, j in near_pairs(list(hashes.values())).tolist():
        (one_split, one), (other_split, other) = seen[i], seen[j]
        if one_split != other_split:
            a, b = (int(hashes[name], 16) for name in (seen[i], seen[j]))
            problems.append(
                f"{one} ({one_split}) and {other} ({other_split}) are near-duplicates: "
                f"{(a ^ b).bit_count()} of 256 bits differ"
            )
    return problems
