from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.count_validation import align_samples, validate_counts, whole_counts
from poma_assets.science.errors import CountsError

COUNTS = pd.DataFrame({"b": [0, 5], "a": [2.0, 7.0], "c": [0, 0]}, index=pd.Index(["g1", "g2"], name="gene_id"))


def test_counts_are_aligned_by_name() -> None:
    aligned = validate_counts(COUNTS, ["a", "b"])
    assert aligned.to_dict("list") == {"a": [2, 7], "b": [0, 5]}
    assert set(aligned.dtypes.astype(str)) == {"int64"}


def refused(counts: pd.DataFrame, samples: Sequence[str] = "ab") -> str:
    with pytest.raises(CountsError) as caught:
        validate_counts(counts, list(samples))
    return str(caught.value)


@pytest.mark.parametrize(
    ("counts", "samples", "message"),
    [
        (COUNTS.assign(a=[0, -3]), "ab", "gene g2, sample a: a count is negative (found -3;"),
        (COUNTS.assign(a=[np.nan, np.nan]), "ab", "gene g1, sample a: a count is missing (found it and 1 more"),
        (COUNTS.assign(b=[1, np.inf]), "ab", "gene g2, sample b: a count is infinite (found inf;"),
        (COUNTS.assign(b=[1.5, 2]), "ab", "gene g1, sample b: counts with decimals: they look like estimated"),
        (COUNTS.assign(b=["x", "y"]), "ab", "gene g1, sample b: a count is not a number (found 'x')"),
        (COUNTS.assign(b=[1, 2.0**53]), "ab", "gene g2, sample b: a count is too large"),
        (COUNTS.assign(b=[1, 2**53]), "ab", "gene g2, sample b: a count is too large"),
        (COUNTS, "abc", "there are samples without a single count (found no fragment in sample c;"),
        (COUNTS * 0, "abc", "every count is 0 (found no fragment in samples a, b, c;"),
        (COUNTS, "abd", "samples of the design are not in the count matrix (found no counts for sample d;"),
        (COUNTS, "aba", "a sample of the design is there twice (found a;"),
        (COUNTS.set_axis(["g", "g"]), "ab", "a gene is there twice (found g;"),
        (COUNTS.set_axis(["a", "a", "b"], axis=1), "ab", "a sample is there twice (found a;"),
        (COUNTS.iloc[:0], "ab", "the count matrix is empty (found 0 genes, 3 samples;"),
    ],
)
def test_bad_counts_are_refused_in_words(counts: pd.DataFrame, samples: str, message: str) -> None:
    assert message in refused(counts, samples)


@pytest.mark.parametrize(
    ("values", "looks"),
    [
        ([[999999.5, 400000.25], [0.5, 599999.75]], "every sample sums to 1,000,000, as TPM and CPM do"),
        ([[1.5, 2.5], [14.2, 0.0]], "values with decimals of at most 14.2 look like logarithms"),
        ([[-1.5, 2.5], [14.2, 0.0]], "values below 0 with decimals look like log ratios"),
    ],
)
def test_other_units_are_named_and_never_rounded(values: list[list[float]], looks: str) -> None:
    frame = pd.DataFrame(values, index=["g1", "g2"], columns=["a", "b"])
    assert f"gene g1, sample a: these are not counts: {looks}" in refused(frame)
    with pytest.raises(CountsError, match=looks):
        whole_counts(frame, place=lambda gene, sample: f"{gene}/{sample}", round_fractional=True)


def test_rounding_is_told_with_its_largest_change() -> None:
    frame = pd.DataFrame({"a": [100.4, 7.0], "b": [50.5, 33.0]}, index=["g1", "g2"])
    rounded = whole_counts(frame, place=lambda gene, sample: f"{gene}/{sample}", where="m", round_fractional=True)
    assert rounded.counts.to_dict("list") == {"a": [100, 7], "b": [50, 33]}
    assert rounded.notes == (
        "m: 2 of 4 counts had decimals and were rounded to whole numbers; the largest change is 0.5 (0/1)",
    )


def test_whole_numbers_that_sum_to_a_million_are_a_note_only() -> None:
    frame = pd.DataFrame({"a": [999_000, 1_000], "b": [500_100, 500_000]})
    assert "rounded TPM or CPM" in whole_counts(frame, place=lambda g, s: "").notes[0]
    assert whole_counts(frame * 2, place=lambda g, s: "").notes == ()


def test_matrix_and_sheet_are_aligned_by_name() -> None:
    aligned = align_samples(COUNTS, ["a", "b"], source="m.tsv")
    assert aligned.counts.to_dict("list") == {"a": [2, 7], "b": [0, 5]}
    assert aligned.notes == ("m.tsv: a column is not in the sample sheet and left out: c",)


@pytest.mark.parametrize(
    "column",
    [
        *("/data/bam/{}.bam", "{}.sorted.bam", "{}Aligned.sortedByCoord.out.bam", "run/{}.Aligned.out.sam"),
        *("{}_Aligned.sortedByCoord.out.bam", r"C:\bam\{}.BAM", "{}.markdup.sorted.bam"),
    ],
)
def test_columns_named_by_bam_files_are_matched_by_file_name(column: str) -> None:
    frame = pd.DataFrame([[1, 2, 3]], ["g"], [column.format(name) for name in ("S2", "S1", "S10")])
    aligned = align_samples(frame, ["S1", "S2"], source="m.tsv")
    assert aligned.counts.to_dict("list") == {"S1": [2], "S2": [1]}
    assert aligned.notes == (
        f"m.tsv: columns were matched with samples by their file names: {column.format('S1')} is S1, "
        f"{column.format('S2')} is S2",
        f"m.tsv: a column is not in the sample sheet and left out: {column.format('S10')}",
    )


@pytest.mark.parametrize("columns", [["a/S1.bam", "b/S1.bam", "S2.bam"], ["S1", "a/S1.bam", "S2.bam"], ["a/S1.bam"]])
def test_file_names_that_do_not_tell_the_samples_apart_match_nothing(columns: list[str]) -> None:
    with pytest.raises(CountsError, match="lacks samples of the sheet"):
        align_samples(pd.DataFrame(0, ["g"], columns), ["S1", "S2"], source="m.tsv")


def test_a_transposed_matrix_is_called_transposed() -> None:
    turned = pd.DataFrame(1, ["S1", "S2", "S3"], ["MYC", "IRF4", "IKZF1", "IKZF3", "KRAS"])
    with pytest.raises(CountsError) as caught:
        align_samples(turned, ["S1", "S2", "S3"], source="m.tsv")
    assert str(caught.value) == (
        "m.tsv: the count matrix is transposed: samples stand in the rows and genes in the columns (found the rows S1, "
        "S2, S3; the columns MYC, IRF4, IKZF1, IKZF3, ... (5 in all); expected genes in rows and one "
        "column for each sample). Turn the table round, in R by t(counts), in a spreadsheet by pasting it transposed"
    )
    with pytest.raises(CountsError, match="lacks samples of the sheet"):
        align_samples(turned, ["S1", "S4", "S5"], source="m.tsv")


def test_the_column_of_another_sample_is_never_proposed() -> None:
    columns = ["MM1S_pom_24h_1", "MM1S_pom_24h_2"]
    with pytest.raises(CountsError) as caught:
        align_samples(pd.DataFrame(0, ["g"], columns), [*columns, "MM1S_pom_24h_3"], source="m.tsv")
    assert caught.value.fix == "Correct the names, or take the samples out of the sheet"
    assert "Did you mean" not in refused(COUNTS.set_axis(["Sa", "Sb", "Sc"], axis=1), ["Sa", "Sb", "Sc", "Sd"])
    with pytest.raises(CountsError) as caught:
        align_samples(pd.DataFrame(0, ["g"], columns), [columns[0], "MM1S_pom_24h_3"], source="m.tsv")
    assert "Did you mean" not in str(caught.value)
    with pytest.raises(CountsError, match="Did you mean 'MM1S_pom_24h_x3' by 'MM1S_pom_24h_3'"):
        align_samples(
            pd.DataFrame(0, ["g"], [*columns, "MM1S_pom_24h_x3"]), [*columns, "MM1S_pom_24h_3"], source="m.tsv"
        )


def test_nearly_all_values_with_decimals_are_doubted() -> None:
    values = np.random.default_rng(1).uniform(100, 900, (300, 3))
    values[0, :2] = 7
    frame = pd.DataFrame(values, columns=list("abc"))

    def note(share_whole: float) -> str:
        changed = frame.copy()
        changed.iloc[: int(share_whole * 300)] = changed.iloc[: int(share_whole * 300)].round()
        return whole_counts(changed, place=lambda g, s: "x", round_fractional=True).notes[0]

    assert "898 of 900 counts had decimals" in note(0)
    assert "WARNING: 100% of the values above 0 had decimals, but estimated counts of RSEM" in note(0)
    assert "WARNING" not in note(0.2)


@pytest.mark.parametrize(
    ("column", "sample", "advice"),
    [
        ("S.1", "S-1", "'S.1' is what R makes of 'S-1'"),
        ("X1_S", "1_S", "'X1_S' is what R makes of '1_S'"),
        ("Sample1", "sample1", "Did you mean 'Sample1' by 'sample1'?"),
    ],
)
def test_a_sample_that_the_matrix_lacks(column: str, sample: str, advice: str) -> None:
    with pytest.raises(CountsError) as caught:
        align_samples(pd.DataFrame({column: [1]}), [sample], source="m.tsv")
    assert str(caught.value).startswith(
        f"m.tsv: the count matrix lacks samples of the sheet (found no column {sample}; expected"
    )
    assert advice in str(caught.value)
