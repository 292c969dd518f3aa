"""Recipes: every file parses and trains; wrong ones name all their problems."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from phnet.errors import BadRecipe
from phnet.networks import PHNetConfig
from phnet.networks.mattenet import MatteConfig
from phnet.networks.released import ReleasedConfig
from phnet.training.optimizers import rate_factor
from phnet.training.recipe import load_recipe
from phnet.training.tasks import network
from phnet.training.trainer import Trainer

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").rglob("*.toml"))
NARROW = (3, 4, 4, 6, 6, 8, 8)


def test_there_are_recipes_for_the_papers_tables() -> None:
    names = {str(p.relative_to(ROOT / "recipes").with_suffix("")) for p in RECIPES}
    table1 = {f"table1/{d}{p}" for d in ("d6", "d56", "d456", "d3456") for p in ("", "-pfe")}
    table2 = {
        f"table2/{set_}-{size}" for set_ in ("iharmony4", "ffhqh") for size in (256, 512, 1024)
    }
    sized = ("iharmony4-512", "ffhqh-256", "ffhqh-512", "ffhqh-1024")
    stages = {f"paper/stage{i}" for i in (1, 2, 3)}
    stages |= {f"paper/{which}-stage{i}" for which in sized for i in (1, 2, 3)}
    stages |= {
        f"released/released-{which}" for which in ("iharmony4-512", "ffhqh-512", "ffhqh-1024")
    }
    others = {
        "portrait-small",
        "accelerator",
        "paper/finetune-ffhqh",
        "optimizer/lion",
        "optimizer/adamw",
    }
    assert table1 | table2 | stages | others <= names


def test_no_two_recipes_share_a_run_folder() -> None:
    """A run's folder is named after its recipe's file alone."""
    assert len({path.stem for path in RECIPES}) == len(RECIPES)


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: str(p.relative_to(ROOT / "recipes")))
def test_every_recipe_takes_two_steps(
    path: Path, tmp_path: Path, photo_tree: Path, pair_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phnet.training.trainer.SAMPLE", 16)  # of composites for the statistics
    recipe = load_recipe(path)
    folder = pair_tree if recipe.data.kind == "pairs" else photo_tree
    is_matte = isinstance(recipe.model, MatteConfig)
    model = replace(recipe.model, widths=NARROW[1:6] if is_matte else NARROW)
    released = isinstance(model, ReleasedConfig)
    init = ""
    if recipe.run.init:
        init = str(tmp_path / "init.pt")
        first = replace(recipe, model=model if released else replace(model, pfe=False))
        _short(first, folder, init="").run_steps(tmp_path / "first", 0, save=init)
    trainer = _short(replace(recipe, model=model), folder, init).run_steps(tmp_path / "run", 2)
    assert trainer.step == 2
    before = network(model).state_dict().keys()
    assert trainer.net.state_dict().keys() == before
    for name, parameter in trainer.net.named_parameters():
        assert parameter.isfinite().all()
        frozen = any(name.startswith(part) for part in recipe.run.freeze)
        frozen |= released and name.startswith(("skip.6.", f"normalizers.{len(model.grids) - 1}."))
        assert parameter.requires_grad != frozen


class _short:  # noqa: N801 (reads as a verb where it is used)
    """A recipe cut down to two small steps on small photos; its optimizer, loss and stages stay."""

    def __init__(self, recipe, folder: Path, init: str) -> None:
        data = replace(
            recipe.data, folders=(str(folder),), real="", size=32, cache_size=0, workers=0
        )
        run = replace(
            recipe.run, batch=2, accumulate=1, init=init, validate_every=10_000, compile=False
        )
        schedule = replace(recipe.schedule, epochs=0, images=4)
        self.recipe = replace(recipe, data=data, run=run, schedule=schedule)

    def run_steps(self, folder: Path, steps: int, save: str = "") -> Trainer:
        trainer = Trainer(self.recipe, folder, pictures=False)
        trainer.steps = steps
        trainer.run()
        if save:
            from phnet.training.checkpoint import save_checkpoint

            save_checkpoint(trainer.state(), Path(save))
        return trainer


def test_wrong_recipes_name_all_their_problems(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(
        '[model]\nname = "paper"\nwidth = 3\n[data]\nsize = "big"\nvary = 2.0\n'
        '[optimizer]\nname = "adam"\n[schedules]\nimages = 5\n'
    )
    with pytest.raises(BadRecipe) as caught:
        load_recipe(path)
    text = str(caught.value)
    for part in ("wrong.toml", "'width'", "size should be int", "vary", "'adam'", "[schedules]"):
        assert part in text
    assert "epochs or images" in text


def test_files_that_are_not_recipes(tmp_path: Path) -> None:
    with pytest.raises(BadRecipe, match="No such file"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[model")
    with pytest.raises(BadRecipe, match=r"bad\.toml"):
        load_recipe(tmp_path / "bad.toml")


def test_learning_rate_goes_up_level_and_down() -> None:
    rates = [rate_factor(i, 100, 10, 0.5) for i in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == 1.0
    assert rates[50] == 1.0
    assert rates[75] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.02)
    assert torch.tensor(rates).max() == 1


def test_a_cosine_falls_slowly_then_fast() -> None:
    rates = [rate_factor(i, 100, 0, 0.5, "cosine") for i in range(101)]
    assert rates[:51] == [1.0] * 51
    assert rates[75] == pytest.approx(0.5)
    assert rates[60] == pytest.approx(0.5 + 0.5 * math.cos(math.pi * 0.2))
    assert rates[100] == pytest.approx(0.0)


def test_entries_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[model]\nname = "paper"\n[schedule]\nepochs = 3\n[run]\nbatch = 16\n')
    changes = [
        *("run.batch=8", "schedule.shape=cosine", "data.folders=['a', 'b']"),
        *('optimizer.name = "adamw"', "optimizer.lr=1e-3", "model.pfe=false"),
    ]
    changed = load_recipe(path, changes)
    assert (changed.run.batch, changed.schedule.shape, changed.data.folders) == (
        *(8, "cosine"),
        ("a", "b"),
    )
    assert (changed.optimizer.name, changed.optimizer.lr) == ("adamw", 1e-3)
    assert isinstance(changed.model, PHNetConfig)
    assert not changed.model.pfe
    assert load_recipe(path).run.batch == 16
    with pytest.raises(BadRecipe, match=r"batch should be int, got 'eight'.*'batches'"):
        load_recipe(path, ["run.batches=8", "run.batch=eight"])
    for wrong in ("run.batch", "batch=8", "=8", "run.=8"):
        with pytest.raises(BadRecipe, match=r"such as run\.batch=8"):
            load_recipe(path, [wrong])


@pytest.mark.parametrize(
    "change",
    [
        *("run.precision=fp8", "run.tracker=mine", "schedule.shape=step", "run.accumulate=0"),
        *("data.reading=own", "data.reading=['photo']"),
    ],
)
def test_choices_are_checked(tmp_path: Path, change: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[schedule]\nepochs = 3\n")
    with pytest.raises(BadRecipe, match=change.split(".")[1].split("=")[0]):
        load_recipe(path, [change])
