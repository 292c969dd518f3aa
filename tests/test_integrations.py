"""What hosts say of options themselves is what phnet.options says."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from phnet.harmonization.model_file import DEFAULT_LIGHT
from phnet.options import LookOptions, options_of

INTEGRATIONS = Path(__file__).parents[1] / "integrations"
LOOK = {one.name: one for one in options_of(LookOptions)}
LATE = "max_megapixels"  # a host's picture is decoded


def default(name: str) -> Any:
    return DEFAULT_LIGHT if name == "light" else LOOK[name].default


def constant(path: Path, name: str) -> Any:
    """The value that a module, which needs its host to be imported, gives a name."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise AssertionError(name)


@pytest.mark.parametrize(
    "plug_in", ["gimp/phnet-harmonize/phnet-harmonize.py", "blender/phnet_harmonize/__init__.py"]
)
def test_the_options_of_plug_ins_are_ours(plug_in: str) -> None:
    path = INTEGRATIONS / plug_in
    numbers = constant(path, "NUMBERS")
    given = {name: (low, high, start) for name, _, _, low, high, start in numbers}
    lifts = [name for name, _ in constant(path, "LIFTS")]
    assert {*given, "lift", LATE} == set(LOOK)
    assert tuple(lifts) == LOOK["lift"].choices
    for name, (low, high, start) in given.items():
        about = LOOK[name].about
        assert (low, high, start) == (about.low, about.high, default(name)), name


def test_the_example_workflow_has_our_defaults() -> None:
    workflow = json.loads((INTEGRATIONS / "comfyui" / "example" / "harmonize.json").read_text())
    (inputs,) = [n["inputs"] for n in workflow.values() if n["class_type"] == "PHNetHarmonize"]
    linked = {name for name, value in inputs.items() if isinstance(value, list)}
    assert linked == {"image", "mask"}
    expected = {name: default(name) for name in LOOK if name != LATE}
    assert {k: v for k, v in inputs.items() if k not in linked} == expected | {"stabilise": 0.0}
