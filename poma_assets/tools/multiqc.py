"""One report over all tools by MultiQC (GPL-3; Ewels 2016, doi:10.1093/bioinformatics/btw354)."""

from __future__ import annotations

import glob
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from poma_assets.science.errors import NotEnoughDataError
from poma_assets.storage.staging import move_into_place, replace_folder, work_folder
from poma_assets.tools.command import CommandRecord, run_command
from poma_assets.tools.versions import tool_version

REPORT_NAME = "multiqc_report.html"
DATA_NAME = "multiqc_report_data"
# Else it asks a server for its newest version.
_OFFLINE = {"MULTIQC_NO_VERSION_CHECK": "true"}
_PRIVATE: Final = {
    "no_version_check": True,
    "no_ai": True,  # no buttons that send the data to a service
    "show_analysis_paths": False,
}

_READ_COLUMNS: Final = {"percent_duplicates": "dups", "percent_gc": "GC", "total_sequences": "seqs"}

_SAMPLE_NAMES: Final = {
    # Only what our own file names add to a sample's name is taken off. MultiQC's own list cuts `A.sorted` and
    # `DMSO_counts_1`, so that samples fall together.
    "fn_clean_exts": [
        {"type": "regex", "pattern": r"\.(Log\.final|ReadsPerGene)\.out(\.tab)?$", "module": "star"},
        {"type": "regex", "pattern": r"\.bam$", "module": "featurecounts"},
        {"type": "regex", "pattern": r"\.(cutadapt|fastp)\.json$", "module": ["cutadapt", "fastp"]},
    ],
    "fn_clean_trim": [],
    # The trimmers' reports name the FASTQ files; their own file names, the sample.
    "use_filename_as_sample_name": ["cutadapt", "fastp"],
    # `S1 R1`: a sample's id has no blank, so that nobody's sample `DMSO_R1` is taken for one file of a pair.
    "sample_names_replace_regex": True,
    "sample_names_replace": {r"^(.+)_(?:raw|trimmed)_(R[12])\.fastq(?:\.gz)?$": r"\1 \2"},
    "table_sample_merge": {read: [{"type": "regex", "pattern": f" {read}$"}] for read in ("R1", "R2")},
}


def report_layout(
    *, raw_quality: Path, trimmed_quality: Path, own_sections: Sequence[str] = (), left_out: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the configuration of a study's report: sections in the order of the protocol, samples by their ids.

    Parameters
    ----------
    raw_quality, trimmed_quality
        Folders with FastQC's reports of the reads before and after trimming: a section each.
    own_sections
        Names of sections of custom content, in their order; they come first.
    left_out
        Names of folders that are not searched, such as those of samples that were withdrawn.
    """
    stages = (("raw", "as sequenced", raw_quality), ("trimmed", "after trimming", trimmed_quality))
    names = {stage: f"FastQC, {stage} reads" for stage, *_ in stages}
    raw, trimmed = (
        {
            "fastqc": {
                "name": names[stage],
                "anchor": f"fastqc_{stage}",
                "info": f"Quality of the reads {when}.",
                "path_filters": [f"{glob.escape(str(folder))}/*"],
            }
        }
        for stage, when, folder in stages
    )
    return {
        **_SAMPLE_NAMES,
        "module_order": ["custom_content", raw, "cutadapt", "fastp", trimmed, "star", "featurecounts"],
        "custom_content": {"order": list(own_sections)},
        # Both have the same columns in the general statistics.
        "table_columns_name": {
            name: {key: f"{stage.capitalize()} {column}" for key, column in _READ_COLUMNS.items()}
            for stage, name in names.items()
        },
        "fn_ignore_dirs": ["multiqc_data", *left_out],
        "fn_ignore_paths": [],
    }


def run_multiqc(
    search_dirs: Sequence[Path],
    output_dir: Path,
    *,
    title: str,
    log_path: Path,
    modules: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
) -> CommandRecord:
    """Make ``multiqc_report.html`` and ``multiqc_report_data/`` in ``output_dir``.

    Parameters
    ----------
    search_dirs
        Folders (or files) to search for the reports of tools.
    modules
        Modules of MultiQC that look for something; all if empty, which takes longer.
    config
        MultiQC's configuration, for example from `report_layout`.

    Raises
    ------
    ToolError
        MultiQC failed.
    NotEnoughDataError
        It found nothing to report.
    """
    with work_folder(output_dir) as folder:
        settings = folder / "multiqc_config.yaml"
        # JSON is YAML. MultiQC writes the title into its page as it is, into a text of JavaScript, too.
        shown = {"title": html.escape(title).replace("\\", "&#92;")}
        settings.write_text(json.dumps({**_PRIVATE, **shown, **(config or {})}))
        argv: list[str | Path] = ["multiqc", "-q", "-f", "--no-ansi", "-c", settings]
        argv += ["--filename", REPORT_NAME, "-o", folder]
        argv += [word for module in modules for word in ("-m", module)]
        # Paths among its arguments it takes for patterns.
        searched = folder / "searched.txt"
        searched.write_text("".join(f"{path}\n" for path in search_dirs), encoding="utf-8")
        argv += ["--file-list", searched]
        record = run_command(
            argv, log_path=log_path, tool="MultiQC", version=tool_version("multiqc"), cwd=folder, env=_OFFLINE
        )
        if not (folder / REPORT_NAME).is_file():
            raise NotEnoughDataError(
                "MultiQC found nothing to report",
                where=", ".join(str(path) for path in search_dirs),
                fix=f"Run some samples first; its log is {log_path}.",
            )
        move_into_place({folder / REPORT_NAME: output_dir / REPORT_NAME})
        if (folder / DATA_NAME).is_dir():
            replace_folder(folder / DATA_NAME, output_dir / DATA_NAME)
    return record
