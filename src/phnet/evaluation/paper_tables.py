"""The paper's published numbers, and what in them does not add up."""

import math
import tomllib
from importlib import resources
from typing import Any

SQUARED_PEAK = 255.0**2


def load() -> dict[str, Any]:
    """All tables, as ``published.toml`` holds them; each says its source."""
    text = (resources.files("phnet.evaluation") / "published.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def notes(published: dict[str, Any]) -> list[str]:
    """List what does not add up in the paper, a sentence or two each, from its own numbers."""
    of_3, of_4, of_5 = (_ours(published[f"table{i}"]["methods"]) for i in (3, 4, 5))
    by_size = {row["size"]: row for row in published["table2"]["resolutions"]}
    small, middle = by_size[256], by_size[512]
    best = min(published["table1"]["setups"], key=lambda row: float(row["mse"]))
    bands, subsets = published["table5"]["sizes"], published["iharmony4"]["sizes"]
    by_band = weighted(bands, {band: of_5[band]["mse"] for band in bands})
    psnr = weighted(subsets, {name: of_4[name]["psnr"] for name in subsets})
    mse = weighted(subsets, {name: of_4[name]["mse"] for name in subsets})
    least = least_fpsnr(of_3["fmse"])
    dark = 255 * 10 ** ((of_3["fpsnr"] - least) / 20)
    return [
        f"Table 3's own row (PSNR {of_3['psnr']:.2f}, MSE {of_3['mse']:.2f}) is Table 2's row of "
        f"the model trained on FFHQH at 256 ({small['ffhqh_psnr']:.2f}, "
        f"{small['ffhqh_mse']:.2f}), although section 6 says of that comparison that the model "
        "was not trained on FFHQH.",
        f"Table 1's best row ({best['setup']}: {best['psnr']:.2f}, {best['mse']:.2f}) is Table "
        f"2's 512 model ({middle['iharmony4_psnr']:.2f}, {middle['iharmony4_mse']:.2f}); section "
        f"5.1 trains at 256, which gives {small['iharmony4_psnr']:.2f}, "
        f"{small['iharmony4_mse']:.2f}.",
        f"Table 4's own row (ALL: {of_4['ALL']['psnr']:.2f}, {of_4['ALL']['mse']:.2f}) is that "
        "512 model, too, where the other methods' rows are at 256.",
        f"Table 5's own MSE, weighted by the sizes of its bands, is {by_band:.2f}: a third value "
        f"beside the {of_4['ALL']['mse']:.2f} of Table 4 and the {mse:.2f} of its subsets.",
        f"Table 4's own subsets, weighted by their sizes, give PSNR {psnr:.2f} and MSE {mse:.2f}, "
        f"not the printed {of_4['ALL']['psnr']:.2f} and {of_4['ALL']['mse']:.2f}.",
        f"Table 3's own fPSNR {of_3['fpsnr']:.2f} cannot belong to its fMSE {of_3['fmse']:.2f}: "
        f"with peak 255 a mean of per-image fPSNR is at least {least:.2f}, as in every other row; "
        f"if the peak is the target's largest value, no target is brighter than {dark:.0f}.",
    ]


def weighted(sizes: dict[str, int], values: dict[str, float]) -> float:
    """The mean over images of a set, from the means of its parts."""
    return sum(sizes[name] * values[name] for name in sizes) / sum(sizes.values())


def least_fpsnr(fmse: float) -> float:
    """The least that mean fPSNR can be at a mean fMSE, with peak 255 (Jensen's inequality)."""
    return 10 * math.log10(SQUARED_PEAK / fmse)


def _ours(methods: list[dict[str, Any]]) -> dict[str, Any]:
    return next(row for row in methods if row["name"] == "PHNet")
