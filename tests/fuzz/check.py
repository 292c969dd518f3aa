"""Try hostile files and say which did what must not be.

    python -m tests.fuzz.check                      # seeds 0 to 19,999
    python -m tests.fuzz.check --first 20000 --count 5000 --minutes 3

Each picture is read as a picture and as a mask, and what can be read is written in each format and
read again. Of eight seeds four are pictures; the others are pictures in other containers, texts
(manifests, looks, pieces, cards), networks and videos, which are read and used. Needs Linux or
macOS: a crash, a hang or too much memory is seen since the work is done in a process of its own,
which is named with its seed. ``TMPDIR=/dev/shm`` saves most of the time.
"""

import argparse
import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from phnet.batch.folders import read_manifest
from phnet.errors import BadOutput, PHNetError
from phnet.export.chunks import read_pieces
from phnet.harmonization.harmonizer import Harmonizer
from phnet.harmonization.look import read_look
from phnet.harmonization.model_file import read_card
from phnet.images import load, quiet_readers, read_mask, save
from phnet.matting.matte import Matter
from phnet.video.container import Report, frame_count, opened
from phnet.video.frames import Reader
from tests.fuzz import pictures
from tests.fuzz.others import MAKERS, SIDE

MOST_SECONDS = 20  # of CPU, one seed
STUCK = 1200  # seconds that a seed may take without using CPU; other work may be on the machine
MOST_MEMORY = 2 << 30  # bytes, the process
AT_ONCE = 1000  # seeds that a process is given
MOST_FRAMES = 50  # of a video
WRITTEN = (".png", ".jpg", ".webp", ".tif")


def main() -> int:
    """Return 1 if any seed failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    seeds, failed, tried = range(options.first, options.first + options.count), 0, 0
    for start in range(seeds.start, seeds.stop, AT_ONCE):
        if time.monotonic() > end:
            break
        part = range(start, min(start + AT_ONCE, seeds.stop))
        tried += len(part)
        for seed, sentence in failures(part):
            failed += 1
            sys.stdout.write(f"{seed}: {sentence}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{tried} tried from seed {options.first}, {failed} failed\n")
    return 1 if failed else 0


def failures(seeds: range) -> Iterator[tuple[int, str]]:
    """The seeds that failed, and how; a process that dies is followed by another."""
    context = multiprocessing.get_context("spawn")
    first = seeds.start
    while first < seeds.stop:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(theirs, range(first, seeds.stop)))
        process.start()
        theirs.close()
        seed = first
        try:
            while ours.poll(STUCK):
                seed, sentence, large = ours.recv()
                if sentence:
                    yield seed, sentence
                seed += 1
                if seed == seeds.stop or large:  # its memory is the process's, for good
                    break
            else:
                yield seed, f"hung for {STUCK} seconds"
                seed += 1
        except EOFError:
            process.join()
            hung = process.exitcode == -signal.SIGPROF
            how = f"took {2 * MOST_SECONDS} seconds of CPU" if hung else "killed the process"
            yield seed, f"{how} ({process.exitcode})"
            seed += 1
        process.kill()
        process.join()
        first = seed


def _work(line: Any, seeds: range) -> None:
    quiet_readers()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            # Beyond it the system ends the process, whatever C code it is in.
            signal.setitimer(signal.ITIMER_PROF, 2 * MOST_SECONDS)
            line.send((seed, tried(seed, Path(folder)), memory() > MOST_MEMORY))


def memory() -> int:
    """The most bytes that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def case(seed: int) -> tuple[str, str, bytes]:
    """What a seed makes: a subject, a suffix and a file."""
    subjects = ("containers", "texts", "models", "videos")
    subject = subjects[seed % 8 // 2] if seed % 2 else "pictures"
    made = pictures.case(seed) if subject == "pictures" else MAKERS[subject](Random(seed))
    return subject, *made


def tried(seed: int, folder: Path) -> str:
    """How a seed fails; empty where it does not."""
    subject, suffix, content = case(seed)
    place = folder / f"hostile{suffix}"
    place.write_bytes(content)
    begun = time.process_time()
    said = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            USES[subject](place, folder)
    except Wrong as error:
        said = str(error)
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
    seconds = time.process_time() - begun
    if seconds > MOST_SECONDS:
        said += f" took {seconds:.0f} seconds of CPU"
    if memory() > MOST_MEMORY:
        said += f" took more than {json.dumps(MOST_MEMORY >> 30)} GB"
    return said.strip()


class Wrong(Exception):  # noqa: N818
    """What must not be."""


def _used_picture(place: Path, folder: Path) -> None:
    try:
        read_mask(place)
    except PHNetError as error:
        _is_sentence(error, place)
    try:
        picture = load(place)
    except PHNetError as error:
        _is_sentence(error, place)
        return
    for note in picture.notes:
        if not note.isprintable() or note != note.encode("latin-1", "replace").decode("latin-1"):
            raise Wrong(f"a note that no header can carry: {note!r}")
    nothing = np.zeros(picture.size, np.float32)
    for suffix in WRITTEN:
        output = folder / f"out{suffix}"
        output.unlink(missing_ok=True)
        try:
            save(output, picture, picture.colors, nothing)
        except BadOutput as error:
            if "\n" in str(error) or output.exists():
                raise Wrong(f"{suffix}: {error!r}") from error
            if suffix in (".png", ".tif") and "profile" not in str(error):
                raise Wrong(f"{suffix} cannot be written: {error}") from error
            continue
        try:
            again = load(output)
        except PHNetError as error:
            raise Wrong(f"{suffix} that we wrote cannot be read: {error}") from error
        if suffix == ".png" and not np.array_equal(again.pixels, picture.pixels):
            raise Wrong(f"{suffix} that we wrote has other pixels")
        if again.size != picture.size:
            raise Wrong(f"{suffix} that we wrote has another size, {again.size}")


def _used_text(place: Path, folder: Path) -> None:
    try:
        if place.suffix == ".jsonl":
            read_manifest(place, folder / "out")
        elif place.suffix == ".look":
            read_look(place)
        elif place.suffix == ".json":
            read_pieces(place)
        else:
            read_card({"phnet": place.read_text("utf-8", "replace")}, place)
    except PHNetError as error:
        _is_sentence(error, folder)


def _used_model(place: Path, folder: Path) -> None:
    picture = np.full((SIDE, SIDE, 3), 100, np.uint8)
    mask = np.pad(np.ones((SIDE // 2, SIDE // 2), np.float32), SIDE // 4)
    try:
        result = Harmonizer(place, 1).harmonize(picture, mask)
        if result.shape != picture.shape or result.dtype != np.uint8:
            raise Wrong(f"a result of {result.shape}, {result.dtype}")
    except PHNetError as error:
        _is_sentence(error, folder)
    try:
        Matter(place, 1).matte(picture)
    except PHNetError as error:
        _is_sentence(error, folder)


def _used_video(place: Path, folder: Path) -> None:
    try:
        frame_count(place)
        with opened(place) as container:
            for number, _ in enumerate(Reader(container, place, Report()).frames()):
                if number == MOST_FRAMES:
                    break
    except PHNetError as error:
        _is_sentence(error, folder)


def _is_sentence(error: PHNetError, place: Path) -> None:
    """One line about the file, or one beside it."""
    text = str(error)
    if "\n" in text or not text.startswith(str(place)) or len(text) > 2000:
        raise Wrong(f"no sentence: {text[:300]!r}")
    if place.is_file() and not text.startswith(f"{place}: expected"):
        raise Wrong(f"no sentence: {text[:300]!r}")


USES = {
    "pictures": _used_picture,
    "containers": _used_picture,
    "texts": _used_text,
    "models": _used_model,
    "videos": _used_video,
}


if __name__ == "__main__":
    sys.exit(main())
