from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from poma_assets import up_to_date
from poma_assets.cli.main import finished_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for name in ("poma.yaml", "samples.tsv", "reads/S1.fastq", "results/counts.tsv"):
        path = tmp_path / "study" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "study"


def stamp(study: Path, began_ns: int | None = None) -> bool:
    return up_to_date.stamp(
        study / "results",
        folders=[study],
        inputs=[study / "reads" / "S1.fastq", study / "elsewhere" / "overrides.tsv"],
        outputs=[study / "results" / "counts.tsv", study / "results" / "warehouse.duckdb.undo"],
        began_ns=time.time_ns() + 1 if began_ns is None else began_ns,
    )


def test_nothing_touched_is_up_to_date(study: Path) -> None:
    assert not up_to_date.is_up_to_date(study / "results")
    assert stamp(study)
    assert up_to_date.is_up_to_date(study / "results")
    (study / "results" / "a_log_of_the_day.txt").write_text("not an output of a step")
    assert up_to_date.is_up_to_date(study / "results")
    up_to_date.remove(study / "results")
    assert not up_to_date.is_up_to_date(study / "results")


@pytest.mark.parametrize(
    "change",
    [
        lambda study: (study / "poma.yaml").write_text("other content, other size"),
        lambda study: (study / "samples.tsv").write_text("samples.tsv"),  # the same text, at another time
        lambda study: (study / "reads" / "S1.fastq").unlink(),
        lambda study: (study / "qc_overrides.tsv").write_text("a file that was not there"),
        lambda study: ((study / "elsewhere").mkdir(), (study / "elsewhere" / "overrides.tsv").write_text("new")),
        lambda study: (study / "results" / "counts.tsv").unlink(),
        lambda study: (study / "results" / "warehouse.duckdb.undo").write_text("left by a killed writer"),
        lambda study: os.replace(study / "poma.yaml", study / "poma.yml"),
        lambda study: (study / "results" / ".up_to_date.json").write_text("{"),
        lambda study: (study / "results" / ".up_to_date.json").write_text("[]"),
    ],
)
def test_any_touched_file_ends_it(study: Path, change: Callable[[Path], object]) -> None:
    assert stamp(study)
    change(study)
    assert not up_to_date.is_up_to_date(study / "results")


def test_a_copy_of_the_study_is_not_vouched_for(study: Path, tmp_path: Path) -> None:
    assert stamp(study)
    copy = Path(shutil.copytree(study, tmp_path / "copy"))
    assert not up_to_date.is_up_to_date(copy / "results")
    assert up_to_date.is_up_to_date(study / "results")


def test_other_surroundings_end_it(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stamp(study)
    monkeypatch.setattr(up_to_date, "_SURROUNDINGS", {"PATH": "/elsewhere"})
    assert not up_to_date.is_up_to_date(study / "results")


def test_an_input_that_was_touched_while_it_may_have_been_read_forbids_the_stamp(study: Path) -> None:
    began_ns = time.time_ns() - 10**9
    for untouched in ("poma.yaml", "samples.tsv", "reads/S1.fastq"):
        os.utime(study / untouched, (1, 1))
    assert not stamp(study, began_ns)  # by its change time: a copy may keep the time of modification
    assert not up_to_date.is_up_to_date(study / "results")


@pytest.mark.parametrize(
    ("arguments", "is_seen_at_once"),
    [
        (["run", "--study", "STUDY"], True),
        (["run", "--jobs", "4", "--study", "STUDY"], True),
        (["run", "--study", "STUDY", "--jobs", "many"], False),
        (["run", "--study", "STUDY", "--jobs"], False),
        (["run", "--study", "STUDY", "--htseq"], False),
        (["run", "--study", "STUDY", "--samples", "S1"], False),
        (["plan", "--study", "STUDY"], False),
        (["run", "--study", "STUDY/reads"], False),
    ],
)
def test_only_a_run_of_the_whole_study_is_answered_by_the_stamp(
    study: Path, arguments: list[str], is_seen_at_once: bool
) -> None:
    stamp(study)
    found = finished_study([argument.replace("STUDY", str(study)) for argument in arguments])
    assert found == (study if is_seen_at_once else None)


def test_a_stamp_that_cannot_be_written_is_none(study: Path) -> None:
    (study / "results" / ".up_to_date.json.new").mkdir()  # as good as a full disk: it cannot be opened for writing
    assert not stamp(study)
    assert not up_to_date.is_up_to_date(study / "results")
