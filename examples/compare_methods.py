# %% [markdown]
# # Tutorial: compare methods
#
# Composites are made from photos by the recipe of the paper's section 3.2, every method predicts,
# and all are scored by one function. It needs `pip install .` and the portraits of the repository.
# %%
from pathlib import Path

import numpy as np
from PIL import Image

import phnet
from phnet.datasets.synthesis import make_composite
from phnet.evaluation.baselines import METHODS
from phnet.evaluation.protocols import find

folder = Path(__file__).parent.parent / "tests/portraits"
photos = sorted(folder.glob("*.jpg"))[:6]

# %% [markdown]
# ## Composites with a known answer
#
# The person of a photo is recolored, so the photo itself is the right result. A seed makes the same
# bytes again.
# %%
pairs = []
for seed, path in enumerate(photos):
    photo = Image.open(path).convert("RGB").resize((256, 256))
    matte = Image.open(path.with_suffix(".png")).convert("L").resize((256, 256))
    real = np.asarray(photo)
    made = make_composite(real, np.asarray(matte), seed)
    pairs.append((made.image, made.mask.astype(np.float32), real))

# %% [markdown]
# ## Predictions and scores
#
# A protocol says how figures are made from pictures: `paper` is the paper's. The network runs at
# `light` 0, the paper's task; the classical methods come with the package.
# %%
paper = find("paper")
harmonizer = phnet.Harmonizer(threads=2)
methods = {
    "composite": lambda image, _: image,
    "reinhard": lambda image, mask: METHODS["reinhard"].harmonize(image, mask),
    "phnet": lambda image, mask: harmonizer.harmonize(image, mask, light=0.0),
}
table = {}
for name, method in methods.items():
    scores = [paper.scores(method(image, mask), real, mask) for image, mask, real in pairs]
    table[name] = np.mean([one.mse for one in scores])
    print(f"{name:10} MSE {table[name]:7.1f}  PSNR {np.mean([one.psnr for one in scores]):.2f} dB")

# %% [markdown]
# Means over six photos say little; [Results](../results.md) has whole test sets with intervals.
# %%
assert table["phnet"] < table["composite"]
