"""Long names and what is left of writing them."""

import os
from pathlib import Path

import pytest

from phnet.errors import BadOutput
from phnet.files import check_place, json_of, replacing, sweep, write_bytes

LONG = ["x" * 251 + ".png", "人" * 83 + ".png", "x" * 255, "é" * 125 + ".jpeg"]


@pytest.mark.parametrize("name", LONG)
def test_a_name_as_long_as_the_file_system_takes_is_written(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    write_bytes(target, b"content")
    assert target.read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", [*LONG, "short.png"])
def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    with replacing(target) as temporary:
        temporary.write_bytes(b"content")
        left = tmp_path / temporary.name
        content = temporary.read_bytes()
    left.write_bytes(content)  # as if it was killed before the renaming
    other = tmp_path / ".other.01234567.tmp.png"
    other.write_bytes(b"of somebody else")
    sweep([target])
    assert {path.name for path in tmp_path.iterdir()} == {name, other.name}


def test_a_name_that_is_too_long_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadOutput, match="cannot be written"):
        write_bytes(tmp_path / ("x" * 300 + ".png"), b"")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("[" * 70 + "]" * 70, "nested too deeply"),
        ('{"a": Infinity}', "the number Infinity"),
        ("[-1e999]", "the number -inf"),
        ("[NaN]", "the number NaN"),
        (r'["\u0000"]', "NUL or half a surrogate"),
        (r'{"\ud800": 1}', "NUL or half a surrogate"),
        ("9" * 5000, "it is no JSON|integer string"),
        ("{", "it is no JSON"),
        (b"\xff\xfe", "codec|no JSON"),
        ("[" + "1," * 600_000 + "1]", "more than 1048576 characters"),
    ],
    ids=lambda text: str(text)[:12],
)
def test_json_that_other_code_would_stumble_over_is_refused(text: str | bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        json_of(text)


def test_json_is_read() -> None:
    assert json_of(r'{"a": [1, 2.5, "\ud83d\ude00", null]}') == {"a": [1, 2.5, "😀", None]}
    assert json_of("[" * 60 + "]" * 60)


def test_a_link_is_followed_and_pipes_and_loops_are_refused(tmp_path: Path) -> None:
    real, link, pipe, loop = (tmp_path / name for name in ("real", "link", "pipe", "loop"))
    real.write_bytes(b"old")
    link.symlink_to(real)
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    for path, said in ((pipe, "it is a pipe"), (loop, "cannot be written|broken link")):
        with pytest.raises(BadOutput, match=said):
            write_bytes(path, b"new")
        with pytest.raises(BadOutput, match=said):
            check_place(path)
    assert pipe.is_fifo()
    assert {path.name for path in tmp_path.iterdir()} == {"real", "link", "pipe", "loop"}
