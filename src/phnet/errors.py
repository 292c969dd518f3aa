"""Errors, as one hierarchy.

::

    PHNetError                 anything this package refuses; str() is one clear sentence
    ├ BadInput                 what was handed in: says what was expected, what came, which file
    │ ├ BadImage               unreadable, truncated, animated, too large, of an unknown kind
    │ ├ BadMask                of another aspect, empty, of an unknown kind
    │ ├ BadOption            an option's name or value that cannot be
    │ ├ BadModel               a checkpoint or ONNX file that is not what it should be
    │ ├ BadRecipe              a training recipe with unknown or impossible entries
    │ └ BadData                a data set tree with something missing or inconsistent
    ├ BadOutput                the place to write to: exists as an input, is not writable, disk full
    ├ MissingExtra             an optional dependency is not installed; names the pip command
    └ TrainingStopped          a run that cannot go on (NaN, too many unreadable photos)

The command line prints the sentence and exits with 2.
"""


class PHNetError(Exception):
    """Anything this package refuses to do; the text is one clear sentence."""


class BadInput(PHNetError):
    """An input that cannot be used."""


class BadImage(BadInput):
    """An image that cannot be read or used."""


class BadMask(BadInput):
    """A mask that cannot be read or does not fit its image."""


class MissingClass(BadMask):
    """A mask that can be read, but has no pixel of the class that was asked for."""


class BadOption(BadInput):
    """An option with a name or value that cannot be."""


class BadModel(BadInput):
    """A checkpoint or ONNX file that is not what it should be."""


class BadRecipe(BadInput):
    """A training recipe with unknown or impossible entries."""


class BadData(BadInput):
    """A data set with something missing or inconsistent."""


class BadOutput(PHNetError):
    """The place to write to cannot be used."""


# What works until an index has the package.
INSTALL = "in the folder that PHNet was installed from, pip install '.[{}]'"


class MissingExtra(PHNetError):
    """An optional dependency is not installed."""

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(f"{what} needs more than is installed: {INSTALL.format(extra)}")


class TrainingStopped(PHNetError):
    """A training run that cannot go on."""
