"""Counting by featureCounts (Subread, GPL-3; Liao 2014, doi:10.1093/bioinformatics/btt656)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from poma_assets.science.count_tables import parse_featurecounts, parse_featurecounts_summary
from poma_assets.science.errors import ToolError
from poma_assets.storage.staging import move_into_place, work_folder
from poma_assets.tools.command import CommandRecord, no_output_error, run_command
from poma_assets.tools.versions import tool_version

_STRAND = {"unstranded": "0", "forward": "1", "reverse": "2"}
_GENES_LOADED = re.compile(r"Meta-features\s*:\s*(\d+)")


def run_featurecounts(
    bam: Path,
    annotation: Path,
    output: Path,
    *,
    strandedness: Literal["unstranded", "forward", "reverse"],
    paired: bool,
    threads: int,
    log_path: Path,
) -> CommandRecord:
    """Count fragments per gene over exons; multi-mapped and ambiguous fragments are left out.

    Parameters
    ----------
    annotation
        GTF, plain or .gz.
    output
        The table; ``<output>.summary`` is written beside it. Both appear only when complete.
    paired
        Count pairs (``-p --countReadPairs``; from version 2.0.2 on ``-p`` alone counts reads) that have both
        ends aligned (``-B``) to one chromosome and not chimeric (``-C``).

    Raises
    ------
    ToolError, CountsError
        featureCounts failed or its output is not complete.
    """
    with work_folder(output) as folder:
        made = folder / output.name
        summary = folder / f"{output.name}.summary"
        argv: list[str | Path] = ["featureCounts", "-T", str(threads), "-s", _STRAND[strandedness]]
        argv += ["-p", "--countReadPairs", "-B", "-C"] if paired else []
        argv += ["-t", "exon", "-g", "gene_id", "--tmpDir", folder, "-a", annotation, "-o", made, bam]
        record = run_command(argv, log_path=log_path, tool="featureCounts", version=tool_version("featureCounts"))
        _check_table(made, summary, output, log_path)
        move_into_place({summary: output.with_name(summary.name), made: output})
    return record


def _check_table(made: Path, summary: Path, output: Path, log_path: Path) -> None:
    """Compare the table with its summary and with the number of genes that the log tells."""
    try:
        counts = parse_featurecounts(made.read_text(), source=str(output))
        assigned = parse_featurecounts_summary(summary.read_text(), source=f"{output}.summary")["Assigned"]
    except OSError as error:
        raise no_output_error("featureCounts", f"table {output.name}", output.parent, log_path) from error
    genes = _GENES_LOADED.search(log_path.read_text(errors="replace"))
    found = (len(counts), int(counts.sum()))
    expected = (int(genes.group(1)) if genes else len(counts), assigned)
    if found != expected:
        raise ToolError(
            "the table of featureCounts is not complete",
            where=str(output),
            found=f"{found[0]} genes with {found[1]} fragments",
            expected=f"{expected[0]} genes with {expected[1]} fragments",
            fix="Count the sample again; the disk may be full.",
        )
