"""PHNet: make a person pasted into a photo belong there.

Names are resolved when first used, so that ``import phnet`` stays cheap::

    import phnet
    result = phnet.harmonize("composite.jpg", "mask.png")
"""

import os
from typing import TYPE_CHECKING, Any

from phnet.version import __version__

if TYPE_CHECKING:
    from phnet.compositing.composer import compose
    from phnet.harmonization.harmonizer import Harmonizer, harmonize

# ONNX Runtime (from 1.29) reports to its maker and keeps files for that in the home folder and the
# temporary one, unless this is set before it is loaded; who sets it to 0 is not overruled.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["Harmonizer", "__version__", "compose", "harmonize"]

_HOMES = {
    "Harmonizer": "phnet.harmonization.harmonizer",
    "compose": "phnet.compositing.composer",
    "harmonize": "phnet.harmonization.harmonizer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'phnet' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
