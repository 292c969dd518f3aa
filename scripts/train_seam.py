#!/usr/bin/env python3
"""Train a seam branch (phnet/networks/seam.py) behind a network that stays as it is.

    python scripts/train_seam.py see recipes/portrait-seam.toml --init OLD -o PART.pt
    python scripts/train_seam.py fit PART.pt ... --init OLD -o NEW.safetensors

``see`` runs the network once over composites of the recipe and keeps what the branch sees
(numbers) and what its answer is judged by (pictures of 64 pixels). ``fit`` trains the branch on
that: minutes, where training through the network takes hours. Needs phnet[train].
"""

import argparse
import math
from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 (the customary name)
from torch import Tensor

from phnet.networks import PHNet
from phnet.networks.color_field import apply_field, enlarged, shrunk
from phnet.networks.seam import SeamBranch, seam_statistics, within
from phnet.networks.statistics import color_statistics
from phnet.training.checkpoint import images_of, load_checkpoint, load_network, save_tensors
from phnet.training.dataset import TrainingImages
from phnet.training.losses import root_fmse_loss
from phnet.training.recipe import load_recipe
from phnet.training.sets import load_sets

NAME = "portrait-seam"  # of the recipe
SIDE = 64  # of the pictures that an answer is judged by
BATCH = 128
RATE = 1.5e-3
UNTOUCHED = 2.0  # weight of photos that need nothing; another composite counts once
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
    fitting.add_argument("--epochs", type=int, default=30)
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
    parts: list[Seen] = []
    for first in range(0, given.images, recipe.run.batch):
        some = [images[first + i] for i in range(recipe.run.batch)]
        planes = [
            torch.stack([one[k] for one in some]) / 255 for k in ("composite", "mask", "real")
        ]
        parts.append(seen(net, *planes))
        print(f"\r{first + len(some)} of {given.images}", end="", flush=True)
    print()
    torch.save({name: torch.cat([part[name] for part in parts]) for name in parts[0]}, given.output)


@torch.no_grad()
def seen(net: PHNet, composite: Tensor, mask: Tensor, real: Tensor) -> Seen:
    """What the branch sees of a batch at light 0, and small pictures."""
    with torch.autocast("cpu", torch.bfloat16):
        field = net.field(composite, mask)
    field = field.float()
    harmonized = apply_field(composite, enlarged(field, *composite.shape[2:]))
    pictures = torch.cat([composite, mask, harmonized, real], 1)
    return {
        "colors": color_statistics(composite, mask),
        "edge": seam_statistics(composite, mask),
        "field": within(field, shrunk(composite, mask, net.config.shrink)[1]),
        "pictures": F.interpolate(pictures, (SIDE, SIDE), mode="area").half(),
    }


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
    branch.edge.learn(data["edge"])
    branch.field.learn(data["field"])
    data["colors"] = base.statistics.colors(data["colors"])
    data["edge"] = branch.edge(data["edge"])
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
        seen = {name: values[rows].float() for name, values in data.items()}
        harmonized, real, mask = answered(branch, seen)
        untouched = (seen["pictures"][:, :3] == real).flatten(1).all(1)
        weights = 1 + (UNTOUCHED - 1) * untouched.float()
        loss = (root_fmse_loss(harmonized, real, mask) * weights).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
        total += loss.item()
        if step % 500 == 0:
            print(f"{step} of {steps} steps, loss {total / 500:.5f}", flush=True)
            total = 0.0


def answered(branch: SeamBranch, seen: Seen) -> tuple[Tensor, Tensor, Tensor]:
    """Harmonized with the branch, real, mask: (B, 3 or 1, SIDE, SIDE)."""
    composite, mask, harmonized, real = torch.split(seen["pictures"], [3, 1, 3, 3], 1)
    light = composite.new_zeros(len(composite))
    added = branch(seen["colors"], seen["edge"], seen["field"], light)
    return harmonized + apply_field(composite, added) - composite, real, mask


if __name__ == "__main__":
    main()
