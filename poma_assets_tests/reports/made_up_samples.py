"""Made-up samples of a report, with hostile names, and the tables of their steps."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

HOSTILE = "<script>alert(1)</script>\"'&$x$"


def make_samples() -> pd.DataFrame:
    rows = []
    for line, sensitivity in (("MM.1S", "sensitive"), ("MM.1S-res", "resistant")):
        for treatment, dose in (("DMSO", 0.0), ("pomalidomide", 1.0)):
            for replicate in "123":
                sample = f"{line.replace('.', '')}_{treatment[:4]}_{replicate}"
                metadata = json.dumps({"cell_line": line, "note": HOSTILE})
                rows.append((sample, "auto", line, "myeloma", sensitivity, treatment, dose, 24.0, replicate, metadata))
    frame = pd.DataFrame(
        rows,
        columns=[
            *("sample_id", "strandedness", "cell_line", "cell_context", "sensitivity"),
            *("treatment", "dose_um", "time_h", "replicate", "metadata"),
        ],
    )
    return frame.assign(batch=None, donor=None, rin=[9.1] * 11 + [None], a260_a280=2.0)


def make_sample_tables(samples: pd.DataFrame) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(1)
    ids = samples["sample_id"].tolist()
    kept = ids[:-1]
    n = len(ids)
    scores = rng.normal(0, 1, (len(kept), 2)) + np.array([[8 * (i // 6), 5 * (i // 3 % 2)] for i in range(len(kept))])
    statuses = [*(["pass"] * (n - 2)), "warn", "fail"]
    metrics = [("uniquely_mapped_pct", ">= 70", "< 50", 91.2), ("rin", ">= 7", "< 5", None)]
    return {
        "sample_inclusion": pd.DataFrame(
            {
                "sample_id": ids,
                "included": [True] * (n - 1) + [False],
                "reason": [None] * (n - 1) + ["uniquely mapped reads 31 % are below 50 %"],
            }
        ),
        "sample_quality": pd.DataFrame(
            [
                {
                    "sample_id": sample,
                    "metric": metric,
                    "value": value,
                    "warn": warn,
                    "fail": fail,
                    "status": status if value is not None else "not_recorded",
                    "source": "alignment_quality",
                    "scope": "sample",
                }
                for sample, status in zip(ids, statuses, strict=True)
                for metric, warn, fail, value in metrics
            ]
        ),
        "strandedness": pd.DataFrame(
            {
                "sample_id": ids,
                "declared": "auto",
                "inferred": "reverse",
                "used": "reverse",
                "forward_fragments": 2000,
                "reverse_fragments": 180000,
                "unstranded_fragments": 182000,
                "reverse_fraction": rng.uniform(0.97, 0.99, n),
                "agrees": [True] * (n - 1) + [False],
            }
        ),
        "alignment_quality": pd.DataFrame(
            {
                "sample_id": ids,
                "read_pairs": 200000,
                "uniquely_mapped": 180000,
                "uniquely_mapped_pct": rng.uniform(85, 92, n),
                "multi_mapped_pct": 5.0,
                "too_many_loci_pct": 0.4,
                "unmapped_pct": 2.6,
                "mismatch_pct": 0.3,
            }
        ),
        "trimming": pd.DataFrame({"sample_id": ids, "trimmer": "cutadapt", "pass_filter_pct": 98.7}),
        "read_quality": pd.DataFrame(
            [
                {"sample_id": s, "stage": stage, "read": read, "mean_quality": 33 + 2 * (stage == "trimmed")}
                for s in ids
                for stage in ("raw", "trimmed")
                for read in ("R1", "R2")
            ]
        ),
        "sample_identity": pd.DataFrame(
            {
                "sample_id": ids,
                "rule": "light_chain",
                "expected": "IGL",
                "observed": "IGL",
                "status": ["match"] * (n - 1) + ["mismatch"],
                "likelier_line": [None] * (n - 1) + ["U266"],
                "detail": "IGLC2 is 95 % of light chain",
            }
        ),
        "size_factors": pd.DataFrame(
            {
                "sample_id": kept,
                "size_factor": rng.uniform(0.8, 1.2, n - 1),
                "library_size": rng.integers(150000, 200000, n - 1),
                "method": "ratio",
            }
        ),
        "sample_pca": pd.DataFrame(
            [
                {
                    "sample_id": s,
                    "component": c + 1,
                    "score": scores[i, c],
                    "explained_variance_pct": [61.2, 18.7][c],
                }
                for i, s in enumerate(kept)
                for c in range(2)
            ]
        ),
        "sample_distances": pd.DataFrame(
            [
                {
                    "sample_id": a,
                    "other_sample_id": b,
                    "euclidean_distance": float(np.linalg.norm(scores[i] - scores[j])),
                    "spearman": 0.99,
                }
                for i, a in enumerate(kept)
                for j, b in enumerate(kept)
                if i < j
            ]
        ),
    }
