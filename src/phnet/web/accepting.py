"""Accept header: the types of picture that a client takes (RFC 9110, 12.5.1)."""

from collections.abc import Sequence
from contextlib import suppress

from phnet.web.problems import Problem


def accepted(header: str, types: Sequence[str]) -> tuple[str, ...]:
    """Those of ``types`` that the header takes, the most wanted first, else in their order.

    Raises:
        Problem: 406: none of them.
    """
    ranges = [_range(part) for part in header.split(",") if part.strip()]
    if not ranges:
        return tuple(types)
    weights = {kind: _weight(kind, ranges) for kind in types}
    found = sorted((kind for kind in types if weights[kind] > 0), key=lambda kind: -weights[kind])
    if not found:
        raise Problem(406, f"expected an Accept header that takes {' or '.join(types)}")
    return tuple(found)


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weight = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            weight = 0.0
            with suppress(ValueError):
                weight = min(1.0, max(0.0, float(parameter[2:])))
    return name, weight


def _weight(kind: str, ranges: list[tuple[str, float]]) -> float:
    """Of the range that says most about a type; 0 where none takes it."""
    for name in (kind, kind.partition("/")[0] + "/*", "*/*"):
        for given, weight in ranges:
            if given == name:
                return weight
    return 0.0
