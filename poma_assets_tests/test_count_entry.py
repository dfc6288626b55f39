"""A study that begins at a count matrix: the graph from the matrix on, one fit for contrasts of one design, and LRT."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

GENES, REPLICATES = 240, 4
TREATMENTS = ("DMSO", "pomalidomide", "dexamethasone")
FALLING, RISING = slice(0, 20), slice(20, 40)
CONTRASTS = """id\tvariable\treference\ttarget\tformula\treduced
pom\ttreatment\tDMSO\tpomalidomide\t\t
dex\ttreatment\tDMSO\tdexamethasone\t\t
any_drug\t\t\t\t~ treatment\t~ 1
"""


def symbols() -> list[str]:
    return ["IRF4", *(f"GENE{i}" for i in range(1, GENES))]


def write_counts(path: Path) -> None:
    """Genes with versioned ids, symbols beside, samples in another order than in the sheet."""
    rng = np.random.default_rng(5)
    means = rng.uniform(100, 900, GENES)[:, None] * rng.uniform(0.7, 1.4, len(TREATMENTS) * REPLICATES)
    pomalidomide = slice(REPLICATES, 2 * REPLICATES)
    means[FALLING, pomalidomide] /= 4
    means[RISING, pomalidomide] *= 4
    counts = rng.negative_binomial(50, 50 / (50 + means))
    ids = ["ENSG00000137265.15", *(f"ENSG{i:011d}.2" for i in range(1, GENES))]
    table = pd.DataFrame(counts, index=pd.Index(ids, name="gene"), columns=sample_names())[sample_names()[::-1]]
    table.insert(0, "symbol", symbols())
    table.to_csv(path)


def sample_names() -> list[str]:
    return [f"{treatment[:3]}_{i}" for treatment in TREATMENTS for i in range(1, REPLICATES + 1)]


@pytest.fixture(scope="module")
def study(tmp_path_factory, poma) -> Path:
    folder = tmp_path_factory.mktemp("from_counts")
    write_counts(folder / "counts.csv.gz")
    rows = [f"{name}\t{treatment}\tMM.1S\tmyeloma\tsensitive\t24" for name, treatment in sheet_rows()]
    header = "sample\ttreatment\tcell_line\tcell_context\tsensitivity\ttime_h"
    (folder / "samples.tsv").write_text("\n".join([header, *rows, ""]))
    (folder / "contrasts.tsv").write_text(CONTRASTS)
    sets = [("falling", symbols()[FALLING]), ("rising", symbols()[RISING]), ("others", symbols()[40:70])]
    (folder / "own.gmt").write_text("".join("\t".join([name, name, *genes]) + "\n" for name, genes in sets))
    text = "name: counts\nprofile: small_reference\ncount_matrix: counts.csv.gz\ngene_sets: [own.gmt]\n"
    (folder / "poma.yaml").write_text(text)
    result = poma("run", "--study", str(folder))
    if result.returncode:
        pytest.fail(f"the run failed:\n{result.stdout}\n{result.stderr}")
    return folder


def sheet_rows() -> list[tuple[str, str]]:
    return list(zip(sample_names(), np.repeat(TREATMENTS, REPLICATES), strict=True))


def query(study: Path, sql: str) -> pd.DataFrame:
    with duckdb.connect(str(study / "results" / "study.duckdb"), read_only=True) as connection:
        return connection.execute(sql).df()


def test_counts_are_those_of_the_named_column(study):
    given = pd.read_csv(study / "counts.csv.gz", index_col="gene").drop(columns="symbol")
    stored = query(study, "SELECT * FROM count_matrix").pivot(index="gene_id", columns="sample_id", values="count")
    given.index = given.index.str.replace(r"\.\d+$", "", regex=True)
    pd.testing.assert_frame_equal(stored, given[stored.columns].loc[stored.index], check_names=False, check_dtype=False)


def test_symbols_beside_the_counts_name_the_genes(study):
    names = query(study, "SELECT DISTINCT gene_name FROM de_results WHERE gene_id = 'ENSG00000137265'")
    assert list(names["gene_name"]) == ["IRF4"]


def test_planted_effects_are_found_by_both_engines(study):
    rows = query(study, "SELECT * FROM de_results WHERE contrast_id = 'pom'")
    for engine, result in rows.groupby("engine"):
        effects = result.set_index("gene_name")["log2_fold_change"].reindex(symbols()).to_numpy()
        assert np.median(effects[FALLING]) == pytest.approx(-2, abs=0.2), engine
        assert np.median(effects[RISING]) == pytest.approx(2, abs=0.2), engine
        assert set(result.loc[result["p_adjusted"] < 1e-4, "gene_name"]) == set(symbols()[:40]), engine
    dexamethasone = query(study, "SELECT * FROM de_results WHERE contrast_id = 'dex' AND p_adjusted < 0.01")
    assert len(dexamethasone) <= 4


def test_contrasts_of_one_design_share_one_fit(study):
    fits = [study / "results" / "files" / "design_fit" / name / "deseq2_fit.npz" for name in ("pom", "dex", "any_drug")]
    assert len({path.stat().st_ino for path in fits}) == 1
    assert len(list((study / "results" / "shared" / "design_fit").glob("*.npz"))) == 1


def test_a_likelihood_ratio_contrast_is_tested_as_one_and_ranked_by_nobody(study):
    tests = query(
        study, "SELECT contrast_id, engine, any_value(test) AS test FROM de_results GROUP BY ALL ORDER BY ALL"
    )
    assert list(tests.itertuples(index=False, name=None)) == [
        ("any_drug", "deseq2", "lrt"),
        ("any_drug", "edger", "ql_f"),
        ("dex", "deseq2", "wald"),
        ("dex", "edger", "ql_f"),
        ("pom", "deseq2", "wald"),
        ("pom", "edger", "ql_f"),
    ]
    sql = "SELECT gene_name FROM de_results WHERE contrast_id = 'any_drug' AND p_adjusted < 1e-4 AND engine = ?"
    for engine in ("deseq2", "edger"):
        assert set(query(study, sql.replace("?", f"'{engine}'"))["gene_name"]) == set(symbols()[:40])
    methods = query(study, "SELECT DISTINCT contrast_id, method, direction FROM enrichment ORDER BY ALL")
    assert ("any_drug", "ora", "both") in set(methods.itertuples(index=False, name=None))
    assert not ((methods["contrast_id"] == "any_drug") & (methods["method"] == "gsea")).any()


def test_quality_that_needs_reads_is_not_assessed_and_nobody_is_left_out(study):
    quality = query(study, "SELECT metric, status FROM sample_quality")
    of_reads = quality[quality["metric"].isin(["read_pairs", "q30_pct", "uniquely_mapped_pct", "strandedness"])]
    assert set(of_reads["status"]) == {"not_assessed"}
    assert set(quality.loc[quality["metric"] == "rna_integrity_number", "status"]) == {"not_recorded"}
    assert query(study, "SELECT count(*) AS n FROM sample_inclusion WHERE included")["n"].iloc[0] == 12


def test_the_verdict_follows_the_counts(study):
    row = query(study, "SELECT * FROM marker_verdicts WHERE contrast_id = 'pom' AND gene_symbol = 'IRF4'").iloc[0]
    assert (row["verdict"], row["n_reference"], row["n_target"]) == ("confirmed", 4, 4)


def test_gene_sets_follow_the_planted_effects(study):
    found = query(
        study, "SELECT term_id, score, p_adjusted FROM enrichment WHERE method = 'gsea' AND contrast_id = 'pom'"
    )
    scores = found.set_index("term_id")
    assert scores.loc["falling", "score"] < -0.9
    assert scores.loc["rising", "score"] > 0.9
    assert (scores.loc[["falling", "rising"], "p_adjusted"] < 0.01).all()
    assert scores.loc["others", "p_adjusted"] > 0.05
