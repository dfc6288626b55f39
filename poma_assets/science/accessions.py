"""Accessions of public sequencing reads: which ones a sample sheet may name, and what to write instead of others.

The form alone; what an archive says of an accession is read in ``ena_report``.
"""

from __future__ import annotations

import re

from poma_assets.science.errors import InputError

EXPECTED = "a run (SRR, ERR, DRR), an experiment (SRX, ERX, DRX) or a sample (SRS, ERS, DRS, SAMN, SAMEA, SAMD)"

_READS = re.compile(r"[SED]R[RXS]\d{6,10}|SAMN\d{6,10}|SAMEA\d{5,10}|SAMD\d{8,10}")
_RUN = re.compile(r"[SED]RR\d{6,10}")
_OTHERS = (
    (
        re.compile(r"PRJ[A-Z]{2}\d+|[SED]RP\d+"),
        "a project holds many samples",
        "Write the run accessions (SRR...) of the project, each in the row of its sample; the project's page in the "
        "ENA browser lists them",
    ),
    (
        re.compile(r"GS[EM]\d+"),
        "GEO holds no reads of its own",
        "Write the SRX or SRR accession that GEO's page of the sample (GSM) names under 'SRA'",
    ),
    (
        re.compile(r"[SED]R[AZ]\d+"),
        "a submission or an analysis is not the reads of one sample",
        "Write the run accession (SRR...) of the sample",
    ),
    (
        re.compile(r"EGA[A-Z]?\d+|phs\d+.*", re.IGNORECASE),
        "its reads are under controlled access",
        "Fetch the files with your own permission, and name them in fastq_1 and fastq_2",
    ),
)


def is_run(accession: str) -> bool:
    """Whether an accession is one sequencing run."""
    return _RUN.fullmatch(accession) is not None


def check_accession(text: str, *, where: str, error: type[InputError]) -> None:
    """Refuse what is no accession of reads.

    Parameters
    ----------
    text
        As written in the sheet.
    where
        File, line and column, for the message.
    error
        The error to raise.

    Raises
    ------
    InputError
        As the given class, saying what to write instead.
    """
    if _READS.fullmatch(text):
        return
    if _READS.fullmatch(text.upper()):
        raise error(
            "the accession is not in capital letters",
            where=where,
            found=repr(text),
            expected=EXPECTED,
            fix=f"Write {text.upper()}",
        )
    for pattern, reason, fix in _OTHERS:
        if pattern.fullmatch(text.upper()):
            raise error(f"{text} names no reads: {reason}", where=where, found=repr(text), expected=EXPECTED, fix=fix)
    several = re.fullmatch(r"\w+(?:[;,|\s]+\w+)+", text) is not None
    raise error(
        "the cell holds several accessions" if several else "this is no accession of reads",
        where=where,
        found=repr(text),
        expected=EXPECTED,
        fix="Write one row for each run, with the same sample name" if several else "Look for missing or added digits",
    )
