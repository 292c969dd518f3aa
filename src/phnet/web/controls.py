"""Controls of the page, made from the package's own list of options."""

from typing import Any

from phnet.options import Checked, options_of


def controls(**kinds: type[Checked]) -> list[dict[str, Any]]:
    """List the page's sliders, boxes and choices, ready for JSON.

    Args:
        kinds: classes of options by the name of the mode of the page that they belong to.

    Returns:
        One for each number with a step and each choice or box with labels: name, help, default,
        modes; low, high, step and unit, or the choices with their labels, or a box's label; what
        the option finish sets; what an unset number stands for.
    """
    made: dict[str, dict[str, Any]] = {}
    for mode, kind in kinds.items():
        for one in options_of(kind):
            about = one.about
            if about.step is None and not about.labels:
                continue
            shown = made.setdefault(
                one.name,
                {"name": one.name, "help": about.help, "default": one.default, "modes": []},
            )
            shown["modes"].append(mode)
            if about.finish is not None:
                shown["finish"] = about.finish
            if one.default is None and about.finish is None:
                shown["unset"] = about.unset
            if one.type is bool:
                shown["box"] = about.labels[0]
            elif about.step is None:
                shown["choices"] = list(zip(one.choices, about.labels, strict=True))
            else:
                numbers = {"low": about.low, "high": about.high, "step": about.step}
                shown |= numbers | {"unit": about.unit}
    return list(made.values())
