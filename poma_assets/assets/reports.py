"""What people open: MultiQC, a report per contrast, the study report, and the published database."""

from datetime import UTC, datetime
from importlib.metadata import version

import dagster as dg
import pandas as pd

from poma_assets.assets.cohort import inclusion_of_samples, read_overrides
from poma_assets.assets.enrichment import study_collections
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.partitions import CONTRASTS
from poma_assets.reports.contrast_report import render_contrast_report
from poma_assets.reports.drawings import strongest_sets
from poma_assets.reports.figures import markdown_image, verdict_counts_figure
from poma_assets.reports.inputs import ContrastReportInputs, StudyReportInputs
from poma_assets.reports.multiqc_content import CONTENT_TABLES, SECTION_ORDER, custom_content, read_unit
from poma_assets.reports.study_report import render_study_report
from poma_assets.resources import StudyResource
from poma_assets.storage.publish import publish_study_database
from poma_assets.storage.schema import TABLES
from poma_assets.storage.staging import staged_directory
from poma_assets.study_config import NOT_ANALYSIS
from poma_assets.tools.multiqc import report_layout, run_multiqc
from poma_assets.tools.versions import all_tool_versions

_PACKAGES = ("poma-assets", "dagster", "duckdb", "pydeseq2", "pyedger", "gseapy", "numpy", "pandas")
_BULKY = ("count_matrix", "gene_counts", "normalised_expression", "gene_dispersions", "design_fit")
_MULTIQC_ASSETS = ("read_quality", "trimmed_reads", "trimmed_read_quality", "alignments", "gene_counts")
_MULTIQC_MODULES = ("custom_content", "fastqc", "cutadapt", "fastp", "star", "featurecounts")
_INTRODUCTION = "The samples as the tools saw them, and what their quality comes to."
_STUDY_REPORT_LINK = 'What the samples say of the drug: <a href="../study/study_report.html">study report</a>.'


def software_versions() -> dict[str, str]:
    """Versions of the packages and programs that make the results."""
    tools = {name: text for name, text in all_tool_versions().items() if text}
    return {**{package: version(package) for package in _PACKAGES}, **tools}


def _tables(study: StudyResource, where: dict[str, str] | None = None) -> dict[str, pd.DataFrame]:
    """Tables of the samples and contrasts that are in the sheets now; withdrawn ones keep their rows, unseen."""
    current = {"sample_id": list(study.sheet.samples["sample_id"]), "contrast_id": list(study.contrasts)}
    frames = {}
    for name, table in TABLES.items():
        if name not in _BULKY:
            chosen = {**current, **(where or {})}
            frames[name] = study.warehouse.read(name, {key: chosen[key] for key in chosen if key in table.column_names})
    order = {name: position for position, name in enumerate(study.contrasts)}
    frames["contrasts"] = frames["contrasts"].sort_values("contrast_id", key=lambda ids: ids.map(order))
    return frames


def _sets_with_curves(study: StudyResource, enrichment: pd.DataFrame) -> dict[tuple[str, str], tuple[str, ...]]:
    """The genes of the sets whose curves the reports draw: (collection, term id) -> symbols."""
    gsea = enrichment[enrichment["method"] == "gsea"]
    drawn = [strongest_sets(rows) for _, rows in gsea.groupby("contrast_id")]
    wanted = {(row.collection, row.term_id) for rows in drawn for row in rows.itertuples()}
    if not wanted:
        return {}
    return {
        (mapped.collection.name, gene_set.term_id): gene_set.genes
        for mapped in study_collections(study)
        for gene_set in mapped.collection.sets
        if (mapped.collection.name, gene_set.term_id) in wanted
    }


def _folders_left_out(study: StudyResource) -> list[str]:
    """Names of the folders below the steps that MultiQC reads which are no sample of the sheet."""
    samples = set(study.sheet.samples["sample_id"])
    folders = (path for asset in _MULTIQC_ASSETS for path in (study.study.files_dir / asset).glob("*"))
    return sorted({path.name for path in folders if path.name not in samples})


@pipeline_asset(
    kinds={"multiqc"},
    deps=[*_MULTIQC_ASSETS, "alignment_quality", "sample_quality", "sample_exploration", "sample_identity"],
    code_version="2",
)
def multiqc_report(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """MultiQC over FastQC (raw and trimmed apart), trimming, STAR and featureCounts of all samples, with their gates,
    strandedness and identity."""
    files, target = study.study.files_dir, study.study.reports_dir / "multiqc"
    current = {"sample_id": list(study.sheet.samples["sample_id"])}
    tables = {name: study.warehouse.read(name, current) for name in CONTENT_TABLES}
    config = report_layout(
        raw_quality=files / "read_quality",
        trimmed_quality=files / "trimmed_read_quality",
        own_sections=SECTION_ORDER,
        left_out=_folders_left_out(study),
    )
    config |= read_unit(tables["sample_quality"])
    config["custom_data"] = custom_content(tables, study.sheet.samples, inclusion_of_samples(study))
    with staged_directory(target) as staging:
        record = run_multiqc(
            [files / asset for asset in _MULTIQC_ASSETS if (files / asset).is_dir()],
            staging,
            title=study.study.config.name,
            log_path=study.log_path("multiqc_report"),
            modules=_MULTIQC_MODULES,
            config={**config, "intro_text": _INTRODUCTION, "report_comment": _STUDY_REPORT_LINK},
        )
    return finish(context, study, files={"report": target / "multiqc_report.html"}, commands=(record,))


@pipeline_asset(
    partitions_def=CONTRASTS,
    kinds={"html"},
    deps=[
        "de_results",
        "engine_agreement",
        "over_representation",
        "gene_set_enrichment",
        "response_score",
        "marker_verdicts",
        "normalised_expression",
    ],
    code_version="2",
)
def contrast_report(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """One contrast on one page: verdicts, volcano, genes, gene sets, agreement of the engines."""
    contrast, thresholds = context.partition_key, study.study.config.thresholds
    tables = _tables(study, {"contrast_id": contrast})
    markers = sorted(set(tables["marker_verdicts"]["ensembl_gene_id"].dropna()))
    html = render_contrast_report(
        ContrastReportInputs(
            study_name=study.study.config.name,
            created_at=_now(),
            contrast=tables["contrasts"].iloc[0],
            de_results=tables["de_results"],
            verdicts=tables["marker_verdicts"],
            enrichment=tables["enrichment"],
            engine_agreement=tables["engine_agreement"],
            response_score=tables["response_score"],
            gene_dispersions=study.warehouse.read("gene_dispersions", {"contrast_id": contrast}),
            design_fit=study.warehouse.read("design_fit", {"contrast_id": contrast}),
            design_findings=tables["design_findings"],
            samples=tables["samples"],
            marker_expression=study.warehouse.read("normalised_expression", {"gene_id": markers}),
            fdr=thresholds.fdr,
            log2_fold_change=thresholds.log2_fold_change,
            versions=software_versions(),
            parameters=study.study.config.model_dump(mode="json", exclude=set(NOT_ANALYSIS)),
            programme_scores=tables["programme_scores"],
            gene_sets=_sets_with_curves(study, tables["enrichment"]),
        )
    )
    target = study.study.reports_dir / "contrasts" / contrast
    with staged_directory(target) as staging:
        (staging / "contrast_report.html").write_text(html, encoding="utf-8")
    return finish(context, study, files={"report": target / "contrast_report.html"})


@pipeline_asset(
    kinds={"html"},
    deps=[
        "contrast_report",
        "contrast_sheet",
        "engine_agreement",
        "gene_set_enrichment",
        "marker_verdicts",
        "normalised_expression",
        "over_representation",
        "sample_exploration",
        "sample_identity",
        "sample_quality",
        "sample_sheet",
        "verdict_history",
    ],
    code_version="2",
)
def study_report(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """The whole study on one self-contained page: what was asked, which samples counted, what the data say."""
    config = study.study.config
    truth = study.study.root / "truth" / "expected_verdicts.tsv"
    tables = _tables(study)
    for name in ("steps", "artefacts"):  # a page does not tell of the one before it
        tables[name] = tables[name][~tables[name]["asset"].isin(["study_report", "study_database"])]
    html = render_study_report(
        StudyReportInputs(
            study_name=config.name,
            created_at=_now(),
            tables=tables,
            fdr=config.thresholds.fdr,
            log2_fold_change=config.thresholds.log2_fold_change,
            versions=software_versions(),
            parameters=config.model_dump(mode="json", exclude=set(NOT_ANALYSIS)),
            truth=pd.read_csv(truth, sep="\t", comment="#") if truth.is_file() else None,
            normalised_counts=study.warehouse.read_matrix("normalised_expression", value="normalised_count"),
            gene_sets=_sets_with_curves(study, tables["enrichment"]),
            overrides=read_overrides(study),
            multiqc_link="../multiqc/multiqc_report.html" if len(tables["read_quality"]) else None,
        )
    )
    target = study.study.reports_dir / "study"
    with staged_directory(target) as staging:
        (staging / "study_report.html").write_text(html, encoding="utf-8")
    figure = markdown_image(verdict_counts_figure(tables["marker_verdicts"]), "verdicts of every contrast")
    return finish(
        context,
        study,
        files={"report": target / "study_report.html"},
        metadata={"verdicts": dg.MetadataValue.md(figure)},
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


@pipeline_asset(
    kinds={"duckdb"},
    deps=["study_report", "multiqc_report", "contrast_report", "verdict_history", "normalised_expression"],
)
def study_database(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """`study.duckdb`: a whole copy of the warehouse that people and notebooks may open freely, replaced at once."""
    size = publish_study_database(study.warehouse, study.study.published_path, asset="study_database")
    return finish(context, study, files={"database": study.study.published_path}, metadata={"bytes": size})
