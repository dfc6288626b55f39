"""The study's own table of lines: read, refused with its place, and put over the shipped one."""

import pandas as pd
import pytest

from poma_assets.science.errors import ConfigError
from poma_assets.science.markers.cell_lines import CELL_LINE_COLUMNS, known_lines, merge_cell_lines, parse_cell_lines

HEADER = "cell_line\tsex\theavy_chain_gene\tlight_chain\ttranslocations\toutlier_genes\n"


@pytest.fixture(scope="module")
def identity_genes(marker_tables):
    return pd.read_csv(marker_tables / "sample_identity_genes.tsv", sep="\t", dtype=str)


@pytest.fixture(scope="module")
def read(identity_genes):
    return lambda text: parse_cell_lines(text, source="my_lines.tsv", identity_genes=identity_genes)


def test_the_shipped_table_passes_its_own_rules(read, marker_tables):
    frame = read((marker_tables / "cell_line_identity.tsv").read_text())
    assert tuple(frame.columns) == CELL_LINE_COLUMNS
    lines = known_lines(frame)
    assert lines["KMS-11"].outliers == {"NSD2", "MAF"}
    assert lines["OPM-2"].heavy_chain == ""


def test_own_rows_replace_shipped_ones_and_add_lines(read, marker_tables):
    shipped = read((marker_tables / "cell_line_identity.tsv").read_text())
    own = read(HEADER + "OPM-2\tF\tIGHG1\tlambda\tt(4;14)\tNSD2\nOurs\tM\t\tkappa\t\t-\n")
    lines = known_lines(merge_cell_lines(shipped, own))
    assert len(lines) == len(shipped) + 1
    assert lines["OPM-2"].heavy_chain == "IGHG1"
    assert (lines["Ours"].light_chain, lines["Ours"].heavy_chain, lines["Ours"].outliers) == ("kappa", "", frozenset())
    assert merge_cell_lines(shipped, None) is shipped


def test_only_the_name_must_be_there(read):
    assert known_lines(read("cell_line,light_chain\nOurs,kappa\n"))["Ours"].light_chain == "kappa"


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("line\tsex\nOurs\tF\n", "line 1", "cell_line"),
        (HEADER + "Ours\tF\tIGHA1\tlambda\t\t\nOurs\tF\t\t\t\t\n", "line 3, column cell_line", "twice"),
        (HEADER + "\tF\tIGHA1\tlambda\t\t\n", "line 2, column cell_line", "no name"),
        (HEADER + "Ours\tfemale\t\t\t\t\n", "line 2, column sex", "'female'"),
        (HEADER + "Ours\tF\tIGHA\t\t\t\n", "line 2, column heavy_chain_gene", "Is 'IGHA1' meant?"),
        (HEADER + "Ours\tF\t\tLambda\t\t\n", "line 2, column light_chain", "Is 'lambda' meant?"),
        (HEADER + "Ours\tF\t\t\tt(4;14)\tNSD2;WHSC1\n", "line 2, column outlier_genes", "'WHSC1'"),
    ],
)
def test_a_bad_table_is_refused_with_its_place(read, text, where, message):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert where in caught.value.where
    assert message in str(caught.value)
