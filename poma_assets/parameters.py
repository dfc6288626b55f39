"""Which parts of the study each asset reads, besides its upstream assets: a change there makes it stale.

One function per kind of parameter, one table of who reads what. A sample's RIN is read by ``sample_quality`` and by
nothing before it, so that a corrected RIN does not align again.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from poma_assets.resources import StudyResource
from poma_assets.science.contrasts import select_samples
from poma_assets.science.quality_gates import Scope, scope_of
from poma_assets.sequencing_units import outdated_samples, unit_digests
from poma_assets.storage.package_data import data_file, gene_set_path
from poma_assets.tools.versions import tool_version

Parameters = dict[str, Any]
_Reader = Callable[[StudyResource, str], Parameters]


def parameters_of(asset: str, partition: str, study: StudyResource) -> Parameters:
    """Parameters that an asset partition reads, as JSON-able values."""
    parameters: Parameters = {}
    for reader in _READERS.get(asset, ()):
        parameters.update(reader(study, partition))
    return parameters


def gene_set_digests(study: StudyResource) -> dict[str, str]:
    """SHA-256 of every gene-set file of the study, by its name in ``poma.yaml``."""
    names, root = study.study.config.gene_sets, study.study.root
    return {name: study.hashes.sha256(gene_set_path(name, root)) for name in names}


def sample_row(study: StudyResource, sample: str) -> dict[str, Any]:
    """The sample's row of the table ``samples``."""
    return study.sample_rows[sample]


def _file(name: str, path_of: Callable[[StudyResource], Path | None]) -> _Reader:
    def read(study: StudyResource, partition: str) -> Parameters:
        path = path_of(study)
        return {name: study.hashes.sha256(path) if path and path.is_file() else None}

    return read


def _tools(*programs: str) -> _Reader:
    return lambda study, partition: {f"{program} version": tool_version(program) for program in programs}


def _configuration(*names: str) -> _Reader:
    def read(study: StudyResource, partition: str) -> Parameters:
        values = study.config_values
        return {f"{name} in poma.yaml": values[name] for name in names}

    return read


def _package_file(*parts: str) -> _Reader:
    return _file("/".join(parts), lambda study: data_file(*parts))


def _row(*columns: str) -> _Reader:
    def read(study: StudyResource, sample: str) -> Parameters:
        row = sample_row(study, sample)
        return {f"{column} of {sample}": str(row[column]) for column in columns}

    return read


def _line_of_sample(study: StudyResource, sample: str) -> Parameters:
    row = sample_row(study, sample)
    parent = json.loads(row["metadata"]).get("parent_line")
    return {f"cell_line of {sample}": str(row["cell_line"]), f"parent_line of {sample}": parent}


def _quality_rules(scope: Scope) -> _Reader:
    def read(study: StudyResource, partition: str) -> Parameters:
        values = study.config_values
        own = {metric: rule for metric, rule in values["quality"].items() if scope_of(metric) == scope}
        rules = {f"quality.{metric} in poma.yaml": rule for metric, rule in own.items()}
        return {"profile in poma.yaml": values["profile"], **rules}

    return read


def _units(study: StudyResource, sample: str) -> Parameters:
    return unit_digests(study, sample)


def _given_counts(study: StudyResource, sample: str) -> Parameters:
    return {name: digest for name, digest in unit_digests(study, sample).items() if ": counts" in name}


def _outdated_samples(study: StudyResource, partition: str) -> Parameters:
    return {"samples whose reads changed after they were counted": sorted(outdated_samples(study))}


def _design_rows(study: StudyResource, contrast: str) -> Parameters:
    declared = study.contrasts[contrast]
    rows = select_samples(declared, study.design_table)
    columns = [name for name in rows.columns if name not in ("rin", "a260_a280")]
    return {
        f"declaration of {contrast}": {k: v for k, v in vars(declared).items() if k != "line"},
        f"metadata of the samples of {contrast}": rows[columns].to_json(orient="split"),
    }


def _all_samples(study: StudyResource, partition: str) -> Parameters:
    rows = study.sheet.samples.drop(columns=["rin", "a260_a280"])
    return {"samples of the sheet": rows.to_json(orient="records")}


def _trimmer(study: StudyResource, partition: str) -> Parameters:
    return _tools(study.study.config.trimmer)(study, partition)


def _star_sparse_d(study: StudyResource, partition: str) -> Parameters:
    # What is chosen from the machine's memory is no reason to align again on another machine.
    asked = study.study.config.reference.star_sparse_d
    return {} if asked is None else {"reference.star_sparse_d in poma.yaml": asked}


def _sample_names(study: StudyResource, partition: str) -> Parameters:
    return {"sample names": list(study.sheet.samples["sample_id"])}


def _declared_lines(study: StudyResource, partition: str) -> Parameters:
    return {"cell_line of the samples": study.sheet.samples.set_index("sample_id")["cell_line"].map(str).to_dict()}


def _gene_sets(study: StudyResource, partition: str) -> Parameters:
    return {f"gene sets {name}": digest for name, digest in gene_set_digests(study).items()}


_CELL_LINES: tuple[_Reader, ...] = (
    _file("own cell lines", lambda study: study.study.cell_lines_path),
    _package_file("markers", "cell_line_identity.tsv"),
    _package_file("markers", "sample_identity_genes.tsv"),
)

_GENE_IDS = _package_file("gene_sets", "human_gene_ids.tsv.gz")

_JUDGED_BY: tuple[_Reader, ...] = (
    _configuration("vehicle", "hypotheses"),
    _package_file("markers", "marker_hypotheses.tsv"),
    _file("own hypotheses", lambda study: study.study.hypotheses_path),
)

_READERS: Mapping[str, tuple[_Reader, ...]] = {
    "genome": (_file("genome FASTA", lambda study: study.study.genome_path),),
    "annotation": (_file("annotation GTF", lambda study: study.study.annotation_path),),
    "gene_table": (_file("count matrix", lambda study: study.study.count_matrix_path), _configuration("round_counts")),
    "star_index": (_tools("STAR"), _star_sparse_d),
    "sample_sheet": (_file("sample sheet", lambda study: study.study.samples_path),),
    "contrast_sheet": (
        _file("contrasts file", lambda study: study.study.contrasts_path),
        _configuration("vehicle"),
    ),
    "raw_reads": (_units,),
    "read_quality": (_tools("fastqc"),),
    "trimmed_reads": (_configuration("trimmer", "trimming"), _trimmer),
    "trimmed_read_quality": (_tools("fastqc"),),
    "alignments": (_tools("STAR"),),
    "alignment_quality": (_row("strandedness"),),
    "gene_counts": (_tools("featureCounts"), _configuration("counter", "round_counts"), _given_counts),
    "htseq_counts": (_tools("htseq-count"),),
    "sample_quality": (
        _row("rin", "a260_a280"),
        _line_of_sample,
        _quality_rules("sample"),
        *_CELL_LINES,
        _configuration("round_counts"),
        _file("count matrix", lambda study: study.study.count_matrix_path),
    ),
    "count_matrix": (
        _sample_names,
        _outdated_samples,
        _configuration("counter", "round_counts"),
        _file("count matrix", lambda study: study.study.count_matrix_path),
        _file("quality overrides", lambda study: study.study.quality_overrides_path),
    ),
    "sample_exploration": (
        _all_samples,
        _configuration("vehicle"),
        _package_file("markers", "response_signature.tsv"),
        _quality_rules("cohort"),
    ),
    "sample_identity": (_all_samples, *_CELL_LINES),
    "design_fit": (_design_rows, _configuration("vehicle")),
    "de_results": (_configuration("engines", "thresholds"),),
    "over_representation": (_gene_sets, _GENE_IDS, _configuration("thresholds", "enrichment")),
    "gene_set_enrichment": (_gene_sets, _GENE_IDS, _configuration("thresholds", "enrichment", "seed")),
    "response_score": (
        *_JUDGED_BY,
        _all_samples,
        _configuration("seed"),
        _package_file("markers", "response_signature.tsv"),
        _package_file("markers", "programmes.tsv"),
    ),
    "marker_verdicts": (
        _design_rows,
        _file("quality overrides", lambda study: study.study.quality_overrides_path),
        *_JUDGED_BY,
    ),
    "multiqc_report": (
        _sample_names,
        _declared_lines,
        _configuration("name"),
        _file("quality overrides", lambda study: study.study.quality_overrides_path),
    ),
    "contrast_report": (_design_rows, _configuration("name", "thresholds", "vehicle")),
    "study_report": (
        _configuration("name", "thresholds"),
        _all_samples,
        _file("quality overrides", lambda study: study.study.quality_overrides_path),
    ),
}
