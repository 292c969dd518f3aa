"""Options on the command line, made from :mod:`phnet.options`, and those that only it has."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer

from phnet.options import (
    Checked,
    ComposeOptions,
    HarmonizeOptions,
    NetworkOptions,
    Option,
    options_of,
)

KINDS = (HarmonizeOptions, ComposeOptions, NetworkOptions)
OWN_FLAGS = {name: f"--{name}" for name in ("mask", "recursive", "resume", "real")}


class Refine(StrEnum):
    """Refinements of a matting network's coarse answer at its edge."""

    guided = "guided"
    closed_form = "closed-form"
    none = "none"


def takes(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take options: a parameter of a class of options becomes one for each field.

    The command gets the checked options in one piece.
    """
    kinds = {
        name: parameter.annotation
        for name, parameter in inspect.signature(command).parameters.items()
        if isinstance(parameter.annotation, type) and issubclass(parameter.annotation, Checked)
    }
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        own = [_parameter(one) for one in options_of(kinds[name])] if name in kinds else []
        parameters += own or [parameter]

    @functools.wraps(command)
    def called(**given: Any) -> None:
        for name, kind in kinds.items():
            chosen = {one.name: _value(one, given.pop(one.name)) for one in options_of(kind)}
            given[name] = kind(**chosen)
        command(**given)

    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called


def network_settings(
    network: NetworkOptions, matte: Path | None, reference: Path | None, look: Path | None
) -> dict[str, Any]:
    """Name networks' options, and the files beside them, as a worker's settings do."""
    files = {"matte": matte, "reference": reference, "look": look}
    named = {name: str(path) if path else None for name, path in files.items()}
    return dataclasses.asdict(network) | named


def with_flags(sentence: str) -> str:
    """A sentence of the library in which options have the names of the command line."""
    flags = {one.name: one.flag for kind in KINDS for one in options_of(kind)} | OWN_FLAGS
    for name, flag in flags.items():
        sentence = sentence.replace(f"({name})", f"({flag})")
    return sentence


def _value(one: Option, given: Any) -> Any:
    return one.about.parse(given) if one.about.parse and given is not None else given


def _parameter(one: Option) -> inspect.Parameter:
    known: Any = Literal[one.choices] if one.choices else str if one.about.parse else one.type
    kind = Optional[known] if one.optional else known  # noqa: UP045
    return inspect.Parameter(
        one.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=one.default,
        annotation=Annotated[kind, declared(one)],
    )


def declared(one: Option) -> Any:
    """Declare an option to typer, besides its type and default."""
    about = one.about
    more: dict[str, Any] = {}
    if about.unset:
        more["show_default"] = about.unset
    if about.form:
        more["metavar"] = about.form.upper().replace(" OR ", "|")
    return typer.Option(one.flag, help=about.help, min=about.low, max=about.high, **more)


_MODEL, _SELF_ENSEMBLE, _THREADS, _PROVIDERS = (declared(o) for o in options_of(NetworkOptions))
Model = Annotated[str | None, _MODEL]
SelfEnsemble = Annotated[bool, _SELF_ENSEMBLE]
Threads = Annotated[int | None, _THREADS]
Providers = Annotated[str | None, _PROVIDERS]
Matte = Annotated[
    Path | None,
    typer.Option(
        "--matte",
        help="Another matting network, ONNX or tflite (tflite: extra 'matte').",
        show_default="the embedded one",
    ),
]
Reference = Annotated[
    Path | None,
    typer.Option(help="A picture that the light is read from instead of the background."),
]
LookFile = Annotated[
    Path | None,
    typer.Option("--look", help="A look that was saved: it is applied, and none is found."),
]
SaveLook = Annotated[
    Path | None, typer.Option(help="Also write the correction as JSON, for --look.")
]
