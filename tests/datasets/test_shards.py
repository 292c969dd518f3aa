"""Shards: plain WebDataset files, the tree's own bytes, found by number, kept when run again."""

import gc
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

webdataset = pytest.importorskip("webdataset")

from phnet.datasets.readers import read  # noqa: E402
from phnet.datasets.shards import is_shards, open_shards, write_shards  # noqa: E402
from phnet.errors import BadData  # noqa: E402


@pytest.mark.filterwarnings("ignore:.*unclosed file", "ignore:Exception ignored in")  # its own
def test_any_reader_of_webdataset_finds_the_trees_files(tmp_path: Path, pair_tree: Path) -> None:
    counts = write_shards(pair_tree, tmp_path, shard_bytes=12_000)
    assert counts == {"train": 5, "val": 2, "test": 1}
    shards = sorted(map(str, tmp_path.glob("train-*.tar")))
    assert len(shards) > 1
    found = {
        sample["__key__"]: sample for sample in webdataset.WebDataset(shards, shardshuffle=False)
    }
    samples = read(pair_tree, "train")
    assert found.keys() == {f"FFHQH/{sample.id}" for sample in samples}
    for sample in samples:
        files = found[f"FFHQH/{sample.id}"]
        assert files["comp.png"] == sample.composite_path.read_bytes()
        assert files["alpha.png"] == sample.mask_path.read_bytes()
        assert files["real.png"] == sample.real_path.read_bytes()
    gc.collect()


def test_an_image_is_found_by_its_number(tmp_path: Path, pair_tree: Path) -> None:
    write_shards(pair_tree, tmp_path, shard_bytes=12_000)
    assert is_shards(tmp_path)
    assert not is_shards(pair_tree)
    index = open_shards(tmp_path, "train")
    by_id = {f"FFHQH/{sample.id}": sample for sample in read(pair_tree, "train")}
    assert {index.name(row) for row in range(5)} == by_id.keys()
    for row in range(5):
        real, comp = index.read(row, ("real", "comp"))
        sample = by_id[index.name(row)]
        assert (real, comp) == (sample.real_path.read_bytes(), sample.composite_path.read_bytes())
        assert index.starts[index.shard(row)] <= row < index.starts[index.shard(row) + 1]


def test_written_again_they_are_the_same_and_whole_ones_stay(
    tmp_path: Path, pair_tree: Path
) -> None:
    """As after a kill: one shard is missing, one cut short, the index not there."""
    write_shards(pair_tree, tmp_path, shard_bytes=12_000)
    shards = sorted(tmp_path.glob("train-*.tar"))
    assert len(shards) >= 3
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    kept = shards[2].stat().st_mtime_ns
    shards[0].unlink()
    shards[1].write_bytes(before[shards[1].name][:700])
    (tmp_path / "train.json").unlink()
    write_shards(pair_tree, tmp_path, shard_bytes=12_000, jobs=1)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert shards[2].stat().st_mtime_ns == kept


def test_what_is_damaged_is_refused(tmp_path: Path, pair_tree: Path) -> None:
    write_shards(pair_tree, tmp_path)
    index = open_shards(tmp_path, "train")
    broken = np.array(index.places)
    broken[0, 2, 1] = 2**60
    np.save(tmp_path / "train.npy", broken)
    with pytest.raises(BadData, match="index beside it is damaged"):
        open_shards(tmp_path, "train").read(0, ("real",))
    broken[0, 2, 1] = 2**27
    np.save(tmp_path / "train.npy", broken)
    with pytest.raises(BadData, match="shorter than the index"):
        open_shards(tmp_path, "train").read(0, ("real",))
    with (tmp_path / "val-000000.tar").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BadData, match=r"val-000000\.tar: expected a shard of"):
        open_shards(tmp_path, "val")
    for text in ("{", "[]", json.dumps({"format": "other"})):
        (tmp_path / "test.json").write_text(text)
        with pytest.raises(BadData, match=r"test\.json: expected the index of shards"):
            open_shards(tmp_path, "test")


def test_the_command(
    tmp_path: Path, pair_tree: Path, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, err = command_line("data", "shards", pair_tree, "-o", tmp_path, "--jobs", 1)
    assert (status, out) == (0, f"{tmp_path}: train 5, val 2, test 1\n"), err
