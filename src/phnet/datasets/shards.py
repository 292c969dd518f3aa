"""WebDataset shards of a tree of FFHQH or iHarmony4: tar files that are read one after another.

::

    DIR/train-000000.tar    members KEY.alpha.EXT, KEY.comp.EXT, KEY.real.EXT: the tree's own files
    DIR/train.json          what the shards hold: images and bytes of each
    DIR/train.npy           int64 (images, 3, 2): place and length of each member in its shard

The tar files are plain WebDataset, for any reader of that format; the two others are for ``phnet
train``, which finds an image by its number. Images are in a random order, so that one shard is a
fair sample.
"""

import hashlib
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from phnet.batch.executors import Record, run_processes
from phnet.datasets.readers import SPLITS, Sample, read, splits
from phnet.errors import BadData, BadOutput, MissingExtra
from phnet.files import replacing, write_text

FORMAT = "phnet-shards-1"
PARTS = ("alpha", "comp", "real")  # in the order in which webdataset writes them
SHARD_BYTES = 256 * 10**6
LARGEST_MEMBER = 256 * 2**20  # bytes; what claims to be longer is damaged


def held_out(photo: str) -> bool:
    """Tell whether a photo ``SUBSET/NAME`` of a set without val split is held out (1 in 50)."""
    return hashlib.sha256(photo.encode()).digest()[0] * 50 < 256


def write_shards(
    tree: str | os.PathLike[str],
    output: str | os.PathLike[str],
    real: str | os.PathLike[str] | None = None,
    *,
    seed: int = 0,
    shard_bytes: int = SHARD_BYTES,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Write all splits of a tree as shards; those that are whole already are kept.

    Args:
        tree: of FFHQH or iHarmony4.
        output: the folder for the shards.
        real: the folder of real photos, where it lies apart.
        seed: of the order.
        shard_bytes: about how large a shard gets.
        jobs: worker processes.
        progress: called with (shards done, of all).

    Returns:
        How many images each split has.

    Raises:
        BadData: the tree cannot be read, or two images would have one name.
        BadOutput: the shards cannot be written.
        MissingExtra: the package webdataset is not installed.
    """
    folder = Path(output)
    try:
        import webdataset  # noqa: F401 (said before hours of work)

        folder.mkdir(parents=True, exist_ok=True)
    except ImportError as error:
        raise MissingExtra("scale", "writing shards") from error
    except OSError as error:
        raise BadOutput(f"{folder}: cannot be made ({error.strerror})") from error
    plans = {
        name: _plan(samples, folder, name, seed, shard_bytes)
        for name, samples in _by_split(tree, real).items()
    }
    tasks = [task for plan in plans.values() for task in plan]
    found: dict[str, Record] = {}
    for done, record in enumerate(run_processes(ShardMaker, None, tasks, min(jobs, len(tasks))), 1):
        found[record["shard"]] = record
        if progress is not None:
            progress(done, len(tasks))
    for name, plan in plans.items():
        _write_index(folder, name, [found[task["shard"]] for task in plan])
    return {name: sum(len(task["images"]) for task in plan) for name, plan in plans.items()}


def _by_split(
    tree: str | os.PathLike[str], real: str | os.PathLike[str] | None
) -> dict[str, list[Sample]]:
    names = splits(tree)
    found = {name: read(tree, name, real=real) for name in names}
    if "val" not in names and "train" in names:
        both = found["train"]
        kept = [held_out(f"{sample.subset}/{sample.real_path.stem}") for sample in both]
        found["train"] = [s for s, held in zip(both, kept, strict=True) if not held]
        found["val"] = [s for s, held in zip(both, kept, strict=True) if held]
    return {name: samples for name, samples in found.items() if samples}


def _plan(
    samples: list[Sample], folder: Path, split: str, seed: int, shard_bytes: int
) -> list[Record]:
    """A task for each shard of a split."""
    order = np.random.default_rng([seed, SPLITS.index(split)]).permutation(len(samples))
    tasks: list[Record] = []
    keys: set[str] = set()
    room = 0
    for place in order.tolist():
        sample = samples[place]
        key = f"{sample.subset}/{sample.id}".replace(".", "_")
        if key in keys:
            raise BadData(f"{sample.composite_path}: two images would have the name {key!r}")
        keys.add(key)
        paths = [str(p) for p in (sample.mask_path, sample.composite_path, sample.real_path)]
        size = sum(Path(path).stat().st_size for path in paths)
        if not tasks or size > room:
            shard = folder / f"{split}-{len(tasks):06d}.tar"
            tasks.append({"shard": str(shard), "images": []})
            room = shard_bytes
        tasks[-1]["images"].append([key, paths])
        room -= size
    return tasks


class ShardMaker:
    """Writes one shard after another."""

    def __init__(self, _: None) -> None:
        pass

    def __call__(self, task: Record) -> Record:
        """Write the shard of a task, or find it whole; tell where its members are."""
        path = Path(task["shard"])
        names = [
            f"{key}.{part}{Path(source).suffix.lower()}"
            for key, sources in task["images"]
            for part, source in zip(PARTS, sources, strict=True)
        ]
        members = _members(path) if path.is_file() else []
        if [name for name, _, _ in members] != names:
            _write(path, task["images"])
            members = _members(path)
        places = [[offset, size] for _, offset, size in members]
        return {"shard": task["shard"], "bytes": path.stat().st_size, "places": places}


def _write(path: Path, images: list[Any]) -> None:
    from webdataset import TarWriter

    with replacing(path) as temporary, temporary.open("wb") as file:
        writer = TarWriter(file, user="", group="", mtime=0.0, encoder=False)
        for key, sources in images:
            sample: dict[str, Any] = {"__key__": key}
            for part, source in zip(PARTS, sources, strict=True):
                sample[f"{part}{Path(source).suffix.lower()}"] = Path(source).read_bytes()
            writer.write(sample)
        writer.close()


def _members(path: Path) -> list[tuple[str, int, int]]:
    """Name, place and length of each member; none where the file is damaged."""
    try:
        with tarfile.open(path, "r:") as archive:
            return [(m.name, m.offset_data, m.size) for m in archive.getmembers()]
    except (OSError, tarfile.TarError):
        return []


def _write_index(folder: Path, split: str, records: list[Record]) -> None:
    """Write what ``phnet train`` finds images by; the JSON last, as it says that all is there."""
    places = np.concatenate([np.array(r["places"], np.int64).reshape(-1, 3, 2) for r in records])
    with replacing(folder / f"{split}.npy") as temporary, temporary.open("wb") as file:
        np.save(file, places)
    shards = [
        {"name": Path(r["shard"]).name, "images": len(r["places"]) // 3, "bytes": r["bytes"]}
        for r in records
    ]
    write_text(
        folder / f"{split}.json",
        json.dumps({"format": FORMAT, "parts": PARTS, "images": len(places), "shards": shards}),
    )


def is_shards(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a folder holds shards with their index."""
    return any(Path(folder, f"{split}.json").is_file() for split in SPLITS)


@dataclass(frozen=True)
class ShardIndex:
    """The shards of one split, and where in them each image is."""

    files: tuple[Path, ...]
    starts: npt.NDArray[np.int64]  # (shards + 1,): the first image's number; then the number of all
    places: npt.NDArray[np.int64]  # (images, 3, 2), mapped into memory

    def shard(self, row: int) -> int:
        """Find the shard that an image is in."""
        return int(np.searchsorted(self.starts, row, "right")) - 1

    def read(self, row: int, parts: tuple[str, ...]) -> list[bytes]:
        """The files of an image.

        Raises:
            BadData: the shard is shorter than its index says.
        """
        path = self.files[self.shard(row)]
        found = []
        with path.open("rb") as file:
            for part in parts:
                offset, size = map(int, self.places[row, PARTS.index(part)])
                if not 0 <= size <= LARGEST_MEMBER or offset < 0:
                    raise BadData(f"{path}: the index beside it is damaged")
                file.seek(offset)
                found.append(file.read(size))
                if len(found[-1]) != size:
                    raise BadData(f"{path}: is shorter than the index beside it says")
        return found

    def name(self, row: int) -> str:
        """An image's key, from its first member's header."""
        offset = int(self.places[row, 0, 0])
        with self.files[self.shard(row)].open("rb") as file:
            file.seek(max(0, offset - tarfile.BLOCKSIZE))
            try:
                name = tarfile.TarInfo.frombuf(
                    file.read(tarfile.BLOCKSIZE), "utf-8", "replace"
                ).name
            except tarfile.TarError:
                return f"image {row}"
        return name.rsplit("/", 1)[0] + "/" + name.rsplit("/", 1)[-1].split(".")[0]


def open_shards(folder: str | os.PathLike[str], split: str) -> ShardIndex:
    """Read the index of a split; nothing else is read yet.

    Raises:
        BadData: there is none, it is damaged, or a shard is missing or of another length.
    """
    place = Path(folder, f"{split}.json")
    try:
        about = json.loads(place.read_text("utf-8"))
        assert about["format"] == FORMAT
        files = tuple(place.parent / Path(shard["name"]).name for shard in about["shards"])
        starts = np.cumsum([0, *(int(shard["images"]) for shard in about["shards"])])
        sizes = [int(shard["bytes"]) for shard in about["shards"]]
        places = np.load(place.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
        assert places.shape == (int(starts[-1]), len(PARTS), 2)
        assert places.dtype == np.int64
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise BadData(f"{place}: expected the index of shards, found none that is whole") from error
    for path, size in zip(files, sizes, strict=True):
        if not path.is_file() or path.stat().st_size != size:
            raise BadData(f"{path}: expected a shard of {size} bytes, as its index says")
    return ShardIndex(files, starts, places)
