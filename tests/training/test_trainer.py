"""The trainer: resuming, stopping, skipping, one process against two."""

import csv
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from phnet.errors import BadData, BadModel, BadRecipe, TrainingStopped
from phnet.export.model_info import load_any
from phnet.networks import PHNetConfig
from phnet.training.cache import Cache, build_cache
from phnet.training.checkpoint import load_checkpoint, load_network, save_checkpoint
from phnet.training.dataset import Places, TrainingImages
from phnet.training.recipe import Data, Optimizer, Recipe, Run, Schedule
from phnet.training.sources import pair_sources, photo_sources
from phnet.training.trainer import Trainer
from tests.conftest import disc_mask, smooth_photo
from tests.waiting import PATIENCE

MODEL = PHNetConfig(widths=(3, 4, 4, 6, 6, 8, 8), output="affine")

RECIPE = """
[model]
widths = [3, 4, 4, 6, 6, 8, 8]
output = "affine"
[data]
size = 32
cache_size = 40
vary = 0.8
tint = 0.3
masks = 0.3
workers = {workers}
[optimizer]
name = "{optimizer}"
lr = 1e-3
[schedule]
images = {images}
decay = 0.5
[loss]
root_fmse = 1.0
[run]
batch = 4
{run}
"""


def recipe(tree: Path, **run: object) -> Recipe:
    return Recipe(
        name="test",
        model=MODEL,
        data=Data(folders=(str(tree),), size=32, cache_size=40, vary=0.5, masks=0.3, workers=0),
        optimizer=Optimizer("adamw", 1e-3),
        schedule=Schedule(images=40),
        run=Run(**{"batch": 4, "validate_every": 20, "ema": 0.9, **run}),  # type: ignore[arg-type]
    )


# --standalone: a free port instead of torchrun's one, which another run may hold
TORCHRUN = (
    *(sys.executable, "-m", "torch.distributed.run"),
    *("--standalone", "--nproc-per-node", "2"),
)


def command(*arguments: object, launcher: Sequence[str] = (sys.executable,)) -> list[str]:
    return [*launcher, "-m", "phnet", *map(str, arguments)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / "last.pt")["model"]


KILLED_AT = 7
KILLED = f"""
import os, signal, sys
from phnet.cli import main
from phnet.training import trainer

save, count = trainer.save_checkpoint, 0

def killed(*arguments):
    global count
    count += any(str(each).endswith("last.pt") for each in arguments)
    if count == {KILLED_AT}:
        os.kill(os.getpid(), signal.SIGKILL)
    save(*arguments)

trainer.save_checkpoint = killed
sys.argv[:1] = ["phnet"]
main()
"""


def test_a_killed_run_ends_with_the_same_weights(tmp_path: Path, photo_tree: Path) -> None:
    """SIGKILL at some step, resumed: bit for bit what an uninterrupted run gives."""
    path = tmp_path / "recipe.toml"
    run = "ema = 0.9\ncheckpoint_minutes = 0.0\nvalidate_every = 24"
    path.write_text(RECIPE.format(workers=1, optimizer="lion", images=200, run=run))
    shared = ("train", path, "--data", photo_tree, "--cache", tmp_path / "cache", "--threads", 1)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(command(*shared, "-o", whole), check=True, capture_output=True, timeout=PATIENCE)

    script = [sys.executable, "-c", KILLED, *map(str, (*shared, "-o", broken))]
    assert subprocess.run(script, stderr=subprocess.DEVNULL, timeout=PATIENCE).returncode < 0
    assert load_checkpoint(broken / "last.pt")["step"] == KILLED_AT - 1

    subprocess.run(
        command(*shared, "-o", broken), check=True, capture_output=True, timeout=PATIENCE
    )
    first, second = load_checkpoint(whole / "last.pt"), load_checkpoint(broken / "last.pt")
    assert first["step"] == second["step"] == 50
    for part in ("model", "ema"):
        for name, value in first[part].items():
            assert torch.equal(value, second[part][name]), (part, name)
    rows = [(r["images"], r["val_mse"]) for r in _rows(whole)]
    assert rows == [(r["images"], r["val_mse"]) for r in _rows(broken)]


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(tmp_path: Path, photo_tree: Path) -> None:
    """The same global batch in float64 with SGD and frozen batch normalization."""
    path = tmp_path / "recipe.toml"
    run = 'precision = "fp64"\nfreeze = ["batchnorm"]'
    path.write_text(RECIPE.format(workers=0, optimizer="sgd", images=24, run=run))
    shared = ("train", path, "--data", photo_tree, "--cache", tmp_path / "cache", "--threads", 1)
    one, two = tmp_path / "one", tmp_path / "two"
    subprocess.run(command(*shared, "-o", one), check=True, capture_output=True, timeout=PATIENCE)
    subprocess.run(
        command(*shared, "-o", two, launcher=TORCHRUN),
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    start = Trainer(replace(recipe(photo_tree), model=MODEL), tmp_path / "start").net.state_dict()
    first, second = weights(one), weights(two)
    moved = 0.0
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-9, atol=1e-12)
        moved = max(moved, (value - start[name]).abs().max().item())
    assert moved > 1e-4, "the weights hardly moved: equality would prove nothing"
    assert _rows(one)[-1]["val_mse"] == _rows(two)[-1]["val_mse"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="only Linux names threads there")
def test_a_finished_run_leaves_no_thread_of_gloo(tmp_path: Path, photo_tree: Path) -> None:
    """One that outlives its run can abort the process while Python ends, a few times in 100."""
    path, script = tmp_path / "recipe.toml", tmp_path / "run.py"
    path.write_text(RECIPE.format(workers=0, optimizer="adamw", images=8, run=""))
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom phnet.training.run import train\n"
        "recipe, photos, out, cache = map(Path, sys.argv[1:])\n"
        "train(recipe, [photos], out, cache, None, 1, None)\n"
        "print([(t / 'comm').read_text() for t in Path('/proc/self/task').iterdir()])\n"
    )
    arguments = map(str, (script, path, photo_tree, tmp_path / "out", tmp_path / "cache"))
    done = subprocess.run(
        [*TORCHRUN, *arguments], check=True, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.count("['python") == 2, done.stdout
    assert "gloo" not in done.stdout


def test_minutes_end_a_run_in_good_order(tmp_path: Path, photo_tree: Path) -> None:
    trainer = Trainer(recipe(photo_tree), tmp_path)
    trainer.run(minutes=0)
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 1
    resumed = Trainer(recipe(photo_tree), tmp_path)
    assert resumed.step == 1
    resumed.run()
    assert resumed.step == 10


def test_what_a_run_leaves(tmp_path: Path, photo_tree: Path) -> None:
    seen = []
    trainer = Trainer(recipe(photo_tree), tmp_path)
    trainer.run(show=seen.append)
    assert [row["images"] for row in _rows(tmp_path)] == ["20", "40"]
    assert all(float(row["val_untouched"]) > 0 for row in _rows(tmp_path))
    assert list(tmp_path.glob("events.out.tfevents.*"))
    assert [p.images for p in seen] == list(range(4, 44, 4))
    assert sum(p.val is not None for p in seen) == 2
    grid = trainer.picture_grid()
    assert grid.shape == (3, 3 * 32, 3 * 32)
    net = load_network(tmp_path / "best.pt")
    assert net.config == MODEL


def test_validation_is_the_mean_over_the_whole_set(tmp_path: Path, photo_tree: Path) -> None:
    trainer = Trainer(recipe(photo_tree, ema=0.0), tmp_path)
    result = trainer.validate()
    values = []
    for i in range(3):
        item = trainer.validation[i]
        values.append((item["composite"].double() - item["real"].double()).square().mean().item())
    assert result["val_untouched"] == pytest.approx(np.mean(values))
    # The affine form starts at the composite itself.
    assert result["val_mse"] == pytest.approx(np.mean(values))


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, photo_tree: Path) -> None:
    trainer = Trainer(recipe(photo_tree), tmp_path)
    trainer.run(minutes=0)
    with torch.no_grad():
        next(trainer.net.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingStopped, match=r"train_\d.*last\.pt"):
        trainer.run()
    kept = load_checkpoint(tmp_path / "last.pt")
    assert kept["step"] == 1
    assert all(v.isfinite().all() for v in kept["model"].values())


def test_unreadable_photos_are_skipped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(0)
    place = tmp_path / "photos" / "train"
    place.mkdir(parents=True)
    for i in range(120):
        cv2.imwrite(str(place / f"{i:03d}.jpg"), smooth_photo(rng, 20, 20))
        cv2.imwrite(str(place / f"{i:03d}.png"), disc_mask(20, 20))
    (place / "007.jpg").write_bytes((place / "007.jpg").read_bytes()[:50])
    sources = photo_sources([str(tmp_path / "photos")], "train")
    cache = build_cache(sources, 16, tmp_path / "cache")
    assert len(cache) == 119
    assert list(cache.rejected) == ["photos/007"]
    assert caplog.text.count("photos/007") == 1

    cv2.imwrite(str(place / "008.png"), disc_mask(20, 24))
    with pytest.raises(TrainingStopped, match=r"2 of 120.*photos/007.*photos/008"):
        build_cache(sources, 24, tmp_path / "cache")


def test_no_photos_at_all(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="found none"):
        build_cache(photo_sources([str(tmp_path)], "train"), 16, tmp_path / "cache")
    with pytest.raises(BadData, match="nowhere"):
        photo_sources([str(tmp_path / "nowhere")], "train")


def test_untouched_and_mild_composites_are_nearer_to_the_photo(
    tmp_path: Path, photo_tree: Path
) -> None:
    cache = build_cache(photo_sources([str(photo_tree)], "train"), 40, tmp_path)

    def errors(**shares: float) -> np.ndarray:
        images = TrainingImages(cache, Data(size=40, **shares), 0)
        items = [images[g] for g in range(24)]
        return np.array(
            [float((i["composite"].int() - i["real"].int()).square().float().mean()) for i in items]
        )

    plain, mild = errors(), errors(mild=1.0)
    assert not errors(untouched=1.0).any()
    assert 4 < (errors(untouched=0.5) == 0).sum() < 20
    assert (mild <= plain + 1).all()  # the same draws, mixed with the photo
    assert mild.mean() < 0.7 * plain.mean()


def test_crop_and_flip_keep_the_light(tmp_path: Path, photo_tree: Path, pair_tree: Path) -> None:
    """A mirrored photo is the photo from right to left; a cropped one has no new color."""
    cache = build_cache(photo_sources([str(photo_tree)], "train"), 40, tmp_path)
    pairs = build_cache(pair_sources([str(pair_tree)], "train", ""), 40, tmp_path)

    def drawn(cache: Cache, kind: str = "photos", **shares: float) -> list[dict[str, torch.Tensor]]:
        images = TrainingImages(cache, Data(kind=kind, size=40, **shares), 0)
        return [images[g] for g in range(6)]

    for kept, kind in ((cache, "photos"), (pairs, "pairs")):
        for plain, mirrored in zip(drawn(kept, kind), drawn(kept, kind, flip=1.0), strict=True):
            assert torch.equal(mirrored["real"], plain["real"].flip(-1))
            assert torch.equal(mirrored["mask"], plain["mask"].flip(-1))
    for plain, cropped in zip(drawn(cache), drawn(cache, crop=1.0), strict=True):
        assert not torch.equal(cropped["real"], plain["real"])
        for channel in range(3):
            before, after = plain["real"][channel], cropped["real"][channel]
            assert before.min() <= after.min()
            assert after.max() <= before.max()


def test_each_place_is_a_function_of_the_seed(tmp_path: Path, photo_tree: Path) -> None:
    cache = build_cache(photo_sources([str(photo_tree)], "train"), 40, tmp_path)
    data = recipe(photo_tree).data
    first, second = TrainingImages(cache, data, 3), TrainingImages(cache, data, 3)
    ahead = [second[g] for g in range(20, 10, -1)][::-1]
    for g, item in zip(range(11, 21), ahead, strict=True):
        assert torch.equal(first[g]["composite"], item["composite"])
        assert torch.equal(first[g]["real"], item["real"])
    other = TrainingImages(cache, data, 4)
    assert any(not torch.equal(first[g]["real"], other[g]["real"]) for g in range(6))
    # An epoch shows every photo once.
    assert sorted(first[g]["id"] for g in range(6)) == sorted(cache.ids)
    # Outside the mask composite and real photo are one.
    item = first[5]
    outside = (item["mask"] == 0).expand_as(item["real"])
    assert torch.equal(item["composite"][outside], item["real"][outside])


def test_pairs_keep_their_own_composites(tmp_path: Path, pair_tree: Path) -> None:
    cache = build_cache(pair_sources([str(pair_tree)], "train", ""), 40, tmp_path)
    item = TrainingImages(cache, Data(kind="pairs", size=40), 0)[0]
    inside = (item["mask"] > 0).expand_as(item["real"])
    difference = item["composite"][inside].int() - item["real"][inside].int() // 2
    assert difference.abs().max() <= 1


def test_places_of_two_processes_make_up_the_batch() -> None:
    whole = list(Places(2, 5, 8))
    halves = [list(Places(2, 5, 8, rank, 2)) for rank in (0, 1)]
    assert [a + b for a, b in zip(*halves, strict=True)] == whole
    assert whole[0] == list(range(16, 24))


def test_another_networks_checkpoint_is_refused(tmp_path: Path, photo_tree: Path) -> None:
    Trainer(recipe(photo_tree), tmp_path).run(minutes=0)
    other = replace(recipe(photo_tree), model=replace(MODEL, pfe=False))
    with pytest.raises(BadRecipe, match="another network"):
        Trainer(other, tmp_path)
    init = replace(other, run=replace(other.run, init=str(tmp_path / "last.pt")))
    with pytest.raises(BadModel, match="do not fit"):
        Trainer(init, tmp_path / "new")


def test_images_seen_before_are_carried_on(tmp_path: Path, photo_tree: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    Trainer(recipe(photo_tree), first).run(minutes=0)
    seen = int(load_checkpoint(first / "last.pt")["images"])
    assert seen > 0
    further = recipe(photo_tree, init=str(first / "last.pt"))
    for _ in range(2):  # and over a resume, which no longer wants the first run's file
        Trainer(further, second).run(minutes=0)
        (first / "last.pt").unlink(missing_ok=True)
    state = load_checkpoint(second / "last.pt")
    assert (state["images_before"], state["images"]) == (seen, 2 * seen)
    assert load_any(second / "last.pt")[1]["images_seen"] == 3 * seen


def test_hostile_checkpoints(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("code ran",)

    torch.save({"format": "phnet-checkpoint-1", "model": Evil()}, tmp_path / "evil.pt")
    (tmp_path / "junk.pt").write_bytes(b"not a checkpoint")
    save_checkpoint({"model": {}}, tmp_path / "whole.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:-200])
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    for name in ("evil", "junk", "cut", "other", "none"):
        with pytest.raises(BadModel, match=rf"{name}\.pt"):
            load_checkpoint(tmp_path / f"{name}.pt")


def test_a_cache_is_found_again(tmp_path: Path, photo_tree: Path) -> None:
    copy = shutil.copytree(photo_tree, tmp_path / "photos")
    sources = photo_sources([str(copy)], "train")
    first = np.array(build_cache(sources, 24, tmp_path / "cache").pixels)
    shutil.rmtree(copy)
    np.testing.assert_array_equal(build_cache(sources, 24, tmp_path / "cache").pixels, first)
