"""Networks in ONNX files, opened and run within bounds: all that is wrong gets one sentence.

A file from outside may ask for any memory and any time. Its sessions share an arena of bounded
size, and whoever waits for one goes on when its time is up. ONNX Runtime breaks a run off between
two operations; an operation that never ends keeps its thread until the process ends.
"""

import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from phnet.errors import BadModel
from phnet.options import cores

SECONDS_TO_OPEN = 60.0  # a network from outside; ours takes less than one
SECONDS_TO_RUN = 120.0
SECONDS_TO_END = 2.0  # for a run that was told to
MOST_MEMORY = 4 << 30  # bytes of all networks from outside together, in their arena
LONGEST_REASON = 200  # characters

Result = TypeVar("Result")


def open_session(content: bytes, path: Path, threads: int | None, *, outside: bool) -> Any:
    """A session of ONNX Runtime on the CPU.

    Args:
        content: the file's; weights in other files are not read.
        path: of the file, for sentences.
        threads: CPU threads; None leaves the choice to the runtime.
        outside: whether the file is none of ours; then its memory and time are bounded.

    Raises:
        BadModel: it is no ONNX network, or needs too much.
    """
    import onnxruntime as ort

    ort.disable_telemetry_events()  # for Windows, where no variable does it
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or cores()
    options.inter_op_num_threads = 1
    # Threads that wait by spinning take the cores from other work, and from other programs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    # Weights outside the file are looked for below the file itself, where nothing can be:
    # a model from a stranger must not read other files.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(path / "outside")
    )
    if outside and _bounded_arena():
        options.add_session_config_entry("session.use_env_allocators", "1")

    def made() -> Any:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    try:
        return _within(SECONDS_TO_OPEN, made) if outside else made()
    except Exception as error:  # onnxruntime's own exceptions have no common base
        raise BadModel(f"{path}: expected an ONNX network, but {_reason(error)}") from error


def run(
    session: Any, names: Sequence[str], feed: dict[str, Any], path: Path, seconds: float | None
) -> list[Any]:
    """Run a network once.

    Args:
        session: of :func:`open_session`.
        names: the outputs wanted.
        feed: the inputs.
        path: of the network, for sentences.
        seconds: after which it is given up; None: never.

    Raises:
        BadModel: it fails or takes too long.
    """
    import onnxruntime as ort

    options = ort.RunOptions()
    options.log_severity_level = 4

    def ran() -> list[Any]:
        return list(session.run(list(names), feed, options))

    def end() -> None:
        options.terminate = True

    try:
        return ran() if seconds is None else _within(seconds, ran, end)
    except Exception as error:  # as above
        raise BadModel(f"{path}: expected a network that runs, but {_reason(error)}") from error


def _within(
    seconds: float, work: Callable[[], Result], end: Callable[[], None] = lambda: None
) -> Result:
    """Run ``work`` in a thread of its own that is left behind when it takes too long."""
    done: list[Result] = []
    failed: list[BaseException] = []

    def worked() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=worked, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        end()
        thread.join(SECONDS_TO_END)
        raise TimeoutError(f"it took more than {seconds:g} seconds")
    if failed:
        raise failed[0]
    return done[0]


@cache
def _bounded_arena() -> bool:
    """Register the arena, once a process; False where somebody has registered one before."""
    import onnxruntime as ort

    place = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    as_requested = 1  # grow by what is asked for, not by powers of two
    config = ort.OrtArenaCfg({"max_mem": MOST_MEMORY, "arena_extend_strategy": as_requested})
    try:
        ort.create_and_register_allocator(place, config)
    except Exception:  # as above
        return False
    return True


def _reason(error: Exception) -> str:
    text = str(error)
    if "Available memory of" in text:
        return f"it needs more than {MOST_MEMORY >> 30} GiB of memory"
    return (text.splitlines() or [type(error).__name__])[0][:LONGEST_REASON]
