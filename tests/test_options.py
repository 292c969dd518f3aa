"""Options: checked when they are made, and written once for all doors."""

import inspect
import os
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from typer.main import get_command

import phnet
import phnet.video
from phnet import keywords, options
from phnet.cli import app
from phnet.compositing.composer import Composer
from phnet.errors import BadOption
from phnet.options import (
    ComposeOptions,
    HarmonizeOptions,
    LiveOptions,
    NetworkOptions,
    cores,
    options_of,
)
from scripts import options_tables

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "phnet"
PICTURE = np.full((32, 32, 3), 90, np.uint8)
MASK = np.zeros((32, 32), np.uint8)
MASK[8:24, 8:24] = 255


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"resolution": -5}, "resolution: expected a whole number between 16 and 4096, got -5"),
        ({"resolution": 64.5}, "resolution: expected a whole number"),
        ({"strength": 2.5}, "strength: expected a number between 0 and 2, got 2.5"),
        ({"strength": float("nan")}, "strength: expected a number between 0 and 2, got nan"),
        ({"strength": "1"}, "strength: expected a number between 0 and 2, got '1'"),
        ({"strength": None}, "strength: expected a number between 0 and 2, got None"),
        ({"lift": "cubic"}, "lift: expected auto, guided, lut or none, got 'cubic'"),
        ({"invert_mask": "no"}, "invert_mask: expected True or False, got 'no'"),
        (
            {"shine": 1},
            "shine: expected one of the options light, strength, exposure, warmth, lift,",
        ),
    ],
)
def test_python_refuses_what_the_command_line_refuses(
    options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadOption, match=re.escape(sentence)):
        phnet.harmonize(PICTURE, MASK, **options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"place": (1, 2)}, "place: expected x,y,scale, got (1, 2)"),
        ({"fit": "contain"}, "fit: expected cover, got 'contain'"),
        ({"foreground": "sharp"}, "foreground: expected blur-fusion, ml or none"),
    ],
)
def test_compose_refuses_likewise(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadOption, match=re.escape(sentence)):
        phnet.compose(PICTURE, PICTURE, mask=MASK, **options)


def test_threads_are_checked_too() -> None:
    with pytest.raises(BadOption, match="threads: expected a whole number of at least 1, got 0"):
        phnet.Harmonizer(threads=0)


def test_the_mask_can_be_inverted_in_python() -> None:
    np.testing.assert_array_equal(
        phnet.harmonize(PICTURE, 255 - MASK, invert_mask=True), phnet.harmonize(PICTURE, MASK)
    )


@pytest.mark.parametrize(
    ("command", "kinds"),
    [
        ("harmonize", (HarmonizeOptions, NetworkOptions)),
        ("compose", (ComposeOptions, NetworkOptions)),
        ("video", (LiveOptions,)),
    ],
)
def test_the_command_line_has_each_option_with_its_range(
    command: str, kinds: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["a.png"] if command == "video" else ["a.png", "b.png"]
    known = {one.name: one for one in get_command(app).commands[command].params}  # type: ignore[attr-defined]
    for one in [option for kind in kinds for option in options_of(kind)]:
        made = known[one.name]
        assert made.opts == [one.flag]
        assert made.default == one.default
        wrong = "other" if one.choices else None
        if one.about.low is not None:
            wrong = f"{one.about.low - 1:g}"
        if wrong:
            with pytest.raises(SystemExit) as ended:
                app([command, *arguments, "-o", "c.png", one.flag, wrong])
            assert ended.value.code == 2
            assert one.flag in capsys.readouterr().err


def test_no_choice_or_range_is_spelled_out_again() -> None:
    """Values of the lift beside each other, and a strength's or resolution's range or default."""
    copies = (
        r"""["']guided["'],? *(\||or|,) *["']lut["']""",
        r"guided, lut (or|and) none",
        r"""^ +strength: float = \d""",
        r"""lift: [\w."]+ = ["']""",
        r"blur-fusion.*\bml\b.*none",
    )
    places = [
        f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path != Path(inspect.getfile(HarmonizeOptions))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if any(re.search(copy, line) for copy in copies)
    ]
    assert places == []


def test_the_tables_in_the_docs_are_those_of_the_classes_and_doors() -> None:
    pytest.importorskip("fastapi")
    text = (ROOT / "docs" / "options.md").read_text("utf-8")
    assert options_tables.written(text) == text, "expected: python scripts/options_tables.py"
    assert options_tables.written(text.replace("`lift`", "`lifts`")) == text


def test_every_door_has_the_options_that_are_for_everyone() -> None:
    pytest.importorskip("fastapi")
    for command in ("harmonize", "compose"):
        for door, names in options_tables.doors(command, options_tables.KINDS[command]).items():
            assert {"light", "strength", "exposure", "warmth"} <= names, (command, door)
        found = options_tables.doors(command, options_tables.KINDS[command])
        for door in ("command line", "Python"):
            assert found[door] == {one.name for one in options_of(options_tables.KINDS[command])}


@pytest.mark.parametrize("name", [name for name in vars(keywords) if name.endswith("Keywords")])
def test_keywords_are_the_options(name: str) -> None:
    """Names and types that editors are told are those of the classes of options."""
    kind = getattr(options, name.replace("Keywords", "Options"))
    told = getattr(keywords, name)
    assert not told.__required_keys__
    assert get_type_hints(told) == get_type_hints(kind)


def test_public_calls_tell_their_keywords() -> None:
    for call, told in (
        (phnet.harmonize, keywords.HarmonizeKeywords),
        (phnet.Harmonizer.harmonize, keywords.HarmonizeKeywords),
        (phnet.compose, keywords.ComposeKeywords),
        (Composer.compose, keywords.SceneKeywords),
        (phnet.video.Live, keywords.LiveKeywords),
    ):
        (given,) = [
            p for p in inspect.signature(call).parameters.values() if p.kind is p.VAR_KEYWORD
        ]
        assert get_args(given.annotation) == (told,)


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({}, 64),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 64),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "20000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "nonsense\n"}, 64),
        (
            {
                "proc/self/cgroup": "9:memory:/\n4:cpu,cpuacct:/box\n",
                "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
    ],
)
def test_cores_are_those_that_the_process_may_use(
    files: dict[str, str], count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cores(tmp_path) == count


def test_nothing_asks_for_the_machines_cores_instead() -> None:
    places = [path for path in SOURCE.rglob("*.py") if "cpu_count" in path.read_text("utf-8")]
    assert places == [Path(inspect.getfile(HarmonizeOptions))]
    assert phnet.Harmonizer().threads == cores()


def test_choices_are_spelled_out_in_one_place() -> None:
    """The choices of the lift and of the others stand in phnet.options alone."""
    lists = {
        one.choices
        for kind in (HarmonizeOptions, ComposeOptions)
        for one in options_of(kind)
        if len(one.choices) > 2
    }
    assert lists
    copies = []
    for file in sorted(SOURCE.rglob("*")):
        if file.suffix not in (".py", ".js", ".html") or file.name == "options.py":
            continue
        text = file.read_text(encoding="utf-8")
        for choices in lists:
            quoted = [f"[\"'`]{re.escape(choice)}[\"'`]" for choice in choices]
            if found := re.search(r"\s*[,|]\s*".join(quoted), text):
                copies.append(f"{file.name}: {found[0]}")
    assert copies == []
