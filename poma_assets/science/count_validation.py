"""The checks that counts must pass before any engine, normalisation or table sees them, in one place.

Everything that would make an engine hang, crash or answer a wrong question is refused here, in words. Reading
text is in ``whole_number_table`` and ``count_tables``; whether a design can be fitted, in
``differential_expression.inputs``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.science.errors import CountsError
from poma_assets.science.tables import listing, near_miss

LARGEST_COUNT = 2**53
"""From here on a number with floating point is no longer exact."""

RAW_COUNTS = "raw counts: whole, non-negative numbers"
_GIVE_RAW = "Give raw counts, neither normalised nor logarithms"
_LARGEST_LOG = 30.0
_MILLION = 1e6
_MILLION_TOLERANCE = 1e-3
_MOSTLY_FRACTIONAL, _ENOUGH_TO_JUDGE = 0.9, 100
_BAM_ENDING = re.compile(
    r"(?:[._-]?Aligned(?:\.sortedByCoord)?\.out|[._-](?:sorted|sort|markdup|dedup))*\.(?:bam|sam|cram)$", re.IGNORECASE
)

_LONGEST_NAME = 1000

Place = Callable[[int, int], str]
"""Words for the place of a value, from the positions of its gene and sample."""


@dataclass(frozen=True, eq=False)
class WholeCounts:
    """Whole counts (genes x samples, int64) and what was done to make them so, or looks odd in them."""

    counts: pd.DataFrame
    notes: tuple[str, ...]


def validate_counts(counts: pd.DataFrame, sample_ids: Sequence[str] | None = None) -> pd.DataFrame:
    """Check counts and align them by name with the samples of a design.

    Parameters
    ----------
    counts
        Genes x samples: index ``gene_id``, one column per sample; further samples are left out.
    sample_ids
        Samples of the design, in the order that is returned; default all columns as they are.

    Returns
    -------
    pandas.DataFrame
        Genes x ``sample_ids``, int64, names as text.

    Raises
    ------
    CountsError
        Missing or repeated samples, repeated or no genes, values that are no counts, samples without counts.
    """
    named = counts.rename(index=str, columns=str)
    wanted = [str(name) for name in (named.columns if sample_ids is None else sample_ids)]
    _require_names(named, wanted)
    aligned = named[wanted]

    def place(gene: int, sample: int) -> str:
        return f"gene {aligned.index[gene]}, sample {wanted[sample]}"

    whole = whole_counts(_numbers(aligned, place), place=place).counts
    empty = whole.columns[whole.sum(axis=0) == 0]
    if len(empty):
        raise CountsError(
            "every count is 0" if len(empty) == len(wanted) else "there are samples without a single count",
            found=f"no fragment in {_samples(empty)}",
            expected="counts in every sample",
            fix="Look at their alignment and strandedness, or take them out of the sheet or the contrast",
        )
    return whole


def align_samples(counts: pd.DataFrame, sample_ids: Sequence[str], *, source: str) -> WholeCounts:
    """Bring the columns of a given count matrix into the order of the sample sheet, by name.

    Parameters
    ----------
    counts
        Genes x samples, whole.
    sample_ids
        Samples of the sheet.
    source
        The file, for messages.

    Returns
    -------
    WholeCounts
        Genes x ``sample_ids``; notes name columns that the sheet does not have, and say if columns named by BAM
        files, as featureCounts writes them, were matched by file name.

    Raises
    ------
    CountsError
        A sample of the sheet has no column, or the matrix is transposed.
    """
    names = [str(name) for name in counts.columns]
    missing = [name for name in sample_ids if name not in names]
    notes = []
    by_file = _columns_by_file(names, sample_ids) if missing else {}
    if by_file:
        sample_of = {column: sample for sample, column in by_file.items()}
        shown = listing((f"{column} is {sample}" for column, sample in sample_of.items() if column != sample), 3)
        notes.append(f"{source}: columns were matched with samples by their file names: {shown}")
        names = [sample_of.get(name, name) for name in names]
    elif missing:
        _refuse_transposed(counts, sample_ids, source)
        raise CountsError(
            "the count matrix lacks samples of the sheet",
            where=source,
            found=f"no column {listing(missing)}",
            expected=f"one column for each sample of the sheet; the matrix has {listing(names)}",
            fix=_name_advice(missing, names, sample_ids),
        )
    wanted = set(sample_ids)
    additional = [name for name in names if name not in wanted]
    if additional:
        one = len(additional) == 1
        notes.append(
            f"{source}: {'a column is' if one else f'{len(additional)} columns are'} not in the sample sheet "
            f"and left out: {listing(additional)}"
        )
    return WholeCounts(counts.set_axis(names, axis=1)[list(sample_ids)], tuple(notes))


def whole_counts(
    numbers: pd.DataFrame, *, place: Place, where: str | None = None, round_fractional: bool = False
) -> WholeCounts:
    """Turn numbers into whole counts, or say what they look like instead.

    Parameters
    ----------
    numbers
        Genes x samples, integer or float columns.
    place
        Names the place of a value in messages.
    where
        The file, for notes.
    round_fractional
        Round estimated counts (RSEM, salmon, kallisto) to the nearest whole number. Values that are plainly
        of another unit (TPM, CPM, logarithms) are refused all the same.

    Returns
    -------
    WholeCounts
        int64 with the same names; notes on rounding and on odd totals.

    Raises
    ------
    CountsError
        A missing, infinite, negative, too large or fractional value, with its place.
    """
    prefix = f"{where}: " if where else ""
    if all(kind.kind in "iu" for kind in numbers.dtypes):
        integers = numbers.to_numpy()
        _refuse(integers < 0, integers, place, "a count is negative")
        _refuse(integers >= LARGEST_COUNT, integers, place, "a count is too large to be a number of fragments")
        return WholeCounts(numbers.astype(np.int64), _odd_totals(integers, prefix))
    values = numbers.to_numpy(dtype=float)
    _refuse(np.isnan(values), values, place, "a count is missing", "Write 0 where nothing was counted")
    _refuse(np.isinf(values), values, place, "a count is infinite")
    fractional = values != np.floor(values)
    if fractional.any():
        _refuse_other_unit(values, fractional, place)
    _refuse(values < 0, values, place, "a count is negative")
    _refuse(values >= LARGEST_COUNT, values, place, "a count is too large to be a number of fragments")
    notes = _odd_totals(values, prefix)
    if fractional.any():
        if not round_fractional:
            raise _fractional(values, fractional, place)
        notes = (*notes, _rounding_note(values, fractional, place, prefix))
    whole = np.rint(values).astype(np.int64)
    return WholeCounts(pd.DataFrame(whole, index=numbers.index, columns=numbers.columns), notes)


def _numbers(counts: pd.DataFrame, place: Place) -> pd.DataFrame:
    """The frame with numeric columns; a cell that is no number is named."""
    converted = {}
    for sample, name in enumerate(counts.columns):
        column = counts[name]
        if column.dtype.kind not in "iuf":
            numbers = pd.to_numeric(column, errors="coerce")
            text = (numbers.isna() & column.notna()).to_numpy()
            if text.any():
                gene = int(np.argmax(text))
                raise CountsError(
                    "a count is not a number", where=place(gene, sample), found=repr(column.iloc[gene]), fix=_GIVE_RAW
                )
            column = pd.Series(numbers.to_numpy(dtype=float, na_value=np.nan), index=counts.index)
        converted[name] = column
    return pd.DataFrame(converted, index=counts.index)


def _require_names(counts: pd.DataFrame, wanted: Sequence[str]) -> None:
    if counts.empty:
        raise CountsError(
            "the count matrix is empty",
            found=f"{counts.shape[0]} genes, {counts.shape[1]} samples",
            expected="genes in rows and samples in columns",
        )
    for what, names in (("sample", counts.columns), ("gene", counts.index), ("sample of the design", pd.Index(wanted))):
        repeated = names[names.duplicated()].unique()
        if len(repeated):
            raise CountsError(
                f"a {what} is there twice",
                found=listing(repeated),
                expected=f"every {what} once",
                fix="Give one of the two another name, or leave it out",
            )
    missing = [name for name in wanted if name not in counts.columns]
    if missing:
        raise CountsError(
            "samples of the design are not in the count matrix",
            found=f"no counts for {_samples(missing)}",
            expected=f"samples among {listing(counts.columns)}",
            fix=_name_advice(missing, list(counts.columns), wanted),
        )


def _samples(names: Sequence[str] | pd.Index) -> str:
    return f"sample{'s' if len(names) > 1 else ''} {listing(names)}"


def _refuse_transposed(counts: pd.DataFrame, sample_ids: Sequence[str], source: str) -> None:
    rows = set(map(str, counts.index))
    in_rows = [name for name in sample_ids if name in rows]
    if 2 * len(in_rows) > len(sample_ids):
        raise transposed(source, listing(in_rows, 4), listing(counts.columns, 4))


def transposed(source: str, rows: str, columns: str) -> CountsError:
    """The error for a matrix with samples in rows; ``rows`` and ``columns`` are what stands there."""
    return CountsError(
        "the count matrix is transposed: samples stand in the rows and genes in the columns",
        where=source,
        found=f"the rows {rows}; the columns {columns}",
        expected="genes in rows and one column for each sample",
        fix="Turn the table round, in R by t(counts), in a spreadsheet by pasting it transposed",
    )


def _columns_by_file(names: Sequence[str], sample_ids: Sequence[str]) -> dict[str, str]:
    """The column of every sample by file name, ``/data/S1.sorted.bam`` of S1; none unless each has exactly one."""
    stems = [_BAM_ENDING.sub("", re.split(r"[/\\]", name)[-1][-_LONGEST_NAME:]) for name in names]
    if any(stems.count(sample) != 1 for sample in sample_ids):
        return {}
    return {sample: names[stems.index(sample)] for sample in sample_ids}


def _name_advice(missing: Sequence[str], names: Sequence[str], samples: Sequence[str]) -> str:
    """What to do about missing samples: R rewrites names (``make.names``), people misspell them.

    A column that belongs to another sample is never proposed.
    """
    names = [name for name in names if name not in set(samples)]
    for name in missing:
        if _as_r_writes(name) in names:
            return (
                f"{_as_r_writes(name)!r} is what R makes of {name!r}: write the table with check.names = FALSE, "
                "or use R's names in the sheet"
            )
    alike = near_miss(missing[0], [name for name in names if not _numbered_differently(name, missing[0])])
    hint = f"Did you mean {alike!r} by {missing[0]!r}? " if alike else ""
    return f"{hint}Correct the names, or take the samples out of the sheet"


def _numbered_differently(one: str, other: str) -> bool:
    """Whether two names are those of different replicates, times or doses and none is misspelt."""
    numbers = [[digits.lstrip("0") for digits in re.findall(r"\d+", name)] for name in (one, other)]
    return len(numbers[0]) == len(numbers[1]) and numbers[0] != numbers[1]


def _as_r_writes(name: str) -> str:
    changed = re.sub(r"[^\w.]", ".", name)
    return changed if re.match(r"[^\W\d_]|\.(?!\d)", changed) else f"X{changed}"


def _refuse(wrong: NDArray[np.bool_], values: NDArray[np.float64], place: Place, what: str, fix: str = "") -> None:
    if wrong.any():
        first = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        value = values[first]
        others = int(wrong.sum()) - 1
        shown = None if np.isnan(value) else f"{value:.16g}" if values.dtype.kind == "f" else str(value)
        if others:
            more = f"{others:,} more such value{'s' if others > 1 else ''}"
            shown = f"{shown}, and {more}" if shown else f"it and {more}"
        raise CountsError(
            what, where=place(int(first[0]), int(first[1])), found=shown, expected=RAW_COUNTS, fix=fix or _GIVE_RAW
        )


def _refuse_other_unit(values: NDArray[np.float64], fractional: NDArray[np.bool_], place: Place) -> None:
    """Name units that cannot be turned into counts by rounding."""
    totals = values.sum(axis=0)
    share = float(fractional.sum()) / max(1.0, float((values != 0).sum()))
    if (values < 0).any():
        looks = "values below 0 with decimals look like log ratios or centred values"
    elif np.allclose(totals, _MILLION, rtol=_MILLION_TOLERANCE):
        looks = "every sample sums to 1,000,000, as TPM and CPM do"
    elif values.max() < _LARGEST_LOG and share > 0.5:
        looks = f"values with decimals of at most {values.max():.3g} look like logarithms"
    else:
        return
    first = np.unravel_index(int(np.argmax(fractional | (values < 0))), values.shape)
    raise CountsError(
        f"these are not counts: {looks}",
        where=place(int(first[0]), int(first[1])),
        found=f"{values[first]:.10g}",
        expected=RAW_COUNTS,
        fix="Give the raw counts of the same data; they cannot be computed back from such values",
    )


def _fractional(values: NDArray[np.float64], fractional: NDArray[np.bool_], place: Place) -> CountsError:
    first = np.unravel_index(int(np.argmax(fractional)), values.shape)
    return CountsError(
        "counts with decimals: they look like estimated counts (RSEM, salmon, kallisto) or normalised ones",
        where=place(int(first[0]), int(first[1])),
        found=f"{values[first]:.10g}; values with decimals: {int(fractional.sum()):,} of {values.size:,}",
        expected=RAW_COUNTS,
        fix="Give raw counts, or write `round_counts: true` in poma.yaml if these are estimated counts",
    )


def _rounding_note(values: NDArray[np.float64], fractional: NDArray[np.bool_], place: Place, prefix: str) -> str:
    change = np.abs(values - np.rint(values))
    n_above_0 = int((values > 0).sum())
    share = fractional.sum() / max(1, n_above_0)
    doubt = ""
    if n_above_0 >= _ENOUGH_TO_JUDGE and share > _MOSTLY_FRACTIONAL:
        doubt = (
            f". WARNING: {share:.0%} of the values above 0 had decimals, but estimated counts of RSEM and salmon are "
            "whole numbers for many genes: these look like TPM or normalised counts of a part of the genes, for which "
            "the statistics are wrong; unless they are length-scaled counts of tximport, give raw counts"
        )
    gene, sample = (int(i) for i in np.unravel_index(int(np.argmax(change)), change.shape))
    return (
        f"{prefix}{int(fractional.sum()):,} of {values.size:,} counts had decimals and were rounded to whole "
        f"numbers; the largest change is {change[gene, sample]:.2g} ({place(gene, sample)}){doubt}"
    )


def _odd_totals(values: NDArray[np.float64], prefix: str) -> tuple[str, ...]:
    totals = values.sum(axis=0)
    if len(totals) < 2 or not np.allclose(totals, _MILLION, rtol=_MILLION_TOLERANCE):
        return ()
    return (
        f"{prefix}every sample sums to about 1,000,000: if these are rounded TPM or CPM, the statistics are wrong; "
        "give raw counts",
    )
