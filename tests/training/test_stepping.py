"""What people expect of a trainer: accumulation, fp16, kept checkpoints, seeds, a tracker."""

import csv
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from phnet.errors import BadRecipe, MissingExtra, TrainingStopped
from phnet.training.checkpoint import load_checkpoint
from phnet.training.optimizers import follow
from phnet.training.seeds import spreads, write_spreads
from phnet.training.trainer import Trainer
from tests.training.test_trainer import RECIPE, recipe


def trained(folder: Path, tree: Path, cache: Path, **run: object) -> Trainer:
    trainer = Trainer(recipe(tree, **run), folder, cache, pictures=False)
    trainer.run()
    return trainer


def test_pieces_of_a_batch_give_the_step_of_the_whole(tmp_path: Path, photo_tree: Path) -> None:
    exact = {"precision": "fp64", "freeze": ("batchnorm",), "ema": 0.0}
    cache = tmp_path / "cache"
    whole = trained(tmp_path / "whole", photo_tree, cache, **exact)
    pieces = trained(tmp_path / "pieces", photo_tree, cache, accumulate=4, **exact)
    start = Trainer(recipe(photo_tree, **exact), tmp_path / "start", cache).net.state_dict()
    moved = 0.0
    for name, value in whole.net.state_dict().items():
        torch.testing.assert_close(value, pieces.net.state_dict()[name], rtol=1e-7, atol=1e-9)
        moved = max(moved, float((value - start[name]).abs().max()))
    assert moved > 1e-4
    with pytest.raises(BadRecipe, match="batch 4 does not divide over 1 processes and 3 pieces"):
        Trainer(recipe(photo_tree, accumulate=3), tmp_path / "third", cache)


def test_half_precision_scales_its_loss_and_resumes(tmp_path: Path, photo_tree: Path) -> None:
    """Its gradients are those of full precision, roughly; the scale goes into the checkpoint."""
    cache = tmp_path / "cache"
    full = trained(tmp_path / "full", photo_tree, cache)
    half = recipe(photo_tree, precision="fp16", clip=1.0)
    Trainer(half, tmp_path / "half", cache, pictures=False).run(minutes=0)
    scale = load_checkpoint(tmp_path / "half" / "last.pt")["scaler"]["scale"]
    assert scale > 1
    resumed = Trainer(half, tmp_path / "half", cache, pictures=False)
    assert resumed.stepper.scaler.get_scale() == scale
    resumed.run()
    assert resumed.step == 10
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in resumed.net.parameters())
    assert resumed.best == pytest.approx(full.best, rel=0.2)


def test_a_step_that_overflows_changes_nothing(tmp_path: Path, photo_tree: Path) -> None:
    """The scaler leaves it out and halves its scale; the run goes on."""
    half = recipe(photo_tree, precision="fp16", ema=0.0)
    trainer = Trainer(half, tmp_path, pictures=False)
    trainer.stepper.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**120)
    before = [p.clone() for p in trainer.net.parameters()]
    trainer.run(minutes=0)
    assert trainer.step == 1
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.net.parameters(), strict=True))
    assert trainer.stepper.scaler.get_scale() == 2.0**119


def test_checkpoints_are_kept(tmp_path: Path, photo_tree: Path) -> None:
    trained(tmp_path, photo_tree, tmp_path / "cache", keep_every=12)
    kept = sorted(p.name for p in tmp_path.glob("images-*.pt"))
    assert kept == ["images-000000012.pt", "images-000000024.pt", "images-000000036.pt"]
    assert load_checkpoint(tmp_path / kept[1])["step"] == 6


def test_a_run_goes_on_from_its_best_where_the_last_is_gone(
    tmp_path: Path, photo_tree: Path
) -> None:
    """And ends with the weights of one that was not interrupted."""
    cache = tmp_path / "cache"
    whole = trained(tmp_path / "run", photo_tree, cache)
    best = load_checkpoint(tmp_path / "run" / "best.pt")
    (tmp_path / "run" / "last.pt").unlink()
    init = str(tmp_path / "nowhere.pt")  # a run that has begun does not look for it
    again = Trainer(recipe(photo_tree, init=init), tmp_path / "run", cache, pictures=False)
    assert (again.step, again.best) == (best["step"], best["best"])
    again.run()
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[name]), name


def test_a_loss_that_is_not_finite_leaves_the_weights(tmp_path: Path, photo_tree: Path) -> None:
    trainer = Trainer(recipe(photo_tree, accumulate=2), tmp_path, pictures=False)
    before = [p.clone() for p in trainer.net.parameters()]
    task, calls = trainer.stepper.task, []

    def loss(*given: object) -> torch.Tensor:
        calls.append(given)
        return type(task).loss(task, *given) * (float("inf") if len(calls) == 2 else 1.0)  # type: ignore[arg-type]

    trainer.stepper.task = SimpleNamespace(predict=task.predict, loss=loss)  # type: ignore[assignment]
    with pytest.raises(TrainingStopped, match="not finite at 0 images"):
        trainer.run()
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.net.parameters(), strict=True))


def test_an_average_follows_as_the_formula_says() -> None:
    torch.manual_seed(0)
    net, average = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    old, new = average.weight.detach().clone(), net.weight.detach()
    follow(average, net, 5, 0.999)
    torch.testing.assert_close(average.weight.detach(), old + (new - old) * (1 - 6 / 15))
    old = average.weight.detach().clone()
    follow(average, net, 10**6, 0.9)
    torch.testing.assert_close(average.weight.detach(), old + (new - old) * 0.1)


def test_seeds_give_mean_and_spread(
    tmp_path: Path, photo_tree: Path, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE.format(workers=0, optimizer="adamw", images=8, run="seed = 4"))
    status, out, err = command_line(
        *("train", path, "--data", photo_tree, "-o", tmp_path / "runs", "--seeds", 2),
        *("--set", "run.batch=2"),
    )
    assert status == 0, err
    values = []
    for seed in (4, 5):
        state = load_checkpoint(tmp_path / "runs" / f"seed-{seed}" / "last.pt")
        assert state["recipe"]["run"]["seed"] == seed
        assert state["step"] == 4
        with (tmp_path / "runs" / f"seed-{seed}" / "metrics.csv").open(newline="") as handle:
            values.append(float(list(csv.DictReader(handle))[-1]["val_mse"]))
    mean, deviation = sum(values) / 2, abs(values[0] - values[1]) / 2**0.5
    assert f"val_mse: {mean:.5g} ± {deviation:.2g} (2 seeds)" in out
    assert "val_mse" in (tmp_path / "runs" / "seeds.csv").read_text()
    assert len(list((tmp_path / "runs" / "cache").glob("*.u8"))) == 2  # train and val, once


def test_runs_that_have_not_ended_do_not_count(tmp_path: Path) -> None:
    for name, images in (("a", 8), ("b", 4)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.csv").write_text(f"images,loss,val_mse\n{images},0.5,3\n")
    places = [tmp_path / name for name in "abc"]
    found = spreads(places, 8)
    assert [(s.name, s.values) for s in found] == [("loss", (0.5,)), ("val_mse", (3.0,))]
    write_spreads(found, tmp_path / "seeds.csv")
    assert (tmp_path / "seeds.csv").read_text().splitlines()[2] == "val_mse,3,nan,1,3"


def test_a_tracker_gets_the_validations_and_the_runs_id(
    tmp_path: Path, photo_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[dict[str, object]] = []
    logged: list[tuple[dict[str, float], int]] = []
    ended: list[bool] = []
    service = SimpleNamespace(
        log=lambda row, step: logged.append((row, step)), finish=lambda: ended.append(True)
    )
    fake = SimpleNamespace(init=lambda **given: begun.append(given) or service)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    tracked = recipe(photo_tree, tracker="wandb")
    Trainer(tracked, tmp_path, pictures=False).run(minutes=0)
    Trainer(tracked, tmp_path, pictures=False).run()
    assert [step for _, step in logged] == [20, 40]
    assert logged[0][0]["val_mse"] > 0
    assert len(ended) == 2
    assert begun[0]["id"] == begun[1]["id"]
    assert begun[0]["config"] == tracked.as_dict()
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtra, match=r"'\.\[track\]'"):
        Trainer(replace(tracked, name="other"), tmp_path / "other", pictures=False)
