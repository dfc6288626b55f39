"""No bad input hangs, crashes or is answered without naming the culprit; the document says what poma says."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from bad_input_cases import (
    ENGINES,
    FILES,
    SHEETS,
    EngineCase,
    FileCase,
    deseq2_results,
    document,
    edger_results,
    engine_answer,
    file_answer,
    sheet_answer,
    small_counts,
    small_design,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "bad-input.md"


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """End a test with an error after 30 seconds of work: PyDESeq2 is known to hang."""

    def give_up(*_: object) -> None:
        raise TimeoutError("30 seconds are over")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("case", FILES, ids=[case.case for case in FILES])
def test_files(case: FileCase) -> None:
    answer = file_answer(case)
    assert case.names in answer
    assert answer.startswith("S1.txt" if case.one_sample else "counts.tsv")


@pytest.mark.parametrize(
    ("columns", "samples", "names"), [case[1:] for case in SHEETS], ids=[case[0] for case in SHEETS]
)
def test_sheets(columns: list[str], samples: list[str], names: str) -> None:
    assert names in sheet_answer(columns, samples)


@pytest.mark.parametrize("engine", ["deseq2", "edger"])
@pytest.mark.parametrize("case", ENGINES, ids=[case.case for case in ENGINES])
def test_engines(case: EngineCase, engine: str) -> None:
    names = getattr(case, engine)
    answer = engine_answer(case, deseq2_results if engine == "deseq2" else edger_results)
    if names is None:
        assert answer.startswith("results for ")
        assert not answer.startswith("results for 0 ")
    else:
        assert names in answer
        assert not answer.startswith("results")


@pytest.mark.parametrize("run", [deseq2_results, edger_results])
def test_order_additional_samples_and_names_change_no_value(
    run: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame],
) -> None:
    counts, design = small_counts(), small_design()
    counts.iloc[:5, 3:] *= 4
    expected = run(counts, design)
    turned = counts[counts.columns[::-1]].assign(S9=1)
    pd.testing.assert_frame_equal(run(turned, design), expected)
    names = {name: f"{i} ä-{name}" for i, name in enumerate(counts.columns)}
    renamed = run(counts.rename(columns=names), design.rename(index=names, columns={"treatment[pom]": "1 x[-]"}))
    pd.testing.assert_frame_equal(renamed.drop(columns="reason"), expected.drop(columns="reason"))
    assert (expected.log2_fold_change[:5] > 0.5).all()


def test_the_document_is_what_poma_says() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), (
        "write it anew: python poma_assets_tests/science/bad_input_cases.py > docs/bad-input.md"
    )
