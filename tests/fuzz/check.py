"""Try hostile pictures and say which did what must not be.

    python -m tests.fuzz.check                      # seeds 0 to 19,999
    python -m tests.fuzz.check --first 20000 --count 5000 --minutes 3

Each is read as a picture and as a mask, and what can be read is written in each format and read
again. Needs Linux or macOS: a crash, a hang or too much memory is seen since the work is done in
a process of its own, which is named with its seed.
"""

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from phnet.errors import BadOutput, PHNetError
from phnet.images import load, quiet_readers, read_mask, save
from tests.fuzz.pictures import case

MOST_SECONDS = 20  # of CPU, one seed
MOST_MEMORY = 2 << 30  # bytes, the process
AT_ONCE = 100  # seeds that a process is given
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
            while ours.poll(10 * MOST_SECONDS):
                seed, sentence = ours.recv()
                if sentence:
                    yield seed, sentence
                seed += 1
                if seed == seeds.stop:
                    break
            else:
                yield seed, f"hung for {10 * MOST_SECONDS} seconds"
        except EOFError:
            process.join()
            yield seed, f"the process ended with {process.exitcode}"
        process.kill()
        process.join()
        first = seed if seed == seeds.stop else seed + 1


def _work(line: Any, seeds: range) -> None:
    quiet_readers()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            line.send((seed, tried(seed, Path(folder))))


def tried(seed: int, folder: Path) -> str:
    """How a seed fails; empty where it does not."""
    suffix, content = case(seed)
    place = folder / f"hostile{suffix}"
    place.write_bytes(content)
    begun = time.process_time()
    said = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _once(place, folder)
    except Wrong as error:
        said = str(error)
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
    seconds = time.process_time() - begun
    if seconds > MOST_SECONDS:
        said += f" took {seconds:.0f} seconds of CPU"
    unit = 1 if sys.platform == "darwin" else 1024
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit > MOST_MEMORY:
        said += f" took more than {json.dumps(MOST_MEMORY >> 30)} GB"
    return said.strip()


class Wrong(Exception):  # noqa: N818
    """What must not be."""


def _once(place: Path, folder: Path) -> None:
    try:
        read_mask(place)
    except PHNetError as error:
        _is_sentence(error, place)
    try:
        picture = load(place)
    except PHNetError as error:
        _is_sentence(error, place)
        return
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


def _is_sentence(error: PHNetError, place: Path) -> None:
    text = str(error)
    if "\n" in text or not text.startswith(f"{place}: expected") or len(text) > 1000:
        raise Wrong(f"no sentence: {text[:300]!r}")


if __name__ == "__main__":
    sys.exit(main())
