"""300 hostile files: a sentence or what was asked for, and pictures that can be read again."""

from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("av")

check = pytest.importorskip("tests.fuzz.check", reason="needs the module resource")
COUNT = 300


def test_hostile_files_get_a_sentence_or_are_read(tmp_path: Path) -> None:
    said = {seed: check.tried(seed, tmp_path) for seed in range(COUNT)}
    # Memory is of this whole process here; python -m tests.fuzz.check measures it alone.
    wrong = {seed: text for seed, text in said.items() if text.removesuffix("took more than 2 GB")}
    assert not wrong


def test_a_seed_makes_the_same_file_and_most_are_of_a_kind_of_their_own() -> None:
    made = [check.case(seed) for seed in range(80)]
    assert made == [check.case(seed) for seed in range(80)]
    assert len({content for _, _, content in made}) > 75
