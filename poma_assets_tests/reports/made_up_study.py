"""A made-up study: 12 samples (one left out), two contrasts, hostile names, all verdicts; seeded."""

from __future__ import annotations

import numpy as np
import pandas as pd
from made_up_samples import HOSTILE, make_sample_tables, make_samples

from poma_assets.reports.inputs import ContrastReportInputs, StudyReportInputs

CONTRASTS = ("pom_in_MM1S", "pom in MM1S-res")


def make_de_results(contrast: str, n_genes: int, seed: int, engine: str = "deseq2") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    base_mean = rng.lognormal(5, 2, n_genes)
    error = 0.25 + 2.0 / np.sqrt(base_mean)
    effect = rng.normal(0, error) + np.where(rng.random(n_genes) < 0.06, rng.normal(0, 1.8, n_genes), 0)
    z = effect / error
    p = np.array([float(x) for x in 2 * _normal_tail(np.abs(z))])
    order = np.argsort(p)
    adjusted = np.empty(n_genes)
    adjusted[order] = np.minimum.accumulate((p[order] * n_genes / np.arange(1, n_genes + 1))[::-1])[::-1]
    frame = pd.DataFrame(
        {
            "contrast_id": contrast,
            "engine": engine,
            "gene_id": [f"ENSG{i:011d}" for i in range(n_genes)],
            "gene_name": [f"GENE{i}" for i in range(n_genes)],
            "base_mean": base_mean,
            "log2_fold_change": effect,
            "standard_error": error,
            "statistic": z,
            "p_value": p,
            "p_adjusted": adjusted.clip(max=1),
            "shrunken_log2_fold_change": effect * 0.8,
            "status": "tested",
            "reason": None,
        }
    )
    filtered = frame.index % 17 == 0
    frame.loc[filtered, ["p_value", "p_adjusted"]] = np.nan
    frame.loc[filtered, ["status", "reason"]] = ["filtered", "mean count below the filter"]
    frame.loc[frame.index[1], "gene_name"] = HOSTILE
    frame.loc[frame.index[1], ["log2_fold_change", "p_value", "p_adjusted"]] = [4.0, 1e-30, 1e-27]
    return frame


def _normal_tail(z: np.ndarray) -> np.ndarray:
    from scipy.stats import norm

    return np.asarray(norm.sf(z))


MARKERS = (
    # symbol, direction, min effect, b, s, verdict, sub-verdict
    ("IRF4", "down", 0.585, -1.74, 0.15, "confirmed", "strong"),
    ("MYC", "down", 0.585, -0.02, 0.11, "contradicted", "absent"),
    ("IFITM1", "up", 0.585, -1.1, 0.2, "contradicted", "opposite"),
    ("DNMT1", "down", 0.585, -0.3, 0.1, "inconclusive", "small_effect"),
    ("KLF2", "down", 0.585, -0.5, 0.6, "inconclusive", "underpowered"),
    ("CRBN", "none", 0.585, -0.33, 0.12, "inconclusive", "report_only"),
    ("IKZF1", "down", None, -0.02, 0.1, "not_testable", "protein_level"),
    ("IFNG", "up", 1.0, None, None, "not_testable", "context"),
    (HOSTILE, "up", 0.585, 2.1, 0.3, "confirmed", "strong"),
)


def make_verdicts(contrast: str, flip: bool = False) -> pd.DataFrame:
    rows = []
    for symbol, direction, delta, b, s, verdict, sub in MARKERS:
        if flip and symbol == "IRF4":
            b, verdict, sub = -0.9, "inconclusive", "borderline"
        rows.append(
            {
                "contrast_id": contrast,
                "hypothesis_id": f"{symbol}_drug",
                "gene_symbol": symbol,
                "ensembl_gene_id": f"ENSG_{symbol}",
                "panel": "core",
                "policy": "directional",
                "verdict": verdict,
                "sub_verdict": sub,
                "label": "engaged_uncoupled" if symbol == "MYC" else None,
                "expected_direction": direction,
                "min_effect_log2": delta,
                "log2_fold_change": b,
                "standard_error": s,
                "ci_low": None if b is None else b - 1.96 * s,
                "ci_high": None if b is None else b + 1.96 * s,
                "q_confirm": None if b is None else 0.01,
                "n_reference": 3,
                "n_target": 3,
                "edger_log2_fold_change": b,
                "engines_agree": None if b is None else True,
                "sentence": f"{symbol} in {contrast}: {verdict} ({sub}).",
                "hypotheses_sha256": "ab" * 32,
            }
        )
    return pd.DataFrame(rows)


GROUPS = {**{f"D{i}": "DMSO" for i in range(3)}, **{f"P{i}": "pomalidomide" for i in range(3)}}
"""Sample -> group (arm) of the counts that `marker_expression` gives."""


def marker_expression(*symbols: str) -> pd.DataFrame:
    """Normalised counts that double from sample to sample of `GROUPS`."""
    return pd.DataFrame(
        [(name, f"ENSG_{symbol}", 2.0 ** (8 + i) - 1) for symbol in symbols for i, name in enumerate(GROUPS)],
        columns=["sample_id", "gene_id", "normalised_count"],
    )


def verdict_row(symbol: str, **changes: object) -> dict[str, object]:
    """The verdict on one marker in the first contrast, with changes."""
    frame = make_verdicts(CONTRASTS[0]).set_index("gene_symbol", drop=False)
    return {**frame.loc[symbol].to_dict(), **changes}


def make_enrichment(contrast: str) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = []
    for method in ("gsea", "ora"):
        for i in range(30):
            name = "type I interferon signalling pathway" if i == 0 else f"biological process number {i}"
            p = min(1.0, 10.0 ** (-6 + 0.2 * i))
            rows.append(
                {
                    "contrast_id": contrast,
                    "method": method,
                    "direction": "both" if method == "gsea" else ("up", "down")[i % 2],
                    "collection": "GO_BP",
                    "term_id": f"GO:{i:07d}",
                    "term_name": HOSTILE if i == 3 else name,
                    "set_size": 20 + 7 * i,
                    "overlap": 5 + i,
                    "score": rng.normal() if method == "gsea" else 1 + 9 * rng.random(),
                    "normalised_score": (-1) ** i * (2.5 - 0.05 * i) if method == "gsea" else None,
                    "p_value": p,
                    "p_adjusted": min(1.0, p * 8),
                    "leading_genes": "IRF4;MYC;IFITM1",
                }
            )
    return pd.DataFrame(rows)


def make_agreement(contrast: str, n_genes: int) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    kinds = ["both_significant", "neither", "deseq2_only", "edger_only", "opposite", "not_comparable"]
    b = rng.normal(0, 1, n_genes)
    return pd.DataFrame(
        {
            "contrast_id": contrast,
            "gene_id": [f"ENSG{i:011d}" for i in range(n_genes)],
            "gene_name": [f"GENE{i}" for i in range(n_genes)],
            "deseq2_log2_fold_change": b,
            "edger_log2_fold_change": b + rng.normal(0, 0.05, n_genes),
            "deseq2_p_adjusted": rng.random(n_genes),
            "edger_p_adjusted": rng.random(n_genes),
            "agreement": rng.choice(kinds, n_genes, p=[0.1, 0.8, 0.04, 0.04, 0.0, 0.02]),
            "reason": "FDR close to the threshold",
        }
    )


def make_normalised_counts(samples: list[str], n_genes: int) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    ids = [f"ENSG{i:011d}" for i in range(n_genes)]
    return pd.DataFrame(rng.lognormal(5, 2, (n_genes, len(samples))).round(2), index=ids, columns=samples)


def make_gene_sets(enrichment: pd.DataFrame, n_genes: int) -> dict[tuple[str, str], list[str]]:
    rng = np.random.default_rng(8)
    names = [f"GENE{i}" for i in range(n_genes)]
    return {("GO_BP", term): list(rng.choice(names, min(25, n_genes), replace=False)) for term in enrichment["term_id"]}


def make_study_inputs(n_genes: int = 400, contrasts: tuple[str, ...] = CONTRASTS) -> StudyReportInputs:
    samples = make_samples()
    tables = make_sample_tables(samples)
    tables |= {
        "samples": samples,
        "contrasts": pd.DataFrame(
            {
                "contrast_id": contrasts,
                "variable": "treatment",
                "reference": "DMSO",
                "target": "pomalidomide",
                "blocking": "replicate",
                "subset": "cell_line=MM.1S",
                "formula": None,
                "contrast": None,
                "kind": "drug_vs_vehicle",
            }
        ),
        "marker_verdicts": pd.concat([make_verdicts(c, flip=i > 0) for i, c in enumerate(contrasts)]),
        "de_results": pd.concat(
            [make_de_results(c, n_genes, i, e) for i, c in enumerate(contrasts) for e in ("deseq2", "edger")]
        ),
        "engine_agreement": pd.concat([make_agreement(c, n_genes) for c in contrasts]),
        "enrichment": make_enrichment(contrasts[0]),
        "response_score": pd.DataFrame(
            {
                "contrast_id": contrasts,
                "judged_gene": "IRF4",
                "signature": "pomalidomide v1",
                "n_genes": 14,
                "score": 1.8,
                "p_value": 0.002,
                "exposure_shown": True,
            }
        ),
        "steps": pd.DataFrame(
            {
                "asset": ["alignments", "de_results"],
                "partition": ["MM1S_DMSO_1", contrasts[0]],
                "inputs": [None, '{"upstream": {"alignments[MM1S_DMSO_1]": "d"}}'],
                "fingerprint": "f" * 64,
                "data_version": "d" * 64,
                "run_id": "0b6bb5a2-7a5c-4d4a-9f2e-000000000001",
                "finished_at": pd.Timestamp("2026-01-02 03:04:05"),
                "wall_s": [12.5, 3.2],
                "cpu_s": [20.1, 3.0],
                "peak_memory_mib": [850.0, None],
                "rows": [1, 400],
            }
        ),
        "artefacts": pd.DataFrame(
            {
                "asset": ["alignments"],
                "partition": ["MM1S_DMSO_1"],
                "role": ["bam"],
                "path": [f"results/files/{HOSTILE}.bam"],
                "bytes": [123456789],
                "sha256": ["c" * 64],
                "tool": ["STAR"],
                "tool_version": ["2.7.11b"],
                "run_id": ["0b6bb5a2-7a5c-4d4a-9f2e-000000000001"],
            }
        ),
    }
    return StudyReportInputs(
        study_name="Demo study " + HOSTILE,
        created_at="2026-01-02 03:04 UTC",
        tables=tables,
        versions={"STAR": "2.7.11b", "pydeseq2": "0.5.4", "poma-assets": "0.1.0"},
        parameters={
            "trimmer": "cutadapt",
            "counter": "featurecounts",
            "gene_sets": ["go_bp", "own.gmt"],
            "thresholds": {"fdr": 0.05},
            "note": HOSTILE,
        },
        normalised_counts=make_normalised_counts(samples["sample_id"].tolist()[:-1], n_genes),
        gene_sets=make_gene_sets(tables["enrichment"], n_genes),
        overrides=pd.DataFrame(
            [(samples["sample_id"][0], "rin", "include", f"degraded, yet usable {HOSTILE}", "M. Doe", "2026-01-01")],
            columns=["sample", "metric", "decision", "reason", "who", "date"],
        ),
        multiqc_link="../multiqc/multiqc_report.html",
        truth=pd.DataFrame(
            {
                "contrast_id": [contrasts[0]] * 2,
                "hypothesis_id": ["IRF4_drug", "MYC_drug"],
                "expected_verdict": ["confirmed", "confirmed"],
                "expected_sub_verdict": [None, "strong"],
            }
        ),
    )


def make_contrast_inputs(study: StudyReportInputs) -> ContrastReportInputs:
    rng = np.random.default_rng(2)
    samples = study.tables["samples"]
    ids = samples["sample_id"].tolist()[:6]
    markers = ["ENSG_IRF4", "ENSG_MYC", "ENSG_KLF2"]
    expression = pd.DataFrame(
        [(s, g, float(rng.lognormal(6, 0.3))) for s in ids for g in markers],
        columns=["sample_id", "gene_id", "normalised_count"],
    )
    base_mean = rng.lognormal(5, 2, 400)
    dispersions = pd.DataFrame(
        {
            "contrast_id": CONTRASTS[0],
            "gene_id": [f"ENSG{i:011d}" for i in range(400)],
            "base_mean": base_mean,
            "genewise_dispersion": (0.05 + 3 / base_mean) * rng.lognormal(0, 0.8, 400),
            "trend_dispersion": 0.05 + 3 / base_mean,
            "map_dispersion": (0.05 + 3 / base_mean) * rng.lognormal(0, 0.3, 400),
        }
    )
    design = pd.DataFrame(
        [
            (CONTRASTS[0], s, c, float(c == "intercept" or i >= 3), float(c != "intercept"), 1.0 + 0.01 * i)
            for i, s in enumerate(ids)
            for c in ("intercept", "treatment[pomalidomide]")
        ],
        columns=["contrast_id", "sample_id", "coefficient", "value", "contrast_weight", "size_factor"],
    )
    return ContrastReportInputs(
        study_name=study.study_name,
        created_at=study.created_at,
        contrast=study.tables["contrasts"].iloc[0],
        de_results=study.tables["de_results"],
        verdicts=study.tables["marker_verdicts"],
        enrichment=study.tables["enrichment"],
        engine_agreement=study.tables["engine_agreement"],
        response_score=study.tables["response_score"],
        gene_dispersions=dispersions,
        design_fit=design,
        samples=samples,
        marker_expression=expression,
        versions=study.versions,
        parameters=study.parameters,
    )
