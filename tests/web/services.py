"""Services that do what pictures cannot be relied on to do; worker processes import them."""

import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from phnet.harmonization.field import Field, from_network
from phnet.harmonization.harmonizer import Harmonizer
from phnet.web.forms import Form, HarmonizeRequest, MatteOptions
from phnet.web.limits import Limits
from phnet.web.service import Answer, Models, Service
from tests.waiting import until


@dataclass(frozen=True)
class Gate:
    """Makes services that wait in the middle of their work until the gate is opened."""

    folder: Path

    def __call__(self, limits: Limits) -> Service:
        return _Gated(limits, self)

    def open(self) -> None:
        (self.folder / "open").touch()

    def wait_until_begun(self, count: int) -> None:
        until(lambda: len(list(self.folder.glob("begun-*"))) >= count, f"{count} begun")


class Echo(Service):
    """Loads nothing and answers the picture as it came, so that work takes no time itself."""

    def __init__(self, _: Limits) -> None:
        pass

    def models(self) -> Models:
        return Models(models=[])

    def harmonize(self, form: Form[HarmonizeRequest]) -> Answer:
        return Answer(form.files["composite"], "image/png", [])

    def matte(self, form: Form[MatteOptions]) -> Answer:
        return Answer(form.files["photo"], "image/png", [])


class _Gated(Echo):
    def __init__(self, limits: Limits, gate: Gate) -> None:
        super().__init__(limits)
        self._gate = gate

    def harmonize(self, form: Form[HarmonizeRequest]) -> Answer:
        (self._gate.folder / f"begun-{os.getpid()}-{time.monotonic_ns()}").touch()
        while not (self._gate.folder / "open").exists():
            time.sleep(0.01)
        return super().harmonize(form)


class _Unmoved(Harmonizer):
    def field(self, *_: Any, **__: Any) -> Field:
        return from_network(np.zeros((13, 8, 8), np.float32))


class Two(Service):
    """Offers a second network, which changes nothing."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._harmonizers["unmoved"] = _Unmoved(threads=1)


class Moody(Echo):
    """The strength says what goes wrong."""

    def harmonize(self, form: Form[HarmonizeRequest]) -> Answer:
        strength = form.options.strength
        if strength == 0.25:  # hours in C code that lets no signal handler and no thread in
            re.match(r"(a+)+$", "a" * 60 + "b")
        if strength == 0.5:
            os.kill(os.getpid(), signal.SIGSEGV)
        if strength == 0.75:
            raise ZeroDivisionError(f"{form.options.model} quoted")
        return super().harmonize(form)
