"""The verdicts on the declared marker hypotheses, the response score they rest on, and their history."""

from datetime import UTC, datetime

import dagster as dg
import pandas as pd

from poma_assets.asset_tables import preview_name, table_preview
from poma_assets.assets.cohort import read_counts, read_overrides
from poma_assets.assets.differential_expression import contrast_design, contrast_results
from poma_assets.assets.marker_tables import shipped_markers
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.contrast_facts import contrast_facts
from poma_assets.partitions import CONTRASTS
from poma_assets.reports.figures import markdown_image, marker_panels_figure, verdict_effects_figure
from poma_assets.reports.palette import VERDICTS
from poma_assets.resources import StudyResource
from poma_assets.science.design import Design
from poma_assets.science.markdown_text import markdown_text
from poma_assets.science.markers.history import Judging, change_sentence, verdict_changes
from poma_assets.science.markers.hypotheses import Hypotheses, combine, parse_hypotheses
from poma_assets.science.markers.programmes import programme_scores, programme_summary
from poma_assets.science.markers.residual_correlation import contrast_residuals
from poma_assets.science.markers.response_score import response_scores
from poma_assets.science.markers.verdicts import judge_markers, judged_genes
from poma_assets.science.normalisation import log2_counts_per_million
from poma_assets.storage.package_data import data_file
from poma_assets.storage.text_files import read_text
from poma_assets.study_config import SHIPPED
from poma_assets.verdict_grounds import declared_hypotheses, verdict_grounds

_PREVIEW_COLUMNS = (
    *("gene_symbol", "verdict", "sub_verdict", "expected_direction", "log2_fold_change"),
    *("ci_low", "ci_high", "edger_log2_fold_change"),
)


def read_hypotheses(study: StudyResource) -> Hypotheses:
    """The hypotheses in use: the shipped table, the study's own, or the shipped one with the study's own added."""
    path, shipped = study.study.hypotheses_path, data_file("markers", "marker_hypotheses.tsv")
    if path is None:
        return parse_hypotheses(read_text(shipped), source=shipped.name)
    own = parse_hypotheses(read_text(path), source=study.study.display(path))
    if SHIPPED not in study.study.config.hypotheses:
        return own
    return combine(parse_hypotheses(read_text(shipped), source=shipped.name), own)


@pipeline_asset(
    partitions_def=CONTRASTS, kinds={"python", "duckdb"}, deps=["count_matrix", "de_results"], code_version="2"
)
def response_score(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Did the cells answer the drug at all: a score over genes known to respond, the judged gene left out.

    Beside it: which programmes of the whole population, such as proliferation, moved.
    """
    contrast = context.partition_key
    design, results = contrast_design(study, contrast), contrast_results(study, contrast, "deseq2")
    times = contrast_facts(study, study.contrasts[contrast], design).time_h
    expression, judged = log2_counts_per_million(read_counts(study)), judged_genes(read_hypotheses(study))
    residuals = contrast_residuals(expression, design.matrix, study.sheet.samples)
    frame = response_scores(
        contrast,
        results,
        shipped_markers("response_signature.tsv"),
        judged,
        seed=study.study.config.seed,
        residuals=residuals,
        time_h=times,
    )
    listed = shipped_markers("programmes.tsv")
    programmes = programme_scores(contrast, results, listed, residuals, leave_out=set(judged))
    shown = int(frame["exposure_shown"].astype(bool).sum()) if len(frame) else 0
    return finish(
        context,
        study,
        tables={"response_score": frame, "programme_scores": programmes},
        metadata={
            "exposure shown": f"{shown} of {len(frame)} genes",
            "programmes": programme_summary(programmes, times),
        },
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
        study.warehouse.read("programme_scores", {"contrast_id": contrast}),
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
            "replicates and effects": dg.MetadataValue.md(_panels(study, design, frame, counts)),
            "sentences": dg.MetadataValue.md(_list(frame)),
            preview_name("marker_verdicts"): _preview(frame),
        },
    )


def _panels(study: StudyResource, design: Design, frame: pd.DataFrame, counts: pd.DataFrame) -> str:
    """A figure of each tested marker: the replicates of the arms beside the effect."""
    fit = study.warehouse.read("design_fit", {"contrast_id": design.contrast_id}, ["sample_id", "size_factor"])
    factors = fit.drop_duplicates("sample_id").set_index("sample_id")["size_factor"]
    genes = counts.index.intersection(list(frame["ensembl_gene_id"].dropna()))
    normalised = counts.loc[genes].div(factors.reindex(counts.columns), axis="columns").rename_axis("gene_id")
    expression = normalised.melt(ignore_index=False, var_name="sample_id", value_name="normalised_count").reset_index()
    declared = study.contrasts[design.contrast_id]
    groups = dict.fromkeys(design.reference_samples, declared.reference or "reference arm")
    groups |= dict.fromkeys(design.target_samples, declared.target or "target arm")
    figure = marker_panels_figure(frame, expression, groups)
    return markdown_image(figure, f"replicates and effects of the markers in {design.contrast_id}")


def _preview(frame: pd.DataFrame) -> dg.TableMetadataValue:
    """The verdicts, decided ones first."""
    ranked = frame.sort_values("verdict", key=lambda names: names.map(list(VERDICTS).index), kind="stable")
    return table_preview("marker_verdicts", ranked, columns=_PREVIEW_COLUMNS, rows=20)


def _list(frame: pd.DataFrame) -> str:
    return "\n".join(f"- {markdown_text(str(sentence))}" for sentence in frame["sentence"])


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
    return (
        "\n".join(f"- {markdown_text(change_sentence(row))}" for row in later.to_dict("records"))
        or "no verdict changed"
    )
