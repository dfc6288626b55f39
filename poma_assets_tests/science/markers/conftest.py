"""A contrast of which a test states only what matters to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.markers.hypotheses import Hypotheses, parse_hypotheses
from poma_assets.science.markers.verdicts import ContrastFacts, judge_markers

MARKERS = Path(__file__).parents[3] / "data" / "markers"
REFERENCE = ("D1", "D2", "D3")
TARGET = ("P1", "P2", "P3")
HEADER = (
    "hypothesis_id\tgene_symbol\tensembl_gene_id\tpanel\tcell_context\tmeasured_level\tcontrast_kind\t"
    "expected_direction\tmin_effect_log2\twindow_start_h\twindow_end_h\tpolicy"
)
Judge = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def marker_tables() -> Path:
    return MARKERS


@pytest.fixture(scope="session")
def shipped() -> Hypotheses:
    path = MARKERS / "marker_hypotheses.tsv"
    return parse_hypotheses(path.read_text(), source=path.name)


def hypothesis_table(*rows: str) -> Hypotheses:
    """Rows as in the file, fields separated by blanks, '.' for an empty one."""
    lines = ["\t".join("" if field == "." else field for field in row.split()) for row in rows]
    return parse_hypotheses("\n".join([HEADER, *lines]), source="own.tsv")


@pytest.fixture
def several_hypotheses() -> Callable[[list[str]], Hypotheses]:
    """One directional fall of 1.5-fold in myeloma for each gene."""

    def make(genes: list[str]) -> Hypotheses:
        fields = "core myeloma rna drug_vs_vehicle down 0.585 . . directional"
        return hypothesis_table(*(f"H{i + 1} {gene} ID_{gene} {fields}" for i, gene in enumerate(genes)))

    return make


@pytest.fixture
def one_hypothesis() -> Callable[..., Hypotheses]:
    """One hypothesis on GENE1, a directional fall of 1.5-fold unless told otherwise."""

    def make(
        direction: str = "down",
        policy: str = "directional",
        *,
        context: str = "myeloma",
        kind: str = "drug_vs_vehicle",
        window: str = ". .",
        level: str = "rna",
        delta: str = "0.585",
    ) -> Hypotheses:
        return hypothesis_table(
            f"H1 GENE1 ENSG00000000001 core {context} {level} {kind} {direction} {delta} {window} {policy}"
        )

    return make


def make_facts(**changes: object) -> ContrastFacts:
    facts: dict[str, object] = {
        "contrast_id": "pom",
        "kind": "drug_vs_vehicle",
        "cell_contexts": frozenset({"myeloma"}),
        "sensitivities": frozenset({"sensitive"}),
        "time_h": (24.0,),
        "n_reference": 3,
        "n_target": 3,
        "reference_samples": REFERENCE,
        "target_samples": TARGET,
        "vehicle_time_matched": True,
    }
    return ContrastFacts(**(facts | changes))  # type: ignore[arg-type]


@pytest.fixture
def facts() -> Callable[..., ContrastFacts]:
    return make_facts


def de_frame(effects: dict[str, tuple[str, float, float]], status: dict[str, str]) -> pd.DataFrame:
    rows = [(gene_id, name, b, s, b / s, status.get(gene_id, "tested")) for gene_id, (name, b, s) in effects.items()]
    columns = ["gene_id", "gene_name", "log2_fold_change", "standard_error", "statistic", "status"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(contrast_id="pom", engine="deseq2", p_adjusted=0.5)


@pytest.fixture
def judge() -> Judge:
    """Judge hypotheses on given effects: symbol -> (log2 fold change, standard error)."""

    def run(
        hypotheses: Hypotheses,
        effects: dict[str, tuple[float, float]],
        *,
        counts: dict[str, list[int]] | None = None,
        edger: dict[str, float] | None = None,
        status: str = "tested",
        exposed: bool | None = True,
        identity: list[dict[str, object]] | None = None,
        quality: list[dict[str, object]] | None = None,
        overrides: pd.DataFrame | None = None,
        background: int = 0,
        likelihood_ratio: bool = False,
        **facts: object,
    ) -> pd.DataFrame:
        ids = dict(zip(hypotheses.table["gene_symbol"], hypotheses.table["ensembl_gene_id"], strict=True))
        own = {ids.get(name, name): (name, b, s) for name, (b, s) in effects.items()}
        z = np.random.default_rng(7).normal(size=background)
        own |= {f"BG{i}": (f"BG{i}", float(z[i]) * 0.1, 0.1) for i in range(background)}
        samples = [*REFERENCE, *TARGET]
        given = {ids.get(name, name): values for name, values in (counts or {}).items()}
        matrix = pd.DataFrame([given.get(gene, [500] * 6) for gene in own], index=list(own), columns=samples)
        deseq2 = de_frame(own, dict.fromkeys(own, status))
        if likelihood_ratio:
            deseq2 = deseq2.assign(statistic=deseq2["statistic"] ** 2, test="lrt")
        other = None
        if edger is not None:
            other = de_frame({ids[n]: (n, b, 1.0) for n, b in edger.items()}, {})
        response = None
        if exposed is not None:
            judged = [*effects, *hypotheses.table["panel"]]
            response = pd.DataFrame({"judged_gene": judged, "exposure_shown": exposed}).drop_duplicates()
        return judge_markers(
            hypotheses,
            make_facts(**facts),
            deseq2,
            other,
            matrix,
            pd.Series(1_000_000, index=samples),
            pd.DataFrame(
                identity or [],
                columns=["sample_id", "rule", "expected", "observed", "status", "likelier_line"],
            ),
            pd.DataFrame(quality or [], columns=["sample_id", "metric", "value", "fail", "status"]),
            response,
            overrides,
        ).set_index("hypothesis_id")

    return run
