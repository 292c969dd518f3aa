"""``phnet harmonize FOLDER FOLDER -o FOLDER``: all that can be done is done, the rest is told."""

import json
import sys
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from phnet.batch.executors import ENGINES
from phnet.batch.file_worker import FileWorker, Settings
from phnet.batch.folders import read_manifest, work_through, write_manifest
from phnet.batch.matching import Item, match
from phnet.errors import BadInput, BadOutput
from phnet.options import HarmonizeOptions
from tests import onray
from tests.conftest import disc_mask, smooth_photo

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Run) -> Run:
    """Run ``phnet harmonize`` beside folders of three pictures and masks: status, out, err."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Path("composites").mkdir()
    Path("masks").mkdir()
    for name in ("a.png", "b.jpg", "c.png"):
        Image.fromarray(smooth_photo(rng, 64, 48)).save(f"composites/{name}")
        Image.fromarray(disc_mask(64, 48)).save(f"masks/{Path(name).stem}.png")

    return partial(command_line, "harmonize", "composites", "masks", "-o", "out")


def test_a_folder_is_harmonized(run: Run) -> None:
    status, out, err = run("--jobs", 2)
    assert (status, out, err) == (0, "out: 3 harmonized, 0 failed\n", "")
    assert sorted(p.name for p in Path("out").iterdir()) == ["a.png", "b.jpg", "c.png"]
    before, after = (np.asarray(Image.open(f"{folder}/a.png")) for folder in ("composites", "out"))
    outside = disc_mask(64, 48) == 0
    np.testing.assert_array_equal(after[outside], before[outside])
    assert (after != before).any()


def test_a_failing_picture_stops_no_other(run: Run) -> None:
    Path("composites/b.jpg").write_bytes(b"no picture")
    Path("masks/c.png").unlink()
    status, out, err = run("--json", "--jobs", 2)
    assert status == 1
    summary = json.loads(out)
    assert (summary["done"], summary["skipped"], summary["failed"]) == (1, 0, 2)
    broken, lonely = summary["failures"]
    assert broken["composite"] == str(Path("composites/b.jpg"))
    assert "expected one mask c.*" in lonely["error"]
    assert [line.split(":")[0] for line in err.splitlines()] == ["phnet", "phnet"]
    assert [p.name for p in Path("out").iterdir()] == ["a.png"]


def test_resume_skips_what_is_done(run: Run) -> None:
    assert run()[0] == 0
    before = Path("out/a.png").stat().st_mtime_ns
    Path("out/c.png").unlink()
    left = Path("out/.c.0123abcd.tmp.png")  # of a run that was killed while it wrote
    left.write_bytes(b"half")
    assert run("--resume")[1] == "out: 1 harmonized, 2 skipped, 0 failed\n"
    assert not left.exists()
    assert Path("out/a.png").stat().st_mtime_ns == before
    assert Path("out/c.png").is_file()


def test_folders_that_cannot_be_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="found none"):
        match(tmp_path / "empty", None, tmp_path / "out")
    with pytest.raises(BadInput, match="expected a folder"):
        match(tmp_path / "composites", tmp_path / "missing", tmp_path / "out")
    with pytest.raises(BadOutput, match="another folder"):
        match(tmp_path / "composites", None, tmp_path / "composites")
    status, _, err = run("--save-lut", "look.cube")
    assert status == 2
    assert "--save-lut" in err


def test_two_composites_of_one_name_are_a_problem(run: Run) -> None:
    Image.new("RGB", (48, 64)).save("composites/a.jpg")
    status, _, err = run()
    assert status == 1
    assert "a.jpg, a.png" in err


def test_the_engines_give_the_same_bytes(run: Run) -> None:
    assert run()[0] == 0
    expected = contents(Path("out"))
    Path("masks/c.png").unlink()
    for name in ("a.png", "b.jpg"):
        Path("out", name).unlink()
    status, out, err = run("--engine", "processes", "--jobs", 2, "--threads", 1)
    assert (status, out) == (1, "out: 2 harmonized, 1 failed\n")
    assert "expected one mask c.*" in err
    assert contents(Path("out")) == expected


def test_nothing_is_left_of_an_actor_that_dies_while_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray goes on with another; files that are not of this run stay."""
    (tmp_path / "out").mkdir()
    stays = {".a.01234567.png", ".b.01234567.tmp.png", ".a.notes.tmp.png", "a.01234567.tmp.png"}
    for name in (*stays, ".a.01234567.tmp.png"):
        (tmp_path / "out" / name).write_bytes(b"half")

    def engine(*_: object) -> Generator[dict[str, Any]]:
        yield {"number": 0, "notes": []}

    monkeypatch.setitem(ENGINES, "ray", engine)
    item = Item(tmp_path / "a.png", tmp_path / "m.png", tmp_path / "out" / "a.png")
    outcomes = list(work_through([item], FileWorker, Settings(threads=1), engine="ray"))
    assert [outcome.state for outcome in outcomes] == ["done"]
    assert set(contents(tmp_path / "out")) == stays


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_worker_survives_what_nobody_foresaw(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr("phnet.batch.file_worker.check_output", fail)
    status, _, err = run()
    assert status == 1
    assert err.count("ZeroDivisionError: unforeseen") == 3


def test_a_wrong_model_is_one_sentence_on_every_engine(run: Run) -> None:
    for engine in ("threads", "processes"):
        status, out, err = run("--engine", engine, "--jobs", 2, "--model", "missing.onnx")
        assert (status, out) == (2, "")
        assert err == ("phnet: missing.onnx: expected an ONNX file, but there is no such file\n")


def test_ray_is_an_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    status, _, err = run("--engine", "ray")
    assert status == 2
    assert "'.[scale]'" in err
    assert not Path("out").exists()


def test_a_manifest_lists_what_there_is_to_do(run: Run, command_line: Run) -> None:
    assert run()[0] == 0
    lines = [
        {"composite": "composites/a.png", "mask": "masks/a.png"},
        {"composite": "composites/b.jpg", "mask": "masks/b.png", "output": "part/b.jpg"},
        {"composite": "composites/c.png", "mask": "masks/c.png", "output": "../c.png"},
        {"composite": "composites/c.png", "mask": "masks/c.png", "output": "a.png"},
    ]
    Path("todo.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    status, out, err = command_line("harmonize", "todo.jsonl", "-o", "listed")
    assert (status, out) == (1, "listed: 2 harmonized, 2 failed\n")
    assert "expected an output inside listed, got ../c.png" in err
    assert "a.png is taken by an earlier" in err
    for made, name in (("listed/a.png", "out/a.png"), ("listed/part/b.jpg", "out/b.jpg")):
        assert Path(made).read_bytes() == Path(name).read_bytes()
    assert not Path("c.png").exists()
    assert "2 skipped" in command_line("harmonize", "todo.jsonl", "-o", "listed", "--resume")[1]


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"composite": Infinity}',
        r'{"composite": "a\u0000.png"}',
        r'{"composite": "\ud800.png"}',
        '{"composite": ""}',
    ],
    ids=lambda line: line[:8],
)
def test_a_line_of_hostile_json_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "todo.jsonl").write_text(line)
    with pytest.raises(BadInput, match="line 1: expected"):
        read_manifest(tmp_path / "todo.jsonl", tmp_path / "out")


@pytest.mark.usefixtures("run")
def test_a_name_that_is_too_long_fails_alone(command_line: Run) -> None:
    lines = [{"composite": "composites/a.png", "output": name} for name in ("x" * 400, "a.png")]
    lines += [{"composite": "c" * 400 + ".png"}, {"composite": "composites/c.png", "output": "."}]
    lines += [{"composite": "composites/c.png", "output": "d/" * 3000 + "a.png"}]
    for line in lines:
        line["mask"] = "masks/a.png"
    Path("todo.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for more in ([], ["--resume"]):
        status, out, err = command_line("harmonize", "todo.jsonl", "-o", "out", *more)
        assert (status, "4 failed" in out) == (1, True), out + err
        assert "Traceback" not in err
    assert [path.name for path in Path("out").iterdir()] == ["a.png"]


def test_a_link_in_the_folder_of_results_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "other")
    (tmp_path / "out" / "b.png").symlink_to(tmp_path / "other" / "b.png")
    (tmp_path / "out" / "loop").symlink_to(tmp_path / "out" / "loop")
    names = ["sub/a.png", "b.png", "loop/a.png", "fine/a.png"]
    lines = [json.dumps({"composite": "in/a.png", "output": name}) for name in names]
    (tmp_path / "todo.jsonl").write_text("\n".join(lines))
    items = read_manifest(tmp_path / "todo.jsonl", tmp_path / "out")
    assert [bool(item.problem) for item in items] == [True, True, True, False]
    assert "but a link leads to" in str(items[0].problem)


@pytest.mark.usefixtures("run")
def test_a_manifest_that_is_written_can_be_read(tmp_path: Path) -> None:
    Path("masks/b.png").unlink()
    items = match(tmp_path / "composites", tmp_path / "masks", tmp_path / "out")
    (tmp_path / "out").mkdir()
    manifest = write_manifest(items, tmp_path / "out")
    assert manifest == tmp_path / "out" / "manifest.jsonl"
    assert read_manifest(manifest, tmp_path / "out") == [items[0], items[2]]


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "but it is empty"),
        ("no json", "line 1: expected"),
        ('\n{"mask": "m.png"}', "line 2: expected"),
        ('{"composite": 3}', "line 1: expected"),
        ("[1]", "line 1: expected"),
        ('{"composite": "out/a.png"}', "expected another folder than those that are read"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(command_line: Run, text: str, sentence: str) -> None:
    Path("todo.jsonl").write_text(text)
    status, _, err = command_line("harmonize", "todo.jsonl", "-o", "out")
    assert status == 2
    assert sentence in err
    status, _, err = command_line("harmonize", "todo.jsonl", "masks", "-o", "out")
    assert "expected no masks beside a manifest" in err
    assert not Path("out").exists()


@pytest.mark.parametrize("name", ["/a.png", "C:/a.png", "..\\a.png", "b/../../a.png", "\\a.png"])
def test_an_output_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    manifest = tmp_path / "todo.jsonl"
    manifest.write_text(json.dumps({"composite": "a.png", "output": name}))
    (item,) = read_manifest(manifest, tmp_path / "out")
    assert item.problem
    assert "expected an output inside" in item.problem


RAY_WITH_A_KILLED_ACTOR = """
import os, signal, sys
from pathlib import Path
from phnet.batch.folders import work_through, write_manifest
from phnet.batch.matching import match
from phnet.batch.file_worker import FileWorker, Settings
from phnet.options import HarmonizeOptions
from tests.onray import actors

composites, masks, output = map(Path, sys.argv[1:])
items = match(composites, masks, output)
settings = Settings(HarmonizeOptions(resolution=32), threads=1)
states, alive = [], set()
for outcome in work_through(items, FileWorker, settings, engine="ray", jobs=2):
    if not states:
        alive = sorted(actors())
        os.kill(alive[0], signal.SIGKILL)
    states.append(outcome.state)
    last = sorted(actors())
print(len(alive), states.count("done"), len(states), alive[0] in last)
"""


@pytest.fixture
def forty(tmp_path: Path) -> Path:
    """A folder with forty composites and their masks."""
    rng = np.random.default_rng(0)
    for folder in ("composites", "masks"):
        (tmp_path / folder).mkdir()
    for i in range(40):
        Image.fromarray(smooth_photo(rng, 80, 60)).save(tmp_path / f"composites/{i:02d}.png")
        Image.fromarray(disc_mask(80, 60)).save(tmp_path / f"masks/{i:02d}.png")
    return tmp_path


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds Ray's actors in /proc")
def test_ray_loses_nothing_when_an_actor_is_killed(forty: Path) -> None:
    """Two actors, one of them killed: the same bytes as from a pool of processes."""
    pytest.importorskip("ray")
    folders = [forty / name for name in ("composites", "masks", "out")]
    done = onray.run("-c", RAY_WITH_A_KILLED_ACTOR, *folders)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "2 40 40 False"  # Ray's words come before
    items = match(*folders[:2], forty / "expected")
    settings = Settings(HarmonizeOptions(resolution=32), threads=1)
    assert all(
        outcome.state == "done"
        for outcome in work_through(items, FileWorker, settings, engine="processes", jobs=2)
    )
    assert contents(forty / "out") == contents(forty / "expected")
    assert len(contents(forty / "out")) == 40


@pytest.mark.slow
def test_ray_from_the_command_line_writes_a_manifest_and_goes_on(forty: Path) -> None:
    pytest.importorskip("ray")
    (forty / "masks" / "03.png").unlink()
    out = forty / "out"
    arguments = ["-o", out, "--engine", "ray", "--jobs", 2, "--resolution", 32]
    whole = [forty / "composites", forty / "masks", *arguments, "--json"]
    done = onray.run("-m", "phnet", "harmonize", *whole)
    assert done.returncode == 1, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["done"], summary["failed"]) == (39, 1)
    before = contents(out)
    assert before.pop("manifest.jsonl").count(b"\n") == 39
    for name in ("00.png", "11.png"):
        (out / name).unlink()
    done = onray.run("-m", "phnet", "harmonize", out / "manifest.jsonl", *arguments, "--resume")
    assert done.stdout == f"{out}: 2 harmonized, 37 skipped, 0 failed\n", done.stderr
    after = contents(out)
    after.pop("manifest.jsonl")
    assert after == before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
def test_a_thousand_pictures_need_no_more_memory_than_a_hundred(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "m.png"), disc_mask(80, 96))
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"{i}.png"), smooth_photo(rng, 80, 96))

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    items = [
        Item(tmp_path / f"{i % 4}.png", tmp_path / "m.png", tmp_path / f"out{i}.png")
        for i in range(1000)
    ]

    settings = Settings(HarmonizeOptions(resolution=32), threads=1)
    after_hundred = 0
    for number, outcome in enumerate(work_through(items, FileWorker, settings), 1):
        assert outcome.state == "done", outcome.sentence
        outcome.item.output.unlink()
        if number == 100:
            after_hundred = resident()
    assert resident() < after_hundred * 1.05
