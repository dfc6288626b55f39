"""One report over all tools by MultiQC (GPL-3; Ewels 2016, doi:10.1093/bioinformatics/btw354)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from poma_assets.science.errors import NotEnoughDataError
from poma_assets.storage.staging import move_into_place, replace_folder, work_folder
from poma_assets.tools.command import CommandRecord, run_command
from poma_assets.tools.versions import tool_version

REPORT_NAME = "multiqc_report.html"
DATA_NAME = "multiqc_report_data"
# Else it asks a server for its newest version.
_OFFLINE = {"MULTIQC_NO_VERSION_CHECK": "true"}


def run_multiqc(
    search_dirs: Sequence[Path],
    output_dir: Path,
    *,
    title: str,
    log_path: Path,
    config: Mapping[str, Any] | None = None,
) -> CommandRecord:
    """Make ``multiqc_report.html`` and ``multiqc_report_data/`` in ``output_dir``.

    Parameters
    ----------
    search_dirs
        Folders (or files) to search for the reports of tools.
    config
        MultiQC's configuration, for example ``{"extra_fn_clean_exts": ["_raw"]}``.

    Raises
    ------
    ToolError
        MultiQC failed.
    NotEnoughDataError
        It found nothing to report.
    """
    with work_folder(output_dir) as folder:
        settings = folder / "multiqc_config.yaml"
        # JSON is YAML.
        settings.write_text(json.dumps({"no_version_check": True, **(config or {})}))
        argv: list[str | Path] = ["multiqc", "-q", "-f", "--no-ansi", "--title", title, "-c", settings]
        argv += ["--filename", REPORT_NAME, "-o", folder, *search_dirs]
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
