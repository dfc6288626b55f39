"""The cohort's steps where there is nothing to compare: one sample, which is fine by itself."""

from __future__ import annotations

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from poma_assets.definitions import build_definitions
from poma_assets.jobs import COHORT_ASSETS
from poma_assets.resources import StudyResource


@pytest.fixture
def analysed(tmp_path):
    """Returns a function that runs all steps from the sheet to the cohort on given counts, in this process."""

    def analyse(counts: pd.DataFrame) -> tuple[StudyResource, dict[str, object]]:
        samples = list(counts.columns)
        counts.to_csv(tmp_path / "counts.tsv", sep="\t", index_label="gene")
        rows = [f"{sample}\tMM.1S\tDMSO\t24" for sample in samples]
        (tmp_path / "samples.tsv").write_text("\n".join(["sample\tcell_line\ttreatment\ttime_h", *rows, ""]))
        (tmp_path / "poma.yaml").write_text("name: small\nprofile: small_reference\ncount_matrix: counts.tsv\n")
        study = StudyResource(root=str(tmp_path))
        definitions = build_definitions(study)
        steps = [("prepare_reference", None, ("sample_sheet", "gene_table"))]
        steps += [("process_sample", sample, ("sample_quality",)) for sample in samples]
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("samples", samples)
            for job, partition, assets in [*steps, ("analyse_cohort", None, COHORT_ASSETS)]:
                result = definitions.resolve_job_def(job).execute_in_process(
                    instance=instance, partition_key=partition, asset_selection=[dg.AssetKey(name) for name in assets]
                )
        materialised = {e.asset_key.path[-1]: e for e in result.get_asset_materialization_events()}
        event = materialised["sample_exploration"].step_materialization_data.materialization
        return study, {name: value.value for name, value in event.metadata.items()}

    return analyse


def made_up_counts(n_samples: int) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    means = rng.uniform(50, 900, 120)
    return pd.DataFrame(
        {f"S{i}": rng.negative_binomial(50, 50 / (50 + means)) for i in range(1, n_samples + 1)},
        index=[f"ENSG{i:011d}" for i in range(1, 121)],
    )


def test_one_sample_is_fine_by_itself(analysed):
    study, told = analysed(made_up_counts(1))
    assert told["principal components"].startswith("Principal components need at least two samples")
    tables = {name: study.warehouse.read(name) for name in ("sample_pca", "sample_distances", "size_factors")}
    assert len(tables["sample_pca"]) == 0
    assert tables["sample_distances"][["euclidean_distance", "spearman"]].to_numpy().tolist() == [[0.0, 1.0]]
    assert list(tables["size_factors"]["size_factor"]) == [1.0]
    quality = study.warehouse.read("sample_quality", {"scope": "cohort"}).iloc[0]
    assert (quality["status"], quality["source"]) == ("not_assessed", "alone in DMSO")
    expression = study.warehouse.read("normalised_expression")
    assert expression["cpm"].sum() == pytest.approx(1e6)
    assert expression["vst"].isna().all()
