# %% [markdown]
# # Tutorial: a first paste
#
# A person is cut out of one photo, put into another, and made to belong there. It needs the package
# alone (`pip install .`) and the pictures in `examples/`.
# %%
from pathlib import Path

import numpy as np
from PIL import Image

import phnet
from phnet.compositing.composer import Composer
from phnet.compositing.placement import Place

here = Path(__file__).parent
portrait = np.asarray(Image.open(here.parent / "tests/portraits/test_0026.jpg").convert("RGB"))
background = np.asarray(Image.open(here / "background.jpg").convert("RGB"))

# %% [markdown]
# ## Cut out, place, harmonize
#
# `Composer` loads both networks once. The cut-out has the person's own colors at soft edges, so
# that nothing of the old background shines through.
# %%
composer = Composer()
person = composer.cut_out(portrait)
made = composer.compose(person, background, Place(-30, 87, 1.1))
print("pasted:", made.composite.shape, "person covers", f"{made.mask.mean():.0%}")

# %% [markdown]
# ## Change only the person
#
# Outside the mask the result is the background, bit for bit.
# %%
outside = made.mask == 0
assert np.array_equal(made.result[outside], background[outside])
change = np.abs(made.result.astype(int) - made.composite)[made.mask > 0.5].mean()
print(f"the person's colors moved by {change:.1f} levels on average")

# %% [markdown]
# ## How much of the light
#
# `light` 0 makes small corrections, 1 relights a paste; `strength`, `exposure` and `warmth` come
# after.
# %%
harmonizer = phnet.Harmonizer(threads=2)
for light in (0.0, 0.5, 1.0):
    result = harmonizer.harmonize(made.composite, made.mask, light=light)
    moved = np.abs(result.astype(int) - made.composite)[made.mask > 0.5].mean()
    print(f"light {light}: moved by {moved:.1f} levels")
warmer = harmonizer.harmonize(made.composite, made.mask, exposure=-0.3, warmth=0.4)
red, _, blue = (warmer.astype(int) - made.result)[made.mask > 0.5].mean(0)
assert red > blue
