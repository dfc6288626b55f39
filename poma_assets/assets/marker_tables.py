"""The shipped tables about markers and cell lines, and the study's own lines."""

import pandas as pd

from poma_assets.resources import StudyResource
from poma_assets.science.markers.cell_lines import merge_cell_lines, parse_cell_lines
from poma_assets.storage.package_data import data_file
from poma_assets.storage.text_files import read_text


def read_cell_lines(study: StudyResource) -> pd.DataFrame:
    """The shipped cell lines, with the study's own over them."""
    identity_genes = shipped_markers("sample_identity_genes.tsv")
    path, shipped = study.study.cell_lines_path, shipped_markers("cell_line_identity.tsv")
    if path is None:
        return shipped
    source = study.study.display(path)
    return merge_cell_lines(shipped, parse_cell_lines(read_text(path), source=source, identity_genes=identity_genes))


def shipped_markers(name: str) -> pd.DataFrame:
    """A shipped table of ``data/markers``, as texts."""
    return pd.read_csv(data_file("markers", name), sep="\t", dtype=str, comment="#")
