from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import anndata
import duckdb
import pandas as pd
import pytest
from warehouse_helpers import store, warehouse_in

from poma_assets.science.errors import InputError, StorageError
from poma_assets.science.spreadsheet_cells import harmless
from poma_assets.storage.exports import FORMATS, MANIFEST, export_study
from poma_assets.storage.schema import TABLES
from poma_assets.storage.warehouse import Warehouse

ABOUT = {"study": "made up\n# heading", "organism": "human"}
HOSTILE = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "plain", "-", "+", 'a "quoted", text\n=1']


def rows(table: str, *values: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame([{**dict.fromkeys(TABLES[table].column_names), **row} for row in values])


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Samples S10 (withdrawn from the matrix), S2 and S1; two genes, of which the annotation knows one."""
    made = warehouse_in(tmp_path_factory.mktemp("study"))
    counts = {("S1", "g1"): 5, ("S1", "g2"): 0, ("S2", "g1"): 7, ("S2", "g2"): 1}
    keys = [{"sample_id": sample, "gene_id": gene} for sample, gene in counts]
    sheet = {"treatment": "DMSO", "operator/desk": "=1+1"}
    verdict = {"contrast_id": "c", "hypothesis_id": "IRF4_down", "verdict": "confirmed", "engines_agree": True}
    tables = {
        "samples": rows(
            "samples",
            {"sample_id": "S10", "treatment": "POM", "metadata": json.dumps({**sheet, "treatment": "POM"})},
            {"sample_id": "S2", "treatment": "POM", "rin": 9.1, "metadata": json.dumps({**sheet, "treatment": "POM"})},
            {"sample_id": "S1", "treatment": "DMSO", "metadata": json.dumps(sheet)},
        ),
        "genes": rows("genes", {"gene_id": "g1", "gene_name": "IRF4", "strand": "-", "length_bp": 900}),
        "count_matrix": rows(
            "count_matrix", *({**key, "count": n} for key, n in zip(keys, counts.values(), strict=True))
        ),
        "normalised_expression": rows(
            "normalised_expression",
            *({**key, "normalised_count": 2.0 * n} for key, n in zip(keys, counts.values(), strict=True)),
        ),
        "size_factors": rows("size_factors", {"sample_id": "S1", "size_factor": 0.5, "library_size": 5}),
        "sample_quality": rows(
            "sample_quality",
            {"sample_id": "S1", "metric": "rin", "value": None, "status": "not_recorded"},
            {"sample_id": "S1", "metric": "q30_pct", "value": 80.0, "status": "warn"},
        ),
        "contrasts": rows("contrasts", *({"contrast_id": f"c{i}", "reference": t} for i, t in enumerate(HOSTILE))),
        "marker_verdicts": rows("marker_verdicts", verdict, {**verdict, "hypothesis_id": "x", "engines_agree": None}),
    }
    values = {"sample_quality": {"sample_id": "S1"}, "marker_verdicts": {"contrast_id": "c"}}
    store(made, tables, "", partition_values=values)
    return made


def test_parquet_holds_every_table_unchanged(warehouse: Warehouse, tmp_path: Path) -> None:
    made = export_study(warehouse, tmp_path / "out", "parquet", about=ABOUT)
    assert set(made.files) == {f"{name}.parquet" for name in TABLES}
    assert {path.name for path in made.folder.iterdir()} == {*made.files, MANIFEST}
    read = duckdb.sql(f"SELECT contrast_id, reference FROM '{made.folder}/contrasts.parquet'").fetchall()
    assert sorted(read) == sorted((f"c{i}", text) for i, text in enumerate(HOSTILE))
    described = duckdb.sql(f"DESCRIBE SELECT * FROM '{made.folder}/marker_verdicts.parquet'").fetchall()
    assert [row[:2] for row in described] == [(c.name, c.type) for c in TABLES["marker_verdicts"].columns]
    assert json.loads((made.folder / MANIFEST).read_text())["files"]["contrasts.parquet"] == len(HOSTILE)


def test_csv_has_no_cell_that_a_spreadsheet_runs(warehouse: Warehouse, tmp_path: Path) -> None:
    made = export_study(warehouse, tmp_path / "out", "csv", about=ABOUT)
    with (made.folder / "contrasts.csv").open(newline="", encoding="utf-8") as lines:
        read = {row["contrast_id"]: row["reference"] for row in csv.DictReader(lines)}
    assert read == {f"c{i}": harmless(text) for i, text in enumerate(HOSTILE)}
    for path in made.folder.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as lines:
            cells = [cell for row in csv.reader(lines) for cell in row]
        # A number may begin with a minus; a text may not.
        assert not [cell for cell in cells if harmless(cell) != cell and not is_number(cell)]
    with (made.folder / "genes.csv").open(newline="", encoding="utf-8") as lines:
        assert next(csv.DictReader(lines))["strand"] == "-"


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_anndata_is_samples_by_genes_with_all_that_is_known_of_both(warehouse: Warehouse, tmp_path: Path) -> None:
    made = export_study(warehouse, tmp_path / "out", "h5ad", about=ABOUT)
    read = anndata.read_h5ad(made.folder / "study.h5ad")
    assert (list(read.obs_names), list(read.var_names)) == (["S1", "S2"], ["g1", "g2"])
    assert read.X.tolist() == [[5, 0], [7, 1]]
    assert read.layers["normalised"].tolist() == [[10.0, 0.0], [14.0, 2.0]]
    assert read.obs["treatment"].tolist() == ["DMSO", "POM"]
    assert read.obs["operator_desk"].tolist() == ["=1+1", "=1+1"]
    assert read.obs.loc["S1", ["quality_q30_pct", "size_factor", "quality_status"]].tolist() == [80.0, 0.5, "warn"]
    assert pd.isna(read.obs.loc["S1", "quality_rin"])
    assert read.obs.loc["S2", "rin"] == 9.1
    assert read.var.loc["g1", ["gene_name", "length_bp"]].tolist() == ["IRF4", 900]
    assert pd.isna(read.var.loc["g2", "gene_name"])
    assert read.uns["verdicts"]["hypothesis_id"].tolist() == ["IRF4_down", "x"]
    assert read.uns["verdicts"]["engines_agree"].tolist() == [True, pd.NA]
    assert read.uns["contrasts"]["reference"].tolist()[0] == HOSTILE[0]
    assert read.uns["poma"]["study"] == ABOUT["study"]


def test_the_folder_for_r_has_matching_rows_and_columns(warehouse: Warehouse, tmp_path: Path) -> None:
    made = export_study(warehouse, tmp_path / "out", "summarizedexperiment", about=ABOUT)
    with gzip.open(made.folder / "counts.tsv.gz", "rt") as text:
        assert text.read() == "gene_id\tS1\tS2\ng1\t5\t7\ng2\t0\t1\n"
    columns = pd.read_csv(made.folder / "col_data.tsv", sep="\t", index_col=0)
    assert list(columns.index) == ["S1", "S2"]
    assert columns["operator/desk"].tolist() == ["=1+1", "=1+1"]
    genes = pd.read_csv(made.folder / "row_data.tsv", sep="\t", index_col=0)
    assert (list(genes.index), genes.loc["g1", "strand"]) == (["g1", "g2"], "-")
    metadata = json.loads((made.folder / "metadata.json").read_text())
    assert metadata["verdicts"][0]["verdict"] == "confirmed"
    readme = (made.folder / "README.md").read_text()
    assert "# made up # heading\n" in readme
    assert all(name in readme for name in ("counts.tsv.gz", "row_data.tsv", "col_data.tsv", "metadata.json"))


def test_equal_results_give_equal_matrices(warehouse: Warehouse, tmp_path: Path) -> None:
    one, two = (export_study(warehouse, tmp_path / n, "summarizedexperiment", about=ABOUT).folder for n in "ab")
    assert (one / "counts.tsv.gz").read_bytes() == (two / "counts.tsv.gz").read_bytes()


@pytest.mark.parametrize("format_name", FORMATS)
def test_an_export_is_replaced_only_by_force(warehouse: Warehouse, tmp_path: Path, format_name: str) -> None:
    target = tmp_path / "out"
    export_study(warehouse, target, format_name, about=ABOUT)
    (target / "old").write_text("")
    with pytest.raises(InputError, match=r"an earlier export.*--force"):
        export_study(warehouse, target, format_name, about=ABOUT)
    assert (target / "old").exists()
    export_study(warehouse, target, format_name, about=ABOUT, force=True)
    assert not (target / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_other_folders_and_files_are_never_replaced(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("all of it")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "home")
    for name in ("home", "file", "link"):
        with pytest.raises(InputError):
            export_study(warehouse, tmp_path / name, "csv", about=ABOUT, force=True)
    assert (tmp_path / "home" / "thesis.txt").read_text() == "all of it"
    (tmp_path / "empty").mkdir()
    assert export_study(warehouse, tmp_path / "empty", "csv", about=ABOUT).files["samples.csv"] == 3


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no results"):
        export_study(warehouse_in(tmp_path), tmp_path / "out", "csv", about=ABOUT)
    empty = warehouse_in(tmp_path)
    store(empty, {"samples": rows("samples", {"sample_id": "S1", "metadata": "{}"})}, "", partition_values={})
    with pytest.raises(StorageError, match="no count matrix"):
        export_study(empty, tmp_path / "out", "h5ad", about=ABOUT)
    with pytest.raises(InputError, match="parquet, csv"):
        export_study(empty, tmp_path / "out", "xlsx", about=ABOUT)
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]
