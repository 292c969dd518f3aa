"""Options: each one's type, range, default and meaning, written once.

The doors and the tables in docs/options.md are made from these classes, phnet.keywords is checked
against them. What a door limits on purpose, it says where it makes its own from these.
"""

import dataclasses
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from phnet.errors import BadOption

Lift = Literal["auto", "guided", "lut", "none"]
Fit = Literal["cover"]
Foreground = Literal["blur-fusion", "ml", "none"]
XYScale = tuple[float, float, float]

MASK_CLASS = r"\d{1,5}|#?[0-9A-Fa-f]{6}"
PLACE_NUMBER = r"-?\d{1,6}(\.\d{1,6})?"


@dataclass(frozen=True)
class About:
    """Description of an option besides its type and default."""

    help: str
    low: float | None = None
    high: float | None = None
    step: float | None = None  # of a slider
    unit: str = ""  # how a slider's value is shown: %, or a word after the number
    unset: str | None = None  # what None stands for
    labels: tuple[str, ...] = ()  # of the choices, for people
    form: str | None = None  # how it is written as text, where it is no plain value
    pattern: str | None = None  # of that text
    parse: Callable[[str], Any] | None = None  # that text to the value
    flag: str | None = None  # on the command line, where it is not its name
    finish: float | None = None  # what the option ``finish`` sets, where nothing is said


@dataclass(frozen=True)
class Option:
    """An option as the doors see it."""

    name: str
    default: Any
    type: type  # bool, int, float, str or tuple
    choices: tuple[str, ...]  # empty: any value of the type
    optional: bool  # None is allowed
    about: About

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return self.about.flag or "--" + self.name.replace("_", "-")

    @property
    def expected(self) -> str:
        """Description of the values that are allowed, for a sentence."""
        if self.choices:
            return " or ".join(filter(None, [", ".join(self.choices[:-1]), self.choices[-1]]))
        if self.about.form:
            return self.about.form
        kind = {bool: "True or False", int: "a whole number", float: "a number"}
        words = kind.get(self.type, "a text")
        low, high = self.about.low, self.about.high
        if low is not None and high is not None:
            return f"{words} between {low:g} and {high:g}"
        return words if low is None else f"{words} of at least {low:g}"

    def check(self, value: Any) -> None:
        """Refuse what cannot be.

        Raises:
            BadOption: with what was expected and what came.
        """
        if not (self._allows(value) or (value is None and self.optional)):
            raise BadOption(f"{self.name}: expected {self.expected}, got {value!r}")

    def _allows(self, value: Any) -> bool:
        if self.choices:
            return isinstance(value, str) and value in self.choices
        if self.type is tuple:
            return _is_place(value)
        if self.type is str and self.about.pattern:
            return isinstance(value, str) and bool(re.fullmatch(self.about.pattern, value))
        if self.type in (int, float):
            is_plain = not isinstance(value, bool) and _is_number(value)
            if not is_plain or (self.type is int and value != int(value)):
                return False
            low, high = self.about.low, self.about.high
            return (low is None or value >= low) and (high is None or value <= high)
        return self.type is not bool or isinstance(value, bool)


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, str) and math.isfinite(value)
    except TypeError:
        return False


def _is_place(value: Any) -> bool:
    try:
        return len(value) == 3 and all(_is_number(part) for part in value)
    except TypeError:
        return False


def read_place(text: str) -> XYScale:
    """Read x,y,scale.

    Raises:
        BadOption: it is something else.
    """
    try:
        x, y, scale = (float(part) for part in text.split(","))
    except ValueError:
        raise BadOption(f"place: expected x,y,scale, got {text!r}") from None
    return x, y, scale


def option(default: Any, text: str, **more: Any) -> Any:
    """A field of a class of options; ``more`` as in :class:`About`."""
    return dataclasses.field(default=default, metadata={"about": About(text, **more)})


class Checked:
    """Options that refuse, when they are made, what cannot be."""

    def __post_init__(self) -> None:
        for known in options_of(type(self)):
            known.check(getattr(self, known.name))


@dataclass(frozen=True)
class TrimOptions(Checked):
    """Options of how much of the new colors is taken, and of trims after the match."""

    light: float | None = option(
        None,
        "How much of the scene's light the person takes on: 0 for small corrections, 1 for a paste "
        "from another light.",
        low=0,
        high=1,
        step=0.05,
        unit="%",
        unset="the network's own",
    )
    strength: float = option(
        1.0,
        "How much of the change to take; above 1 it goes on.",
        low=0,
        high=2,
        step=0.05,
        unit="%",
    )
    exposure: float = option(
        0.0, "Brighter or darker after the match, in stops.", low=-3, high=3, step=0.1, unit="stops"
    )
    warmth: float = option(
        0.0,
        "Warmer or colder after the match; 1 is 100 mireds.",
        low=-1,
        high=1,
        step=0.05,
        unit="%",
    )


@dataclass(frozen=True)
class LookOptions(TrimOptions):
    """Options of how much of the new colors is taken, and how they come to full size."""

    lift: Lift = option(
        "auto",
        "How the network's small result comes to full size.",
        labels=(
            "automatic (follows the place)",
            "guided (a map fitted again)",
            "one color table",
            "none (the network's own)",
        ),
    )
    max_megapixels: int = option(
        100, "Larger pictures are refused before they are decoded; 0: no bound.", low=0
    )


def effect(text: str, finish: float) -> Any:
    """A field for an effect: its strength in [0, 1], and the default that ``finish`` sets."""
    unset = f"0; with finish {finish:g}"
    return option(None, text, low=0, high=1, step=0.05, unit="%", unset=unset, finish=finish)


def guess(text: str, low: float, high: float, step: float, unit: str) -> Any:
    """A field for a number that is guessed where it is not given."""
    about = {"low": low, "high": high, "step": step, "unit": unit}
    return option(None, text, **about, unset="guessed from the scene")


@dataclass(frozen=True)
class EffectOptions(Checked):
    """Options of what is matched besides the colors, each a strength: 0 leaves it out."""

    clean_edges: float | None = effect("Take what the old background left out of the edge.", 0.7)
    match_sharpness: float | None = effect("Blur, or sharpen mildly, as the scene is.", 0.7)
    match_grain: float | None = effect("Bring noise and block traces to the scene's.", 0.7)
    light_wrap: float | None = effect("Let bright surroundings bleed over the edge.", 0.3)
    finish: bool = option(
        False,
        "Set the effects to their measured defaults; a strength given beside it wins.",
        labels=("All effects, as measured",),
    )

    def amount(self, name: str) -> float:
        """The strength of an effect, in [0, 1]."""
        given = getattr(self, name)
        if given is not None:
            return float(given)
        (about,) = (one.about for one in options_of(type(self)) if one.name == name)
        return float(about.finish or 0) if self.finish else 0.0


@dataclass(frozen=True)
class FinishOptions(EffectOptions, LookOptions):
    """Options of a picture's colors and of what is matched besides."""


@dataclass(frozen=True)
class MaskOptions(Checked):
    """Options of reading a mask."""

    mask_class: str | None = option(
        None,
        "Which class of a mask with several is the person: its number (the index or gray value), "
        "or its color, such as 800000.",
        unset="the only one",
        form="ID or COLOR",
        pattern=f"^({MASK_CLASS})$",
        flag="--class",
    )


@dataclass(frozen=True)
class HarmonizeOptions(MaskOptions, FinishOptions):
    """Options of harmonize."""

    resolution: int | None = option(
        None, "Side that the network sees.", low=16, high=4096, unset="the model's own"
    )
    invert_mask: bool = option(False, "The mask is white where the background is.")
    each: bool = option(
        False,
        "Correct every separate person of the mask by themselves.",
        labels=("Every person by themselves",),
    )


@dataclass(frozen=True)
class SceneOptions(FinishOptions):
    """Options of fitting a person into a scene."""

    shadow: float | None = effect("A shadow under those who stand or sit on the ground.", 0.7)
    shadow_angle: float | None = guess(
        "Where it falls: 0 away from the viewer, 90 to the right, -90 to the left.", -85, 85, 1, "°"
    )
    shadow_length: float | None = guess("Length, in heights of the person.", 0, 3, 0.05, "heights")
    shadow_softness: float | None = guess("0 as in clear sun, 1 as under clouds.", 0, 1, 0.05, "%")


@dataclass(frozen=True)
class ComposeOptions(MaskOptions, SceneOptions):
    """Options of compose."""

    place: XYScale | None = option(
        None,
        "The portrait's upper left corner in the background's pixels, and its scale.",
        unset="at the bottom, centered, at most twice enlarged",
        form="x,y,scale",
        pattern=f"^{PLACE_NUMBER},{PLACE_NUMBER},{PLACE_NUMBER}$",
        parse=read_place,
    )
    fit: Fit | None = option(
        None, "Let the portrait cover the whole background instead.", unset="as it is placed"
    )
    foreground: Foreground = option(
        "blur-fusion", "Colors at soft edges; ml needs the extra 'matte' and is slower."
    )


@dataclass(frozen=True)
class LiveOptions(EffectOptions, TrimOptions):
    """Options of harmonizing frame after frame."""

    stabilise: float = option(
        0.85, "How much of look and matte stays from frame to frame.", low=0, high=1, step=0.05
    )
    every: int = option(1, "Run the harmonization network once in so many frames.", low=1)


@dataclass(frozen=True)
class NetworkOptions(Checked):
    """Options of loading and running networks."""

    model: str | None = option(None, "Another ONNX network, or 'int8'.", unset="the embedded one")
    self_ensemble: bool = option(
        False,
        "Take the mean with what the network makes of the mirror image: a little better, in "
        "twice its time.",
    )
    threads: int | None = option(None, "CPU threads.", low=1, unset="all cores")
    providers: str | None = option(
        None,
        "Where networks run: names of ONNX Runtime's execution providers, such as cuda or coreml, "
        "the first choice first; the CPU takes what they leave.",
        unset="the CPU",
        form="NAME,NAME",
        pattern=r"[A-Za-z]+(,[A-Za-z]+)*",
    )


def cores(root: Path = Path("/")) -> int:
    """Count the CPUs that this process may use, rounded up: by affinity and cgroup quota.

    Args:
        root: of the file system that says so, in which Linux keeps ``proc`` and ``sys``.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min([count, *(math.ceil(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> list[float]:
    """CPUs that the process's cgroup and those around it grant, of either version of cgroups."""
    groups, found = root / "sys/fs/cgroup", []
    for line in _words(root / "proc/self/cgroup", "\n"):
        _, controllers, inside = (*line.split(":", 2), "", "")[:3]
        if "cpu" in controllers.split(","):
            tops = [groups / controllers, groups / "cpu"]
        else:
            tops = [] if controllers else [groups]
        for top in tops:
            place = top / inside.strip("/")
            for folder in [place, *place.parents][: len(place.parts) - len(top.parts) + 1]:
                limit = _words(folder / "cpu.max") or (
                    _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
                )
                if len(limit) == 2 and all(part.isdigit() and int(part) for part in limit):
                    found.append(int(limit[0]) / int(limit[1]))
    return found


def _words(path: Path, between: str | None = None) -> list[str]:
    try:
        return path.read_text("utf-8").split(between)
    except (OSError, UnicodeDecodeError):
        return []


def options_of(kind: Any) -> tuple[Option, ...]:
    """The options of a class of options, in the order of its fields."""
    return _options_of(kind)


@cache
def _options_of(kind: Any) -> tuple[Option, ...]:
    hints = get_type_hints(kind)
    made = []
    for field in dataclasses.fields(kind):
        given = hints[field.name]
        parts = [given] if get_origin(given) in (Literal, tuple) else list(get_args(given))
        (known,) = [part for part in parts or [given] if part is not NoneType]
        choices = tuple(get_args(known)) if get_origin(known) is Literal else ()
        plain = str if choices else get_origin(known) or known
        about = (plain, choices, NoneType in parts, field.metadata["about"])
        made.append(Option(field.name, field.default, *about))
    return tuple(made)


Made = TypeVar("Made", bound=Checked)


def made_of(kind: type[Made], given: Mapping[str, Any]) -> Made:
    """Options from keyword arguments; unknown names are refused in our own words.

    Raises:
        BadOption: a name or value cannot be.
    """
    known = [one.name for one in options_of(kind)]
    if name := next((name for name in given if name not in known), None):
        raise BadOption(f"{name}: expected one of the options {', '.join(known)}")
    return kind(**given)
