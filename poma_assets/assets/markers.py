"""The verdicts on the declared marker hypotheses, the response score they rest on, and their history."""

from datetime import UTC, datetime

import dagster as dg
import pandas as pd

from poma_assets.assets.cohort import read_counts, read_overrides
from poma_assets.assets.differential_expression import contrast_design, contrast_results
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.contrast_facts import contrast_facts
from poma_assets.partitions import CONTRASTS
from poma_assets.reports.figures import markdown_image, verdict_effects_figure
from poma_assets.resources import StudyResource
from poma_assets.science.markers.history import Judging, change_sentence, verdict_changes
from poma_assets.science.markers.hypotheses import Hypotheses, parse_hypotheses
from poma_assets.science.markers.response_score import response_scores
from poma_assets.science.markers.verdicts import judge_markers, judged_genes
from poma_assets.storage.package_data import data_file
from poma_assets.storage.text_files import read_text
from poma_assets.verdict_grounds import declared_hypotheses, verdict_grounds


def read_hypotheses(study: StudyResource) -> Hypotheses:
    """The hypotheses in use: the study's own table, else the shipped one."""
    path = study.study.hypotheses_path or data_file("markers", "marker_hypotheses.tsv")
    return parse_hypotheses(read_text(path), source=str(path))


@pipeline_asset(partitions_def=CONTRASTS, kinds={"python", "duckdb"}, deps=["de_results"])
def response_score(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Is the drug's programme seen at all: a signed score over the signature, the judged gene left out each time."""
    contrast = context.partition_key
    frame = response_scores(
        contrast,
        contrast_results(study, contrast, "deseq2"),
        pd.read_csv(data_file("markers", "response_signature.tsv"), sep="\t", dtype=str, comment="#"),
        judged_genes(read_hypotheses(study)),
        seed=study.study.config.seed,
    )
    shown = int(frame["exposure_shown"].astype(bool).sum()) if len(frame) else 0
    return finish(
        context,
        study,
        tables={"response_score": frame},
        metadata={"exposure shown": f"{shown} of {len(frame)} genes"},
    )


@pipeline_asset(
    partitions_def=CONTRASTS,
    kinds={"python", "duckdb"},
    deps=[
        "de_results",
        "response_score",
        "sample_identity",
        "sample_quality",
        "count_matrix",
        "contrast_sheet",
    ],
)
def marker_verdicts(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """The verdict on every marker hypothesis that this contrast can speak to, with its reason in one sentence."""
    contrast = context.partition_key
    design = contrast_design(study, contrast)
    samples = [*design.reference_samples, *design.target_samples]
    counts = read_counts(study, samples)
    where = {"sample_id": samples}
    frame = judge_markers(
        read_hypotheses(study),
        contrast_facts(study, study.contrasts[contrast], design),
        contrast_results(study, contrast, "deseq2"),
        contrast_results(study, contrast, "edger"),
        counts,
        counts.sum(),
        study.warehouse.read("sample_identity", where),
        study.warehouse.read("sample_quality", where),
        study.warehouse.read("response_score", {"contrast_id": contrast}),
        read_overrides(study),
    )
    metadata = {str(verdict): int(count) for verdict, count in frame["verdict"].value_counts().items()}
    figure = markdown_image(verdict_effects_figure(frame), f"marker effects in {contrast}")
    return finish(
        context,
        study,
        tables={"marker_verdicts": frame},
        metadata={
            **metadata,
            "effects": dg.MetadataValue.md(figure),
            "sentences": dg.MetadataValue.md(_list(frame)),
        },
    )


def _list(frame: pd.DataFrame) -> str:
    return "\n".join(f"- {sentence}" for sentence in frame["sentence"])


@pipeline_asset(partitions_def=CONTRASTS, kinds={"python", "duckdb"}, deps=["marker_verdicts"], code_version="2")
def verdict_history(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Every change of a verdict, with its cause and the run that changed it. Nothing is ever removed."""
    contrast, hypotheses = context.partition_key, read_hypotheses(study)
    where = {"contrast_id": contrast}
    version = study.warehouse.read("steps", {"asset": "marker_verdicts", "partition": contrast})
    judging = Judging(
        run_id=context.run_id,
        recorded_at=datetime.now(UTC).replace(tzinfo=None),
        data_version=str(version["data_version"].iloc[0]),
        grounds=verdict_grounds(study, contrast_design(study, contrast), hypotheses),
        hypotheses=declared_hypotheses(hypotheses),
    )
    history, current = study.warehouse.read("verdict_history", where), study.warehouse.read("marker_verdicts", where)
    changes = verdict_changes(history, current, judging)
    return finish(
        context,
        study,
        tables={"verdict_history": changes},
        replaces={"verdict_history": {"run_id": context.run_id}},
        metadata={"changed": len(changes), "changes": dg.MetadataValue.md(_changes_list(changes))},
    )


def _changes_list(changes: pd.DataFrame) -> str:
    later = changes[changes["previous_verdict"].notna()]
    return "\n".join(f"- {change_sentence(row)}" for row in later.to_dict("records")) or "no verdict changed"
