"""Building FFHQH: other readings of section 3.2, shards at the end, a cluster of two nodes."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from phnet.datasets import build_ffhqh
from phnet.datasets.synthesis import make_composite
from phnet.errors import BadData
from tests import onray
from tests.conftest import disc_mask, smooth_photo


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photos ID.png, each with its mask in a folder beside."""
    rng = np.random.default_rng(3)
    for part in ("photos", "masks"):
        (tmp_path / part).mkdir()
    for i in range(4):
        cv2.imwrite(str(tmp_path / "photos" / f"p{i}.png"), smooth_photo(rng, 40, 36))
        cv2.imwrite(str(tmp_path / "masks" / f"p{i}.png"), disc_mask(40, 36))
    return tmp_path / "photos"


def picture(path: Path) -> np.ndarray:
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels if pixels.ndim == 2 else pixels[..., ::-1]


def test_a_reading_makes_the_composites_and_stays_with_the_tree(
    tmp_path: Path, photos: Path
) -> None:
    tree, masks = tmp_path / "tree", tmp_path / "masks"
    build_ffhqh.build(photos, tree, masks=masks, reading="object")
    for line in (tree / "manifest.jsonl").read_text().splitlines():
        record = json.loads(line)
        real, alpha = (picture(tree / part / record["name"]) for part in ("real", "alpha"))
        expected = make_composite(np.ascontiguousarray(real), alpha, record["seed"], "object")
        np.testing.assert_array_equal(picture(tree / "comp" / record["name"]), expected.image)
    with pytest.raises(BadData, match="begun with reading object, not reading photo"):
        build_ffhqh.build(photos, tree, masks=masks)
    with pytest.raises(BadData, match="expected one of photo, soft, object, got 'own'"):
        build_ffhqh.build(photos, tmp_path / "other", masks=masks, reading="own")  # type: ignore[arg-type]


def test_trees_of_before_go_on(tmp_path: Path, photos: Path) -> None:
    """Their build.json names no reading."""
    tree, masks = tmp_path / "tree", tmp_path / "masks"
    build_ffhqh.build(photos, tree, masks=masks)
    begun = json.loads((tree / "build.json").read_text())
    del begun["reading"]
    (tree / "build.json").write_text(json.dumps(begun))
    assert build_ffhqh.build(photos, tree, masks=masks).reused == 4


def test_shards_are_written_at_the_end(
    tmp_path: Path, photos: Path, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    pytest.importorskip("webdataset")
    tree, masks = tmp_path / "tree", tmp_path / "masks"
    for _ in range(2):  # a finished build that is run again is not disturbed by its shards
        status, out, err = command_line(
            *("data", "build", photos, "-o", tree, "--masks", masks, "--jobs", 1, "--shards")
        )
        assert status == 0, err
        assert f"{tree / 'shards'}: train 2, val 1, test 1" in out
    assert (tree / "shards" / "train-000000.tar").is_file()


OVER_TWO_RAYLETS = """
import sys
import ray
from ray.cluster_utils import Cluster
from phnet.datasets import build_ffhqh

cluster = Cluster()
for _ in range(2):
    cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
print("nodes", sum(node["Alive"] for node in ray.nodes()))
build_ffhqh.build(sys.argv[1], sys.argv[2], masks=sys.argv[3], jobs=2, engine="ray")
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.slow
def test_a_cluster_of_two_nodes_gives_the_same_bytes(tmp_path: Path, photos: Path) -> None:
    """Two raylets on this machine, one core each, so that each gets an actor."""
    pytest.importorskip("ray")
    one, two, masks = tmp_path / "one", tmp_path / "two", tmp_path / "masks"
    build_ffhqh.build(photos, one, masks=masks)
    done = onray.run("-c", OVER_TWO_RAYLETS, photos, two, masks)
    assert done.returncode == 0, done.stderr
    assert "nodes 2" in done.stdout
    trees = [
        {str(p.relative_to(tree)): p.read_bytes() for p in tree.rglob("*") if p.is_file()}
        for tree in (one, two)
    ]
    assert trees[0] == trees[1]
