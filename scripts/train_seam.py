#!/usr/bin/env python3
"""Train a seam branch (phnet/networks/seam.py) behind a network that stays as it is.

    python scripts/train_seam.py see recipes/portrait-seam.toml --init OLD -o PART.pt
    python scripts/train_seam.py fit PART.pt ... --init OLD -o NEW.safetensors

``see`` runs the network once over composites of the recipe and keeps what the branch sees, of each
as it is, blurred, sharpened and smaller, and what an answer's error is computed from. ``fit``
trains the branch on that: minutes, where training through the network takes hours. Needs
phnet[train].
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from phnet.benchmarks.invariance import SIDES, resized, soft_and_hard
from phnet.images.arrays import Bytes
from phnet.networks import PHNet
from phnet.networks.color_field import apply_field, enlarged, shrunk
from phnet.networks.seam import SeamBranch, seam_statistics, within
from phnet.networks.statistics import color_statistics
from phnet.training.checkpoint import images_of, load_checkpoint, load_network, save_tensors
from phnet.training.dataset import TrainingImages
from phnet.training.recipe import load_recipe
from phnet.training.sets import load_sets

NAME = "portrait-seam"  # of the recipe
VERSIONS = 4  # of each composite: as it is, blurred, sharpened, smaller
BATCH = 128
RATE = 1.5e-3
UNTOUCHED = 4.0  # weight of photos that need nothing; another composite counts once
AS_IT_IS = 10.0  # weight of a composite as it is; another version of it counts once
# Price of an answer's distance from that to the composite as it is, in units of its error. A paste
# under foreign light has no true answer at light 0; it only has this price.
UNSTEADY, UNSTEADY_PASTE = 0.01, 0.05
Seen = dict[str, Tensor]


def main() -> None:
    """Do one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    jobs = parser.add_subparsers(dest="job", required=True)
    seeing, fitting = jobs.add_parser("see"), jobs.add_parser("fit")
    for job in (seeing, fitting):
        job.add_argument("--init", type=Path, required=True)
        job.add_argument("-o", "--output", type=Path, required=True)
    seeing.add_argument("recipe", type=Path)
    seeing.add_argument("--data", action="append", default=[])
    seeing.add_argument("--cache", type=Path, default=Path("runs/cache"))
    seeing.add_argument("--images", type=int, default=30_000)
    seeing.add_argument("--seed", type=int, default=100)
    fitting.add_argument("parts", type=Path, nargs="+")
    fitting.add_argument("--epochs", type=int, default=40)
    fitting.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.job == "see":
        see(given)
    else:
        fit(given)


def see(given: argparse.Namespace) -> None:
    """Run the network over the recipe's composites."""
    recipe = load_recipe(given.recipe)
    if given.data:
        recipe = replace(recipe, data=replace(recipe.data, folders=given.data))
    images = TrainingImages(load_sets(recipe, given.cache).train, recipe.data, given.seed)
    net = without_seam(load_network(given.init))
    whole: Seen = {}
    for first in range(0, given.images, recipe.run.batch):
        some = [images[first + i] for i in range(min(recipe.run.batch, given.images - first))]
        planes = [torch.stack([one[k] for one in some]) for k in ("composite", "mask", "real")]
        part = seen(net, *planes)
        foreign = torch.tensor([float(one["light"]) > 0 for one in some])
        part["judged"] = part["untouched"].logical_or(~foreign)
        done = first + len(some)
        for name, values in part.items():  # many small tensors, kept, would scatter the heap
            if first == 0:
                whole[name] = values.new_empty(given.images, *values.shape[1:])
            whole[name][first:done] = values
        print(f"\r{done} of {given.images}", end="", flush=True)
    print()
    torch.save(whole, given.output)


@torch.no_grad()
def seen(net: PHNet, composite: Tensor, mask: Tensor, real: Tensor) -> Seen:
    """What the branch sees of a batch (uint8) at light 0, and what errors are computed from.

    With c of (red, green, blue, 1) a pixel of the composite, e the network's error there and A the
    branch's map, the squared error over the foreground is the sum of (e + A c)^2: a quadratic
    function of A, given by the sums of c c, c e and e e.
    """
    planes, alpha, truth = (part.float() / 255 for part in (composite, mask, real))
    with torch.autocast("cpu", torch.bfloat16):
        field = net.field(planes, alpha)
    field = field.float()
    harmonized = apply_field(planes, enlarged(field, *planes.shape[2:]))
    weights = alpha.flatten(2)
    colors = torch.cat([planes, torch.ones_like(alpha)], 1).flatten(2)
    error = (harmonized - truth).flatten(2)
    versions = [seam_statistics(*version) for version in versions_of(composite, mask)]
    return {
        "colors": color_statistics(planes, alpha),
        "edge": torch.stack(versions, 1),
        "field": within(field, shrunk(planes, alpha, net.config.shrink)[1]),
        "colors_colors": (colors * weights) @ colors.transpose(1, 2),
        "colors_error": (colors * weights) @ error.transpose(1, 2),
        "error_error": (error.square() * weights).sum((1, 2)),
        "count": 3 * weights.sum((1, 2)),
        "untouched": (composite == real).flatten(1).all(1),
    }


def versions_of(composite: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """A batch (uint8) as it is, blurred, sharpened and smaller, with its masks; in [0, 1]."""
    pictures = [np.ascontiguousarray(one.permute(1, 2, 0).numpy()) for one in composite]
    softs, hards = zip(*map(soft_and_hard, pictures), strict=True)
    for version in (pictures, softs, hards):
        yield planes_of(version), mask.float() / 255
    smaller = planes_of([small(one) for one in pictures])
    yield smaller, planes_of([small(one[0].numpy()) for one in mask])


def small(picture: Bytes) -> Bytes:
    """A square picture of the least of SIDES, enlarged to the size that it had."""
    return np.asarray(resized(resized(picture, min(SIDES)), len(picture)), np.uint8)


def planes_of(pictures: Sequence[Bytes]) -> Tensor:
    """Pictures of one size as (B, C, H, W) in [0, 1]."""
    stacked = torch.from_numpy(np.stack(pictures)).float() / 255
    return stacked[:, None] if stacked.ndim == 3 else stacked.permute(0, 3, 1, 2)


def fit(given: argparse.Namespace) -> None:
    """Train the branch, and write the network with it."""
    torch.manual_seed(given.seed)
    loaded = [torch.load(path, weights_only=True) for path in given.parts]
    data = {name: torch.cat([part[name] for part in loaded]) for name in loaded[0]}
    base = without_seam(load_network(given.init))
    assert base.statistics is not None
    net = PHNet(replace(base.config, seam=True))
    net.load_state_dict(base.state_dict(), strict=False)
    assert net.seam is not None
    branch = net.seam
    branch.learn(data["edge"].flatten(0, 1), data["field"])
    data["colors"] = base.statistics.colors(data["colors"])
    told = [branch.told(moments) for moments in data["edge"].unbind(1)]
    data["edge"], data["maps"] = (torch.stack(part, 1) for part in zip(*told, strict=True))
    train(branch, data, given.epochs)
    state = load_checkpoint(given.init)
    about = {"config": asdict(net.config), "recipe": {"name": NAME}, "images": images_of(state)}
    save_tensors({**about, "model": net.state_dict(), "ema": None}, given.output)


def without_seam(net: PHNet) -> PHNet:
    """The network without a branch that it may have already; a new one takes its place."""
    if net.seam is None:
        return net
    plain = PHNet(replace(net.config, seam=False)).eval()
    plain.load_state_dict(net.state_dict(), strict=False)
    return plain


def train(branch: SeamBranch, data: Seen, epochs: int) -> None:
    """Fit the branch to the root of the foreground MSE, with AdamW and one cycle of rates."""
    count = len(data["edge"])
    steps = epochs * math.ceil(count / BATCH)
    optimizer = torch.optim.AdamW(branch.parameters(), lr=RATE, weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    branch.train()
    total = 0.0
    for step in range(1, steps + 1):
        rows = torch.randint(0, count, (BATCH,))
        loss = price(branch, {name: values[rows] for name, values in data.items()})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
        total += loss.item()
        if step % 500 == 0:
            print(f"{step} of {steps} steps, loss {total / 500:.5f}", flush=True)
            total = 0.0


def price(branch: SeamBranch, seen: Seen) -> Tensor:
    """Of a batch: the error of all versions' answers, and how far they are from each other."""
    light = seen["field"].new_zeros(len(seen["field"]))
    told = zip(seen["edge"].unbind(1), seen["maps"].unbind(1), strict=True)
    answers = [branch(seen["colors"], *version, seen["field"], light) for version in told]
    maps = torch.stack([answer[:, :12, 0, 0] for answer in answers], 1).unflatten(2, (4, 3))
    square = (maps * (seen["colors_colors"][:, None] @ maps)).sum((2, 3))
    crossed = (maps * seen["colors_error"][:, None]).sum((2, 3))
    errors = rooted(square + 2 * crossed + seen["error_error"][:, None], seen["count"])
    weights = errors.new_ones(VERSIONS)
    weights[0] = AS_IT_IS
    error = (errors * weights).sum(1) / weights.sum()
    away = maps[:, 1:] - maps[:, :1]
    apart = rooted((away * (seen["colors_colors"][:, None] @ away)).sum((2, 3)), seen["count"])
    judged = seen["judged"].float()
    error = error * judged * (1 + (UNTOUCHED - 1) * seen["untouched"].float())
    return (error + apart.mean(1) * torch.where(seen["judged"], UNSTEADY, UNSTEADY_PASTE)).mean()


def rooted(sums: Tensor, count: Tensor) -> Tensor:
    """Roots of means of squares, (B, n), from sums over ``count`` (B,) values."""
    return (sums.clamp_min(0) / count[:, None].clamp_min(1) + 1e-6).sqrt()


if __name__ == "__main__":
    main()
