"""Long names and what is left of writing them."""

from pathlib import Path

import pytest

from phnet.errors import BadOutput
from phnet.files import replacing, sweep, write_bytes

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
