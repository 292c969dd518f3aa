"""Training images decoded once, into a file that is mapped into memory.

Any number of processes, on any number of machines, may decode one set at the same time: they need
nothing but the folder. The set is cut into chunks; a finished chunk leaves a note, and whoever
finds all notes writes the index. So nobody waits at a barrier, and what was decoded when a process
was killed stays.
"""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from phnet.batch.executors import Record, run_processes
from phnet.errors import BadData, BadOutput, PHNetError, TrainingStopped
from phnet.files import write_text
from phnet.images.arrays import Bytes
from phnet.options import cores
from phnet.training.sources import Source, squared

log = logging.getLogger(__name__)

MOST_UNREADABLE = 0.01  # share of a set that may be unreadable before a run stops
CHUNK = 64  # images between two notes
FEW = 512  # images that are not worth starting processes for
LOOK_SECONDS = 0.5  # between looks for the chunks of others
PATIENCE = 60.0  # seconds without a new chunk of others after which one does them, too


@dataclass(frozen=True)
class Cache:
    """Decoded images of one size in one file."""

    path: Path
    size: int
    planes: int  # 4: photo, mask; 7: composite, mask, real
    ids: list[str]
    rejected: dict[str, str]  # id: why
    scenes: list[int] = field(default_factory=list)  # rows that can stand behind any person
    places: list[int] = field(default_factory=list)  # of each row in the file; empty: its number

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def pixels(self) -> Bytes:
        """Memory-mapped (places in the file, S, S, planes)."""
        count = self.path.stat().st_size // row_bytes(self.size, self.planes)
        return np.memmap(self.path, np.uint8, "r", shape=(count, self.size, self.size, self.planes))

    def row(self, row: int) -> Bytes:
        """One image, (S, S, planes)."""
        return np.asarray(self.pixels[self.places[row] if self.places else row])

    def name(self, row: int) -> str:
        """One image's id."""
        return self.ids[row]

    def mask(self, row: int) -> Bytes:
        """One image's mask, (S, S)."""
        return self.row(row)[..., 3]

    def other(self, row: int, draw: int) -> int:  # noqa: ARG002 (near is anywhere here)
        """A row that is quickly at hand beside ``row``, by a number below the set's length."""
        return draw

    def order(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """The rows of one pass over the set."""
        return rng.permutation(len(self))

    def __getstate__(self) -> dict[str, Any]:
        """Loader processes map the file themselves instead of receiving its content."""
        return {name: value for name, value in self.__dict__.items() if name != "pixels"}


@dataclass(frozen=True)
class Share:
    """Rank of this process and their number, before there is any process group."""

    rank: int = 0
    world: int = 1
    jobs: int = 1  # processes that decode at once

    @classmethod
    def of_environment(cls) -> "Share":
        """This process's share, as torchrun names it; the machine's cores are divided."""
        number = {name: int(os.environ.get(name, fallback)) for name, fallback in _TORCHRUN.items()}
        jobs = max(1, cores() // max(1, number["LOCAL_WORLD_SIZE"]))
        return cls(number["RANK"], max(1, number["WORLD_SIZE"]), jobs)


_TORCHRUN = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}


def row_bytes(size: int, planes: int) -> int:
    """Bytes of one decoded image."""
    return size * size * planes


def build_cache(
    sources: Sequence[Source],
    size: int,
    folder: Path,
    share: Share | None = None,
    most_gb: float | None = None,
) -> Cache:
    """Decode and resize all sources once; a finished cache is found again by its key.

    Args:
        sources: the images.
        size: pixels a side.
        folder: where the cache is; all processes that decode together see it.
        share: this process's; None: that of torchrun's environment.
        most_gb: the largest size, in 10^9 bytes; None: any.

    Raises:
        BadData: there is no image at all, or the cache would be larger than ``most_gb``.
        BadOutput: it would not fit on the disk, or cannot be written.
        TrainingStopped: more than 1% cannot be read; the first are named.
    """
    if not sources:
        raise BadData("expected at least one image with its mask to train on, found none")
    key = hashlib.sha256(json.dumps([2, size, [s.id for s in sources]]).encode()).hexdigest()[:16]
    index_path, pixel_path = folder / f"{key}.json", folder / f"{key}.u8"
    if not index_path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _fill(sources, size, index_path, pixel_path, share or Share.of_environment(), most_gb)
    index = json.loads(index_path.read_text("utf-8"))
    rejected: dict[str, str] = index["rejected"]
    if len(rejected) > MOST_UNREADABLE * len(sources):
        named = "; ".join(f"{name}: {why}" for name, why in list(rejected.items())[:5])
        raise TrainingStopped(
            f"{len(rejected)} of {len(sources)} images cannot be used, more than 1%: {named}"
        )
    return Cache(
        *(pixel_path, size, index["planes"], index["ids"], rejected, index["scenes"]),
        index.get("places", []),  # older caches have no gaps
    )


def _fill(
    sources: Sequence[Source],
    size: int,
    index_path: Path,
    pixel_path: Path,
    share: Share,
    most_gb: float | None,
) -> None:
    """Decode what nobody has decoded yet, and write the index."""
    planes = sources[0].planes
    _check_room(pixel_path, len(sources) * row_bytes(size, planes), most_gb)
    notes = pixel_path.with_suffix(".notes")
    notes.mkdir(exist_ok=True)
    with pixel_path.open("ab") as handle:
        handle.truncate(len(sources) * row_bytes(size, planes))
    count = -(-len(sources) // CHUNK)
    own = range(share.rank % count, count, share.world)
    filler = (size, planes, str(pixel_path), str(notes))
    _decode(sources, [c for c in own if not _note(notes, c).exists()], filler, share.jobs)
    for missing in _waiting(index_path, notes, count):
        ahead = [c for c in missing if c >= own.start] + [c for c in missing if c < own.start]
        _decode(sources, ahead[: share.jobs], filler, share.jobs)
    if not index_path.exists():
        _write_index(sources, index_path, notes, count, planes)
    shutil.rmtree(notes, ignore_errors=True)


def _check_room(path: Path, needed: int, most_gb: float | None) -> None:
    """Say how large the cache gets, and refuse one that is too large or does not fit."""
    there = (
        path.stat().st_blocks * 512 if path.exists() and hasattr(os.stat_result, "st_blocks") else 0
    )
    free = shutil.disk_usage(path.parent).free
    log.info("decoding into %s: %.2f GB, %.1f GB are free", path, needed / 1e9, free / 1e9)
    if most_gb is not None and needed > most_gb * 1e9:
        raise BadData(
            f"{path.parent}: expected a cache of at most {most_gb:g} GB ([data] cache_gb), but "
            f"these images need {needed / 1e9:.1f} GB; train from shards, or choose a smaller size"
        )
    if needed - there > free:
        raise BadOutput(
            f"{path.parent}: expected {(needed - there) / 1e9:.1f} GB of room for decoded images, "
            f"found {free / 1e9:.1f} GB"
        )


def _waiting(index: Path, notes: Path, count: int) -> Iterator[list[int]]:
    """Wait for the chunks of others; yield those that nobody seems to work on."""
    last, since = count, time.monotonic()
    while not index.exists():
        missing = [c for c in range(count) if not _note(notes, c).exists()]
        if not missing:
            return
        if len(missing) < last:
            last, since = len(missing), time.monotonic()
        if time.monotonic() - since >= PATIENCE:
            yield missing
            since = time.monotonic()
        else:
            time.sleep(LOOK_SECONDS)


def _decode(
    sources: Sequence[Source], chunks: Sequence[int], filler: tuple[int, int, str, str], jobs: int
) -> None:
    tasks: list[Record] = [
        {"chunk": c, "sources": sources[c * CHUNK : (c + 1) * CHUNK]} for c in chunks
    ]
    few = len(tasks) * CHUNK <= FEW
    spoken = time.monotonic()
    records = run_processes(Filler, filler, tasks, 1 if few else min(jobs, len(tasks)))
    for done, record in enumerate(records, 1):
        for name, why in record["rejected"].items():
            log.warning("%s is skipped: %s", name, why)
        if time.monotonic() - spoken > 60:
            spoken = time.monotonic()
            log.info("decoded %d of %d images", done * CHUNK, len(tasks) * CHUNK)


class Filler:
    """Decodes a chunk, writes it at its place in the file, and leaves the note."""

    def __init__(self, settings: tuple[int, int, str, str]) -> None:
        self.size, self.planes, self.path, self.notes = settings

    def __call__(self, task: Record) -> Record:
        """Do the chunk ``task["chunk"]``, whose images are ``task["sources"]``.

        Raises:
            BadOutput: the file cannot be written.
        """
        found: Record = {"places": [], "rejected": {}}
        row = row_bytes(self.size, self.planes)
        try:
            with Path(self.path).open("r+b", buffering=0) as file:
                for place, source in enumerate(task["sources"], task["chunk"] * CHUNK):
                    pixels = self._load(source, found["rejected"])
                    if pixels is not None:
                        found["places"].append(place)
                        file.seek(place * row)
                        file.write(pixels.tobytes())
                os.fsync(file.fileno())
        except OSError as error:
            raise BadOutput(f"{self.path}: cannot be written ({error.strerror})") from error
        try:
            write_text(_note(Path(self.notes), task["chunk"]), json.dumps(found))
        except BadOutput:
            if Path(self.notes).is_dir():  # else another process has finished the index meanwhile
                raise
        return {"rejected": found["rejected"]}

    def _load(self, source: Source, rejected: dict[str, str]) -> Bytes | None:
        """The image at the cache's size; None, and the reason noted, where it cannot be used."""
        try:
            return squared(source.load(), self.size)
        except (OSError, ValueError, PHNetError, cv2.error) as error:
            rejected[source.id] = str(error)
            return None


def _note(notes: Path, chunk: int) -> Path:
    return notes / f"{chunk:07d}.json"


def _write_index(
    sources: Sequence[Source], path: Path, notes: Path, count: int, planes: int
) -> None:
    """Put the notes of all chunks together; another process may do the same."""
    places: list[int] = []
    rejected: dict[str, str] = {}
    try:
        for chunk in range(count):
            note = json.loads(_note(notes, chunk).read_text("utf-8"))
            places += note["places"]
            rejected |= note["rejected"]
    except FileNotFoundError:
        if path.exists():
            return
        raise
    if not places:
        raise BadData(f"none of {len(sources)} images can be read")
    index: dict[str, Any] = {
        "ids": [sources[place].id for place in places],
        "rejected": rejected,
        "planes": planes,
        "scenes": [row for row, place in enumerate(places) if sources[place].scene],
    }
    write_text(path, json.dumps(index | ({"places": places} if rejected else {})))
