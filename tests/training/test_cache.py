"""Decoding: by many processes at once, resumed after a kill, within its bounds."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from phnet.errors import BadData, BadOutput
from phnet.training import cache as module
from phnet.training.cache import CHUNK, Cache, Share, build_cache
from phnet.training.sources import Source, photo_sources
from tests.conftest import disc_mask, smooth_photo
from tests.waiting import PATIENCE, until


def planes_of(number: int) -> np.ndarray:
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (12, 10, 4), dtype=np.uint8)


def numbered(number: int, log: Path | None = None) -> np.ndarray:
    """A picture that says in ``log`` that it was decoded."""
    if log is not None:
        with log.open("a") as handle:
            handle.write(f"{number}\n")
    if number % 150 == 149:
        raise ValueError("damaged")
    return planes_of(number)


def sources_of(count: int, log: Path | None = None) -> list[Source]:
    return [Source(f"p{i}", partial(numbered, i, log)) for i in range(count)]


def check(cache: Cache, count: int) -> None:
    assert cache.ids == [f"p{i}" for i in range(count) if i % 150 != 149]
    for row in range(0, len(cache), 7):
        number = int(cache.name(row)[1:])
        expected = cv2.resize(planes_of(number), (8, 8), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(cache.row(row), expected)
        np.testing.assert_array_equal(cache.mask(row), expected[..., 3])


def test_rows_are_those_of_the_images_that_can_be_read(tmp_path: Path) -> None:
    """A damaged one leaves a gap in the file, not in the numbers."""
    check(build_cache(sources_of(300), 8, tmp_path, Share()), 300)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".u8"]


def test_caches_of_before_are_read(tmp_path: Path) -> None:
    """Their index names no places: rows follow each other without gaps."""
    build_cache(sources_of(100), 8, tmp_path, Share())
    index_path = next(tmp_path.glob("*.json"))
    index = json.loads(index_path.read_text())
    assert index.keys() == {"ids", "rejected", "planes", "scenes"}
    index["ids"], index["rejected"] = index["ids"][:99], {"p99": "damaged"}
    index_path.write_text(json.dumps(index))
    pixels = index_path.with_suffix(".u8")
    pixels.write_bytes(pixels.read_bytes()[: 99 * 8 * 8 * 4])
    cache = build_cache(sources_of(100), 8, tmp_path, Share())
    assert (len(cache), cache.pixels.shape) == (99, (99, 8, 8, 4))
    np.testing.assert_array_equal(cache.row(98), cache.pixels[98])


def test_only_what_is_missing_is_decoded_again(tmp_path: Path) -> None:
    """As after a kill: no index, notes of some chunks."""
    log = tmp_path / "log"
    folder = tmp_path / "cache"
    with pytest.raises(ZeroDivisionError):
        build_cache([*sources_of(200, log), Source("bad", lambda: 1 / 0)], 8, folder, Share())  # type: ignore[arg-type,return-value]
    assert len(log.read_text().split()) == 200
    notes = next(folder.glob("*.notes"))
    assert sorted(int(p.stem) for p in notes.iterdir()) == [0, 1, 2]
    log.unlink()
    whole = [*sources_of(200, log), Source("bad", partial(planes_of, 200))]
    cache = build_cache(whole, 8, folder, Share())
    assert [int(n) for n in log.read_text().split()] == list(range(3 * CHUNK, 200))
    assert len(cache) == 200
    check(Cache(cache.path, 8, 4, cache.ids[:-1], {}, [], cache.places), 200)


SCRIPT = """
import sys, time
from functools import partial
from pathlib import Path
from phnet.training.cache import Share, build_cache
from phnet.training.sources import Source
from tests.training.test_cache import planes_of

def slow(number):
    while number >= 1000 and not (Path(sys.argv[1]).parent / "open").exists():
        time.sleep(0.01)  # the rest waits until it was killed
    return planes_of(number)

if __name__ == "__main__":
    folder, rank, world, jobs = Path(sys.argv[1]), *map(int, sys.argv[2:])
    sources = [Source(f"p{i}", partial(slow, i)) for i in range(1500)]
    build_cache(sources, 8, folder, Share(rank, world, jobs))
"""


def start(script: Path, folder: Path, *numbers: int) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
    return subprocess.Popen([sys.executable, script, folder, *map(str, numbers)], env=environment)


@pytest.mark.slow
def test_processes_decode_together_and_a_killed_one_is_no_loss(tmp_path: Path) -> None:
    """One of two is killed; run again they end with the bytes of one that decoded alone."""
    script, alone, together = tmp_path / "decode.py", tmp_path / "alone", tmp_path / "together"
    script.write_text(SCRIPT)
    (tmp_path / "open").touch()
    assert start(script, alone, 0, 1, 2).wait(PATIENCE) == 0
    (tmp_path / "open").unlink()
    first, second = start(script, together, 0, 2, 2), start(script, together, 1, 2, 1)
    until(lambda: len(list(together.glob("*.notes/*.json"))) >= 4)
    second.send_signal(signal.SIGKILL)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second.wait()
    assert not list(together.glob("????????????????.json"))
    before = {p: p.stat().st_mtime_ns for p in together.glob("*.notes/*.json")}
    (tmp_path / "open").touch()
    pair = [start(script, together, rank, 2, 1) for rank in (0, 1)]
    assert len(before) >= 4
    assert [p.wait(PATIENCE) for p in pair] == [0, 0]
    made = [next(folder.glob("*.u8")).read_bytes() for folder in (alone, together)]
    assert made[0] == made[1]
    indexes = [next(folder.glob("*.json")).read_text() for folder in (alone, together)]
    assert indexes[0] == indexes[1]


def test_the_chunks_of_a_process_that_never_comes_are_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    check(build_cache(sources_of(300), 8, tmp_path, Share(1, 3)), 300)


def test_its_size_is_said_and_bounded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(BadData, match=r"at most 1 GB .* need 1\.3 GB"):
        build_cache(sources_of(5000), 256, tmp_path, Share(), most_gb=1.0)
    assert "1.31 GB" in caplog.text
    usage = type(module.shutil.disk_usage(tmp_path))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(BadOutput, match="GB of room for decoded"):
        build_cache(sources_of(100), 8, tmp_path, Share())
    assert not list(tmp_path.iterdir())


def test_a_set_without_any_readable_image(tmp_path: Path) -> None:
    sources = [Source(f"p{i}", partial(numbered, 149)) for i in range(3)]
    with pytest.raises(BadData, match="none of 3 images can be read"):
        build_cache(sources, 8, tmp_path, Share())


def test_shares_are_those_of_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert (Share.of_environment().rank, Share.of_environment().world) == (0, 1)
    cores = Share.of_environment().jobs
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert Share.of_environment() == Share(3, 4, max(1, cores // 2))


@pytest.fixture
def photos(tmp_path: Path) -> Callable[[int], list[Source]]:
    def make(count: int) -> list[Source]:
        rng = np.random.default_rng(0)
        place = tmp_path / "photos" / "train"
        place.mkdir(parents=True)
        for i in range(count):
            cv2.imwrite(str(place / f"{i:03d}.jpg"), smooth_photo(rng, 20, 20))
            cv2.imwrite(str(place / f"{i:03d}.png"), disc_mask(20, 20))
        return photo_sources([str(tmp_path / "photos")], "train")

    return make


@pytest.mark.slow
def test_worker_processes_decode_what_one_does(
    tmp_path: Path, photos: Callable[[int], list[Source]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEW", 0)
    sources = photos(150)
    several = build_cache(sources, 16, tmp_path / "several", Share(jobs=2))
    one = build_cache(sources, 16, tmp_path / "one", Share())
    np.testing.assert_array_equal(several.pixels, one.pixels)
