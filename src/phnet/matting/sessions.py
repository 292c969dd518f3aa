"""Networks in ONNX files, opened and run within bounds: all that is wrong gets one sentence.

A file from outside may ask for any memory and any time. Its sessions share an arena of bounded
size, and whoever waits for one goes on when its time is up. ONNX Runtime breaks a run off between
two operations; an operation that never ends keeps its thread until the process ends.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from phnet.errors import BadModel, BadOption
from phnet.options import NetworkOptions, cores

logger = logging.getLogger(__name__)

SECONDS_TO_OPEN = 60.0  # a network from outside; ours takes less than one
SECONDS_TO_RUN = 120.0
SECONDS_TO_END = 2.0  # for a run that was told to
MOST_MEMORY = 4 << 30  # bytes of all networks from outside together, in their arena
LONGEST_REASON = 200  # characters
CPU = "CPUExecutionProvider"

Result = TypeVar("Result")


def execution_providers(names: str | None) -> list[str]:
    """ONNX Runtime's names of the providers that are asked for and there, the CPU last.

    What is not there is told in a warning of the log, once for each process.

    Args:
        names: as :class:`phnet.options.NetworkOptions` has them, with or without
            "ExecutionProvider" at their ends; None: the CPU.

    Raises:
        BadOption: ONNX Runtime knows none of such a name.
    """
    import onnxruntime as ort

    NetworkOptions(providers=names)  # refuses what cannot be
    known = {_short(provider): provider for provider in ort.get_all_providers()}
    wanted = [_short(name) for name in names.split(",")] if names else []
    for name in wanted:
        if name not in known:
            raise BadOption(f"providers: expected some of {', '.join(sorted(known))}, got {name!r}")
    there = ort.get_available_providers()
    chosen = [known[name] for name in wanted if known[name] in there]
    if missing := [name for name in wanted if known[name] not in there]:
        _tell_missing(", ".join(missing), ", ".join(map(_short, chosen)) or "cpu")
    return [*(name for name in dict.fromkeys(chosen) if name != CPU), CPU]


def _short(provider: str) -> str:
    return provider.lower().removesuffix("executionprovider")


@cache
def _tell_missing(missing: str, instead: str) -> None:
    from importlib.metadata import packages_distributions

    import onnxruntime as ort

    there = ", ".join(map(_short, ort.get_available_providers()))
    brought = sorted(set(packages_distributions().get("onnxruntime", ())))
    hidden = f"; {' and '.join(brought)} hide each other: keep one" if len(brought) > 1 else ""
    logger.warning(
        "providers: %s cannot be had here (onnxruntime %s has %s%s): %s is used",
        *(missing, ort.__version__, there, hidden, instead),
    )


def open_session(
    content: bytes,
    path: Path,
    threads: int | None,
    *,
    outside: bool,
    providers: str | None = None,
) -> Any:
    """A session of ONNX Runtime.

    Args:
        content: the file's; weights in other files are not read.
        path: of the file, for sentences.
        threads: CPU threads; None leaves the choice to the runtime.
        outside: whether the file is none of ours; then its memory and time are bounded.
        providers: where it runs, see :func:`execution_providers`.

    Raises:
        BadModel: it is no ONNX network, or needs too much.
        BadOption: there is no such provider.
    """
    import onnxruntime as ort

    chosen = execution_providers(providers)
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
        session = ort.InferenceSession(
            content, options, providers=chosen, enable_fallback=int(chosen != [CPU])
        )
        # The runtime takes names that are no UTF-8, and fails where they are asked for.
        for each in (*session.get_inputs(), *session.get_outputs()):
            _ = each.name, each.shape
        _ = session.get_modelmeta().custom_metadata_map
        return session

    try:
        session = _within(SECONDS_TO_OPEN, made) if outside else made()
    except Exception as error:  # onnxruntime's own exceptions have no common base
        raise BadModel(f"{path}: expected an ONNX network, but {_reason(error)}") from error
    # A provider may be in the package and its driver not on the machine.
    if failed := [_short(name) for name in chosen if name not in session.get_providers()]:
        _tell_missing(", ".join(failed), "cpu")
    return session


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
