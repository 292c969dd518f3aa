"""Keywords of the public calls, typed for editors and type checkers; checked against the options.

``phnet.harmonize(composite, mask, **keywords)`` and its like take the options of
:mod:`phnet.options` by name. These classes tell their names and types; defaults, ranges and
meanings are the options' own.
"""

from typing import TypedDict

from phnet.options import Fit, Foreground, Lift, XYScale


class TrimKeywords(TypedDict, total=False):
    """Keywords of :class:`phnet.options.TrimOptions`."""

    light: float | None
    strength: float
    exposure: float
    warmth: float


class LookKeywords(TrimKeywords, total=False):
    """Keywords of :class:`phnet.options.LookOptions`."""

    lift: Lift
    max_megapixels: int


class EffectKeywords(TypedDict, total=False):
    """Keywords of :class:`phnet.options.EffectOptions`."""

    clean_edges: float | None
    match_sharpness: float | None
    match_grain: float | None
    light_wrap: float | None
    finish: bool


class FinishKeywords(EffectKeywords, LookKeywords, total=False):
    """Keywords of :class:`phnet.options.FinishOptions`."""


class MaskKeywords(TypedDict, total=False):
    """Keywords of :class:`phnet.options.MaskOptions`."""

    mask_class: str | None


class HarmonizeKeywords(MaskKeywords, FinishKeywords, total=False):
    """Keywords of :class:`phnet.options.HarmonizeOptions`."""

    resolution: int | None
    invert_mask: bool
    each: bool


class SceneKeywords(FinishKeywords, total=False):
    """Keywords of :class:`phnet.options.SceneOptions`."""

    shadow: float | None
    shadow_angle: float | None
    shadow_length: float | None
    shadow_softness: float | None


class ComposeKeywords(MaskKeywords, SceneKeywords, total=False):
    """Keywords of :class:`phnet.options.ComposeOptions`."""

    place: XYScale | None
    fit: Fit | None
    foreground: Foreground


class LiveKeywords(EffectKeywords, TrimKeywords, total=False):
    """Keywords of :class:`phnet.options.LiveOptions`."""

    stabilise: float
    every: int
