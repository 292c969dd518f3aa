"""Building FFHQH: what is written, that it is the same however it came about, what is left out."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from phnet.datasets import build_ffhqh, readers
from phnet.datasets.portrait_worker import portrait_seed
from phnet.datasets.synthesis import make_composite
from phnet.errors import BadData, BadOutput, MissingExtra
from tests import onray
from tests.conftest import disc_mask, smooth_photo

ROOT = Path(__file__).parents[2]
COUNT = 24


def write(path: Path, rgb_or_gray: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb_or_gray).save(path)


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """COUNT photos of which two are near-duplicates, and a folder of their masks."""
    root = tmp_path_factory.mktemp("portraits")
    rng = np.random.default_rng(5)
    for i in range(COUNT):
        photo = smooth_photo(rng, 72 + i, 60)
        if i == COUNT - 1:
            with Image.open(root / "photos" / "part0" / "p00.png") as first:
                photo = np.asarray(first.resize((90, 108)))
        write(root / "photos" / f"part{i % 2}" / f"p{i:02d}.png", photo)
        write(root / "masks" / f"p{i:02d}.png", disc_mask(*photo.shape[:2]))
    return root / "photos", root / "masks"


def contents(tree: Path) -> dict[str, bytes]:
    return {
        path.relative_to(tree).as_posix(): path.read_bytes()
        for path in sorted(tree.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def whole(
    portraits: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The tree of an uninterrupted build by one worker."""
    tree = tmp_path_factory.mktemp("whole")
    made = build_ffhqh.build(portraits[0], tree, seed=3, masks=portraits[1])
    assert made.images == COUNT
    assert made.splits == {"train": 20, "val": 2, "test": 2}
    assert (made.rejected, made.duplicates, made.reused) == ({}, 1, 0)
    return contents(tree)


def lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.decode().splitlines()]


def test_the_tree_has_the_authors_layout(whole: dict[str, bytes]) -> None:
    names = [f"p{i:02d}.png" for i in range(COUNT)]
    expected = {f"{part}/{name}" for part in ("real", "comp", "alpha") for name in names}
    lists = {"train_split.txt", "val_split.txt", "test_split.txt"}
    lists |= {"manifest.jsonl", "rejected.jsonl", "build.json"}
    assert set(whole) == expected | lists
    listed = b"".join(whole[f"{split}_split.txt"] for split in ("train", "val", "test"))
    assert sorted(listed.decode().splitlines()) == names
    assert whole["rejected.jsonl"] == b""


def test_the_manifest_says_how_to_make_each_composite(
    whole: dict[str, bytes], portraits: tuple[Path, Path]
) -> None:
    for record in lines(whole["manifest.jsonl"]):
        with Image.open(portraits[0] / record["source"]) as image:
            photo = np.asarray(image)
        with Image.open(portraits[1] / record["name"]) as image:
            mask = np.asarray(image)
        assert record["seed"] == portrait_seed(3, record["source_hash"])
        expected = make_composite(photo, mask, record["seed"])
        assert record["parameters"] == expected.parameters
        assert record["fg_ratio"] == pytest.approx(expected.mask.mean(), abs=1e-6)
        assert record["matte"] == "masks"
        assert record["source_size"] == record["size"] == [photo.shape[1], photo.shape[0]]
        for part, pixels in (("comp", expected.image), ("real", photo), ("alpha", mask)):
            stored = cv2.imdecode(
                np.frombuffer(whole[f"{part}/{record['name']}"], np.uint8), cv2.IMREAD_UNCHANGED
            )
            stored = stored if stored.ndim == 2 else stored[..., ::-1]
            np.testing.assert_array_equal(stored, pixels)


def test_near_duplicates_are_in_one_split(whole: dict[str, bytes]) -> None:
    records = {r["name"]: r for r in lines(whole["manifest.jsonl"])}
    assert records["p00.png"]["group"] == records["p23.png"]["group"] == "p00.png"
    assert records["p00.png"]["split"] == records["p23.png"]["split"]
    assert {r["group"] for n, r in records.items() if n not in ("p00.png", "p23.png")} == {None}


def test_the_reader_reads_what_is_built(
    portraits: tuple[Path, Path], tmp_path: Path, whole: dict[str, bytes]
) -> None:
    made = build_ffhqh.build(portraits[0], tmp_path / "tree", seed=3, masks=portraits[1], size=48)
    assert made.images == COUNT
    found = readers.read(tmp_path / "tree", "train")
    assert [s.id + ".png" for s in found] == whole["train_split.txt"].decode().splitlines()
    for sample in found:
        assert sample.real.shape[1] == 48  # the shorter side
        assert sample.real.shape[0] > 48
        outside = sample.mask == 0
        np.testing.assert_array_equal(sample.composite[outside], sample.real[outside])
        assert not np.array_equal(sample.composite, sample.real)


def test_any_number_of_workers_gives_the_same_bytes(
    portraits: tuple[Path, Path], tmp_path: Path, whole: dict[str, bytes]
) -> None:
    done = run("--jobs", 2, "--seed", 3, "--masks", portraits[1], portraits[0], "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        f"{tmp_path}: {COUNT} images (train 20, val 2, test 2), 0 rejected"
    )
    assert contents(tmp_path) == whole


def test_another_seed_gives_another_set(
    portraits: tuple[Path, Path], tmp_path: Path, whole: dict[str, bytes]
) -> None:
    build_ffhqh.build(portraits[0], tmp_path, seed=4, masks=portraits[1])
    other = contents(tmp_path)
    assert other["real/p05.png"] == whole["real/p05.png"]
    assert other["comp/p05.png"] != whole["comp/p05.png"]
    assert other["train_split.txt"] != whole["train_split.txt"]


class _StopError(Exception):
    pass


def test_an_interrupted_build_goes_on_to_the_same_bytes(
    portraits: tuple[Path, Path], tmp_path: Path, whole: dict[str, bytes]
) -> None:
    def stop(done: int, total: int, _rejected: int) -> None:
        assert total == COUNT
        if done == 9:
            raise _StopError

    with pytest.raises(_StopError):
        build_ffhqh.build(portraits[0], tmp_path, seed=3, masks=portraits[1], progress=stop)
    assert len(contents(tmp_path)) == 3 * 9 + 2  # build.json and the journal
    # What a kill can leave besides: a line cut short, a half-written file, a missing one.
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    (tmp_path / "comp" / ".p20.0123abcd.tmp.png").write_bytes(b"half")
    (tmp_path / "alpha" / "p02.png").unlink()
    made = build_ffhqh.build(portraits[0], tmp_path, seed=3, masks=portraits[1])
    assert made.reused == 9 - 2
    assert contents(tmp_path) == whole
    again = build_ffhqh.build(portraits[0], tmp_path, seed=3, masks=portraits[1])
    assert again.reused == COUNT
    assert contents(tmp_path) == whole


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("noted", [0, 1, 8])
def test_a_killed_build_goes_on_to_the_same_bytes(
    portraits: tuple[Path, Path], tmp_path: Path, whole: dict[str, bytes], noted: int
) -> None:
    arguments = ("--jobs", 2, "--seed", 3, "--masks", portraits[1], portraits[0], "-o", tmp_path)
    journal = tmp_path / "journal.jsonl"
    process = subprocess.Popen(command(*arguments), cwd=ROOT, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") >= noted:
            break
        time.sleep(0.002)
    process.kill()
    if process.wait() == 0:
        pytest.skip("it had finished before it could be killed")
    assert not (tmp_path / "manifest.jsonl").exists()
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path) == whole


@pytest.mark.skipif(sys.platform == "win32", reason="resource limits")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_stops_with_a_sentence_and_can_go_on(
    portraits: tuple[Path, Path], tmp_path: Path, whole: dict[str, bytes], jobs: int
) -> None:
    """A limit on the size of files makes the same writes fail that a full disk does."""
    arguments = ("--jobs", jobs, "--seed", 3, "--masks", portraits[1], portraits[0])
    limit = (
        "import resource, sys; from phnet.cli import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)); sys.argv[0] = 'phnet'; main()"
    )
    full = subprocess.run(
        [sys.executable, "-c", limit, "data", "build", *map(str, arguments), "-o", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert full.returncode == 2
    last = full.stderr.splitlines()[-1]
    assert last.startswith(f"phnet: {tmp_path}")
    assert last.endswith("cannot be written (File too large); the same command goes on from here")
    assert not [name for name in contents(tmp_path) if ".tmp" in name]
    assert run(*arguments, "-o", tmp_path).returncode == 0
    assert contents(tmp_path) == whole


def test_photos_are_matted_and_what_cannot_be_used_is_listed(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    write(photos / "person.png", astronaut())
    write(photos / "gray.png", np.asarray(Image.fromarray(astronaut()).convert("L")))
    write(photos / "colors" / "plain.png", np.full((80, 80, 3), (200, 30, 20), np.uint8))
    (photos / "broken.jpg").write_bytes(b"not a picture")
    (photos / "cut.png").write_bytes((photos / "person.png").read_bytes()[:5000])
    (photos / "notes.txt").write_text("not a photo")
    made = build_ffhqh.build(photos, tmp_path / "tree", size=256)
    assert made.splits == {"train": 1, "val": 0, "test": 0}
    assert made.rejected == {"grayscale": 1, "no person": 1, "unreadable": 2}
    assert made.ignored == 1
    tree = contents(tmp_path / "tree")
    rejected = {r["source"]: r for r in lines(tree["rejected.jsonl"])}
    assert {source: r["kind"] for source, r in rejected.items()} == {
        "broken.jpg": "unreadable",
        "colors/plain.png": "no person",
        "cut.png": "unreadable",
        "gray.png": "grayscale",
    }
    assert all(r["reason"] and str(tmp_path) not in r["reason"] for r in rejected.values())
    (record,) = lines(tree["manifest.jsonl"])
    assert record["matte"].startswith("matte.onnx sha256:")
    assert (record["source_size"], record["size"]) == ([512, 512], [256, 256])
    assert 0.5 < record["fg_ratio"] < 0.6
    assert sorted(name for name in tree if "/" in name) == [
        "alpha/person.png",
        "comp/person.png",
        "real/person.png",
    ]
    # A photo that is repaired is taken in, one that is gone is taken out.
    write(photos / "broken.jpg", astronaut()[:, ::-1])
    (photos / "person.png").unlink()
    again = build_ffhqh.build(photos, tmp_path / "tree", size=256)
    assert (again.images, again.reused) == (1, 0)
    assert sorted(n for n in contents(tmp_path / "tree") if n.startswith("comp/")) == [
        "comp/broken.png"
    ]


def test_masks_beside_their_photos_and_masks_that_do_not_fit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c", "d", "e"):
        write(tmp_path / "in" / f"{name}.jpg", smooth_photo(rng, 60, 50))
    write(tmp_path / "in" / "a.png", disc_mask(60, 50))
    write(tmp_path / "in" / "b.png", np.zeros((60, 50), np.uint8))
    write(tmp_path / "in" / "c.png", np.full((60, 50), 255, np.uint8))
    write(tmp_path / "in" / "d.png", disc_mask(30, 90))
    made = build_ffhqh.build(tmp_path / "in", tmp_path / "out", masks=tmp_path / "in")
    assert made.images == 1
    assert made.rejected == {"mask": 3, "no mask": 1}


def test_photos_of_one_name_are_told_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for place in ("x/me.png", "y/me.png", "other.png"):
        write(tmp_path / "in" / place, smooth_photo(rng, 40, 40))
        write(tmp_path / "masks" / place, disc_mask(40, 40))
    build_ffhqh.build(tmp_path / "in", tmp_path / "out", masks=tmp_path / "masks")
    assert sorted(p.name for p in (tmp_path / "out" / "comp").iterdir()) == [
        "other.png",
        "x_me_png.png",
        "y_me_png.png",
    ]


def test_what_cannot_be_built_is_said(portraits: tuple[Path, Path], tmp_path: Path) -> None:
    photos, masks = portraits
    with pytest.raises(BadData, match="there is no such folder"):
        build_ffhqh.build(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="expected photos, found none"):
        build_ffhqh.build(tmp_path / "empty", tmp_path / "out")
    (tmp_path / "empty" / "photo.jpg").write_bytes(b"no photo")
    with pytest.raises(BadData, match=r"none of 1 photos can be used; see rejected\.jsonl"):
        build_ffhqh.build(tmp_path / "empty", tmp_path / "none")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep me")
    with pytest.raises(BadOutput, match="expected a new or empty folder"):
        build_ffhqh.build(photos, tmp_path / "full", masks=masks)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine.txt"]
    with pytest.raises(BadOutput, match="the photos lie in the folder to write to"):
        build_ffhqh.build(photos, photos.parent, masks=masks)
    with pytest.raises(BadData, match="engine: expected one of processes, ray, got 'spark'"):
        build_ffhqh.build(photos, tmp_path / "out", engine="spark")
    build_ffhqh.build(photos, tmp_path / "out", masks=masks)
    with pytest.raises(BadData, match="was begun with seed 0, not seed 1; choose another folder"):
        build_ffhqh.build(photos, tmp_path / "out", masks=masks, seed=1)


def test_ray_is_an_extra(
    portraits: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"'\.\[scale\]'"):
        build_ffhqh.build(portraits[0], tmp_path, masks=portraits[1], engine="ray")


def test_splits_have_the_papers_proportions_and_do_not_part_groups() -> None:
    groups = [[f"{i:05d}"] for i in range(6700)] + [[f"g{i}{j}" for j in "abc"] for i in range(100)]
    drawn = build_ffhqh.split(groups, seed=0)
    sizes = dict.fromkeys(("train", "val", "test"), 0)
    for group, name in zip(groups, drawn, strict=True):
        sizes[name] += len(group)
    assert sizes == {"train": 6000, "val": 500, "test": 500}
    assert len(set(drawn[6700:])) == 3  # groups are everywhere, whole
    shuffled = np.random.default_rng(1).permutation(len(groups))
    again = build_ffhqh.split([groups[i][::-1] for i in shuffled], seed=0)
    assert again == [drawn[i] for i in shuffled]  # the order of the photos does not matter
    assert build_ffhqh.split(groups, seed=1) != drawn


RAY_WITH_A_KILLED_ACTOR = """
import os, signal, sys
from pathlib import Path
from phnet.datasets import build_ffhqh
from tests.onray import actors

killed = []
def kill_one(done, total, rejected):
    if done >= 4 and not killed:
        killed.extend(sorted(actors())[:1])
        os.kill(killed[0], signal.SIGKILL)

photos, masks, tree, kill = sys.argv[1:]
build_ffhqh.build(photos, tree, seed=3, masks=masks, jobs=2, engine="ray",
                  progress=kill_one if kill == "yes" else None)
print("killed", len(killed))
"""


def test_nothing_is_left_of_a_worker_that_dies_while_it_writes(
    portraits: tuple[Path, Path], tmp_path: Path, whole: dict[str, bytes]
) -> None:
    """Ray goes on without an actor that was killed; its half-written file must not stay."""

    def die(done: int, _total: int, _rejected: int) -> None:
        if done == 5:
            (tmp_path / "comp" / ".p20.0123abcd.tmp.png").write_bytes(b"half")

    build_ffhqh.build(portraits[0], tmp_path, seed=3, masks=portraits[1], progress=die)
    assert contents(tmp_path) == whole


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds Ray's actors in /proc")
@pytest.mark.parametrize("kill", ["no", "yes"])
def test_ray_gives_the_same_bytes_also_when_an_actor_is_killed(
    portraits: tuple[Path, Path], tmp_path: Path, whole: dict[str, bytes], kill: str
) -> None:
    pytest.importorskip("ray")
    done = onray.run("-c", RAY_WITH_A_KILLED_ACTOR, *portraits, tmp_path, kill)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(f"killed {int(kill == 'yes')}")
    assert contents(tmp_path) == whole


def command(*arguments: str | int | Path) -> list[str]:
    return [sys.executable, "-m", "phnet", "data", "build", *map(str, arguments)]


def run(*arguments: str | int | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=ROOT, capture_output=True, text=True, check=False
    )
