"""A training run as a file: TOML tables read into one checked dataclass.

All problems of a file are reported at once. ``Recipe.as_dict`` is what checkpoints keep.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from phnet.datasets.synthesis import READINGS, Reading
from phnet.errors import BadRecipe
from phnet.networks.mattenet import MATTES, MatteConfig
from phnet.networks.phnet import CONFIGS
from phnet.networks.released import RELEASED, ReleasedConfig
from phnet.training.tasks import Config, task_of


@dataclass(frozen=True)
class Data:
    """Data of a recipe: where images come from and how they are varied."""

    kind: str = "photos"  # photos: composites made on the fly; pairs: an iHarmony4 or FFHQH tree
    folders: tuple[str, ...] = ()  # replaced by `phnet train --data`
    real: str = ""  # pairs: the folder of real photos, where it lies apart
    size: int = 256  # pixels a side during training and validation
    cache_size: int = 0  # pixels a side in the cache, for crops; 0: same as size
    vary: float = 0.0  # share of photos whose light, crop and side are changed first
    crop: float = 0.0  # share of the other photos that are cropped, their light as it is
    flip: float = 0.0  # share of all photos that are mirrored (0.5: either way alike)
    reading: Reading = "photo"  # of section 3.2 (photos): photo, soft, object
    tint: float = 0.0  # share of composites under a mild cast of light, not the paper's recipe
    scene_light: float = 0.0  # share of composites of people pasted into another light
    traces: float = 0.0  # share of composites with blur, sharpening, noise, JPEG over the whole
    own_size: float = 0.0  # share of composites made at the cache's size, or near it, then shrunk
    masks: float = 0.0  # share of composites whose foreground is a part, another photo's, ...
    untouched: float = 0.0  # share of composites that are the photo itself and need no change
    backdrops: float = 0.0  # share of photos before a plain backdrop that scene light leaves alone
    mild: float = 0.0  # share of composites that are mixed with the photo, to a chance degree
    workers: int = 1  # loader processes
    cache_gb: float = 100.0  # largest cache of decoded images, in 10^9 bytes


@dataclass(frozen=True)
class Optimizer:
    """Optimizer of a recipe, and its settings."""

    name: str = "lion"  # lion, adamw, sgd
    lr: float = 1e-4
    weight_decay: float = 0.0
    betas: tuple[float, ...] = (0.9, 0.99)


@dataclass(frozen=True)
class Schedule:
    """Schedule of a recipe: its length, and the learning rate: up, level, down to zero."""

    epochs: int = 0  # passes over the training set, or
    images: int = 0  # images to see in all
    warmup: int = 0  # images over which the rate rises from zero
    decay: float = 0.0  # share of the run, at its end, over which the rate falls to zero
    shape: str = "linear"  # of that fall: linear, cosine


@dataclass(frozen=True)
class Loss:
    """Weights of the terms of the objective (eq. 15); those that a [loss] table omits are 0."""

    psnr: float = 0.2
    fn_mse: float = 0.01
    gradient: float = 0.01
    root_fmse: float = 0.0
    released_psnr: float = 0.0  # of the authors' trainer: 100 / PSNR in dB, and
    gradient_l1: float = 0.0  # L1 of the gradients of the foreground
    bce: float = 0.0  # matting networks: cross-entropy, and
    iou: float = 0.0  # 1 - soft intersection over union


@dataclass(frozen=True)
class Run:
    """Everything else."""

    batch: int = 16  # images a step, over all processes
    accumulate: int = 1  # pieces that a process's share of a batch is cut into, one after another
    seed: int = 0
    clip: float = 0.0  # largest gradient norm; 0: no clipping
    ema: float = 0.0  # decay of the weights' moving average a step; 0: none
    precision: str = "fp32"  # fp32, fp64, bf16 (autocast), fp16 (autocast and a loss scaler)
    channels_last: bool = False
    compile: bool = False
    sync_batchnorm: bool = False  # on GPUs: one batch statistic over all processes
    init: str = ""  # a checkpoint to take weights from
    freeze: tuple[str, ...] = ()  # parts that do not learn: encoder, attention, decoder, batchnorm
    validate_every: int = 20_000  # images between validations
    checkpoint_minutes: float = 5.0  # at most this long between checkpoints
    keep_every: int = 0  # images between checkpoints that are kept; 0: none but last and best
    tracker: str = ""  # a service that shows the run: wandb (extra `track`)


@dataclass(frozen=True)
class Recipe:
    """A whole run."""

    name: str
    model: Config
    data: Data = field(default_factory=Data)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    loss: Loss = field(default_factory=Loss)
    run: Run = field(default_factory=Run)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as a checkpoint keeps them."""
        return asdict(self)

    def with_data(self, folders: list[str]) -> "Recipe":
        """The same recipe on other folders."""
        return replace(self, data=replace(self.data, folders=tuple(folders)))


_TABLES: dict[str, Any] = {
    "data": Data,
    "optimizer": Optimizer,
    "schedule": Schedule,
    "loss": Loss,
    "run": Run,
}
_CHOICES: dict[tuple[str, str], set[str]] = {
    ("data", "kind"): {"photos", "pairs"},
    ("data", "reading"): {*READINGS},
    ("optimizer", "name"): {"lion", "adamw", "sgd"},
    ("run", "precision"): {"fp32", "fp64", "bf16", "fp16"},
    ("run", "tracker"): {"", "wandb"},
    ("schedule", "shape"): {"linear", "cosine"},
}
_FREEZABLE = {"encoder", "attention", "decoder", "batchnorm"}


def _coerce(kind: Any, value: Any) -> Any:
    """``value`` as ``kind``, or TypeError; TOML has no tuples, and 1 is a fine float."""
    if get_origin(kind) is Literal:
        return value  # the configuration itself says what it takes
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise TypeError
        return tuple(_coerce(get_args(kind)[0], item) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError
    return value


def _read_table(cls: Any, table: Any, where: str, problems: list[str]) -> dict[str, Any]:
    """The table's entries by the dataclass's field types; what is wrong goes to ``problems``."""
    if not isinstance(table, dict):
        problems.append(f"[{where}] should be a table")
        return {}
    hints = get_type_hints(cls)
    known = {f.name for f in fields(cls)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            problems.append(f"[{where}] has no entry {key!r} (known: {', '.join(sorted(known))})")
            continue
        try:
            values[key] = _coerce(hints[key], value)
        except TypeError:
            kind = getattr(hints[key], "__name__", str(hints[key]))
            problems.append(f"[{where}] {key} should be {kind}, got {value!r}")
    return values


def _read_model(table: Any, problems: list[str]) -> Config:
    if not isinstance(table, dict):
        problems.append("[model] should be a table")
        return CONFIGS["paper"]
    rest = dict(table)
    name = rest.pop("name", "paper")
    known: dict[str, Config] = {**CONFIGS, **MATTES, **RELEASED}
    if not isinstance(name, str) or name not in known:
        problems.append(f"[model] name should be one of {', '.join(known)}, got {name!r}")
        return CONFIGS["paper"]
    chosen = known[name]
    try:
        return replace(chosen, **_read_table(type(chosen), rest, "model", problems))
    except ValueError as error:
        problems.append(f"[model] {error}")
        return chosen


def _check_values(recipe: Recipe) -> list[str]:
    """Problems that only show with all values in hand."""
    problems = []
    for (table, key), choices in _CHOICES.items():
        value = getattr(getattr(recipe, table), key)
        if not isinstance(value, str) or value not in choices:
            problems.append(f"[{table}] {key} should be one of {sorted(choices)}, got {value!r}")
    data, schedule, run = recipe.data, recipe.schedule, recipe.run
    if (schedule.epochs > 0) == (schedule.images > 0):
        problems.append("[schedule] wants either epochs or images above 0")
    terms = task_of(recipe.model).objective
    if any(weight and name not in terms for name, weight in asdict(recipe.loss).items()):
        problems.append(f"[loss] for this network takes {', '.join(terms)}")
    if isinstance(recipe.model, MatteConfig) and data.size % 32:
        problems.append(f"[data] size should be a multiple of 32 for a matte, got {data.size}")
    if isinstance(recipe.model, ReleasedConfig) and (data.size % 8 or run.freeze):
        problems.append(
            "[model] of the released network wants a [data] size that is a multiple of 8, and "
            "nothing to freeze"
        )
    if data.size < 16 or 0 < data.cache_size < data.size:
        problems.append("[data] size should be at least 16 and cache_size at least size (or 0)")
    problems += [
        f"[data] {key} should lie in [0, 1], got {getattr(data, key)}"
        for key in (
            "vary",
            "crop",
            "flip",
            "tint",
            "scene_light",
            "traces",
            "own_size",
            "masks",
            "untouched",
            "backdrops",
            "mild",
        )
        if not 0 <= getattr(data, key) <= 1
    ]
    if not 0 <= schedule.decay <= 1:
        problems.append(f"[schedule] decay should lie in [0, 1], got {schedule.decay}")
    if not 0 <= run.ema < 1:
        problems.append(f"[run] ema should lie in [0, 1), got {run.ema}")
    if min(run.batch, run.accumulate) < 1 or recipe.optimizer.lr <= 0:
        problems.append("[run] batch, accumulate and [optimizer] lr should be above 0")
    if not set(run.freeze) <= _FREEZABLE:
        problems.append(f"[run] freeze takes {sorted(_FREEZABLE)}, got {list(run.freeze)}")
    return problems


def load_recipe(path: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe file.

    Args:
        path: the file.
        changes: entries to replace or add, each ``table.key=value``; the value in TOML, where
            quotes around a plain word may be left out.

    Raises:
        BadRecipe: the file is missing, is not TOML, or has wrong entries (all are named).
    """
    try:
        tables = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise BadRecipe(f"{path}: expected a recipe file, but {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRecipe(f"{path}: expected a recipe in TOML, but {error}") from error
    for change in changes:
        _apply(tables, change)
    return parse_recipe(tables, Path(path).stem, str(path))


def _apply(tables: dict[str, Any], change: str) -> None:
    """Put one ``table.key=value`` into ``tables``."""
    place, given, text = change.partition("=")
    table, dot, key = place.strip().partition(".")
    if not given or not dot or not table or not key:
        raise BadRecipe(f"expected a change such as run.batch=8, got {change!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    into = tables.setdefault(table, {})
    if not isinstance(into, dict):
        raise BadRecipe(f"[{table}] should be a table, so {change!r} cannot change it")
    into[key] = value


def parse_recipe(tables: dict[str, Any], name: str, source: str) -> Recipe:
    """Build a recipe from TOML tables; ``source`` is named in errors."""
    problems = [
        f"there is no table [{key}] (known: model, {', '.join(_TABLES)})"
        for key in tables
        if key != "model" and key not in _TABLES
    ]
    model = _read_model(tables.get("model", {}), problems)
    parts = {
        key: cls(**_read_table(cls, tables.get(key, {}), key, problems))
        for key, cls in _TABLES.items()
    }
    if isinstance(tables.get("loss"), dict):
        parts["loss"] = Loss(
            **{term.name: 0.0 for term in fields(Loss)}
            | {name: getattr(parts["loss"], name) for name in tables["loss"] if hasattr(Loss, name)}
        )
    recipe = Recipe(name=name, model=model, **parts)
    problems += _check_values(recipe)
    if problems:
        raise BadRecipe(f"{source}: expected a valid recipe, but " + "; ".join(problems))
    return recipe
