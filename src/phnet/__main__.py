"""The ``phnet`` command's way in, and ``python -m phnet``, for launchers such as torchrun.

What this imports before it listens for Ctrl-C is as little as can be.
"""

import atexit
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

INTERRUPTED = 130  # 128 and the signal's number, as shells have it


def main() -> None:
    """Run the command line, which Ctrl-C ends with one line, whatever it is in the middle of."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
        # Last of all, when everything is done: Python itself would let the process be killed then.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    from phnet.cli import main as run

    run()


def _interrupted(*_: object) -> NoReturn:
    """End at once: no thread is waited for, and nothing is raised where nobody catches it."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        files = sys.modules.get("phnet.files")  # where it is not loaded, nothing is written
        if files is not None:
            files.discard_unfinished()
        with suppress(Exception):  # it may be in the middle of a line
            sys.stdout.flush()
        with suppress(Exception):
            sys.stderr.write("phnet: interrupted\n")
            sys.stderr.flush()
    finally:
        os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
