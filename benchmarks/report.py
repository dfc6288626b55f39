"""How long the study report takes, how large it is, and how soon a browser shows it.

``python benchmarks/report.py`` makes the tables of a study of 20,000 genes x 12 samples with 4 and with 10 contrasts
(negative binomial counts, a twentieth of the genes changed, 5,000 gene sets by both methods), renders the report in a
process of its own, and prints wall and CPU seconds, bytes, and, if Chromium is there, the time to the ``load`` event
and until all plots of a contrast are drawn. Nothing is read from a study; imports of pandas and scipy are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from poma_assets.reports.inputs import StudyReportInputs
from poma_assets.reports.study_report import render_study_report
from poma_assets.science.enrichment.frames import benjamini_hochberg

SETS = 5000
REPLICATES = 3
MOST_S, MOST_BYTES = 20.0, 10_000_000


def make_inputs(genes: int, contrasts: int, seed: int = 1) -> StudyReportInputs:
    """The tables of a study of two lines under two treatments."""
    rng = np.random.default_rng(seed)
    ids = [f"ENSG{number:011d}" for number in sorted(rng.choice(300_000, genes, replace=False))]
    symbols = [f"{''.join(rng.choice(list('ABCDEFGHKLMNPRST'), 4))}{rng.integers(1, 30)}" for _ in ids]
    arms = [(line, drug) for line in ("MM.1S", "MM.1S-PR") for drug in ("DMSO", "pomalidomide")]
    samples = pd.DataFrame(
        [
            {"sample_id": f"{line}_{drug}_{k}", "cell_line": line, "treatment": drug, "replicate": str(k)}
            for line, drug in arms
            for k in range(1, REPLICATES + 1)
        ]
    )
    mean = rng.lognormal(4, 2.2, genes)
    counts = rng.poisson(mean[:, None] * rng.gamma(5, 0.2, (genes, len(samples))))
    names = [f"contrast_{number}" for number in range(contrasts)]
    results = [_results(name, engine, ids, symbols, mean, rng) for name in names for engine in ("deseq2", "edger")]
    return StudyReportInputs(
        study_name="benchmark",
        created_at="2026-01-01 00:00 UTC",
        tables={
            "samples": samples,
            "contrasts": pd.DataFrame({"contrast_id": names, "variable": "treatment", "reference": "DMSO"}).assign(
                target="pomalidomide", kind="drug_vs_vehicle"
            ),
            "de_results": pd.concat(results, ignore_index=True),
            "engine_agreement": pd.concat([_agreement(*results[at : at + 2]) for at in range(0, len(results), 2)]),
            "enrichment": pd.concat([_enrichment(name, rng) for name in names], ignore_index=True),
        },
        normalised_counts=pd.DataFrame(counts, index=ids, columns=samples["sample_id"], dtype=float),
        gene_sets={("go_bp", f"GO:{k:07d}"): list(rng.choice(symbols, 60, replace=False)) for k in range(SETS)},
    )


def _results(
    contrast: str, engine: str, ids: list[str], symbols: list[str], mean: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    error = 0.2 + 1.5 / np.sqrt(mean)
    effect = rng.normal(0, error) + np.where(rng.random(len(ids)) < 0.05, rng.normal(0, 2, len(ids)), 0)
    tested = mean > 3
    p = np.where(tested, 2 * norm.sf(np.abs(effect / error)), np.nan)
    adjusted = np.full(len(ids), np.nan)
    adjusted[tested] = benjamini_hochberg(p[tested])
    return pd.DataFrame(
        {
            "contrast_id": contrast,
            "engine": engine,
            "gene_id": ids,
            "gene_name": symbols,
            "base_mean": mean,
            "log2_fold_change": effect,
            "standard_error": error,
            "test": "wald",
            "statistic": effect / error,
            "p_value": p,
            "p_adjusted": adjusted,
            "shrunken_log2_fold_change": effect * 0.8,
            "status": np.where(tested, "tested", "filtered"),
        }
    )


def _agreement(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    called = [(frame["p_adjusted"] < 0.05).to_numpy() for frame in (first, second)]
    words = ["both_significant", "deseq2_only", "edger_only"]
    kinds = np.select([called[0] & called[1], called[0], called[1]], words, default="neither")
    return first[["contrast_id", "gene_id", "gene_name"]].assign(agreement=kinds)


def _enrichment(contrast: str, rng: np.random.Generator) -> pd.DataFrame:
    frames = []
    for method, direction in (("gsea", "both"), ("ora", "up"), ("ora", "down"), ("ora", "both")):
        p = rng.random(SETS) ** 2
        frames.append(
            pd.DataFrame(
                {
                    "contrast_id": contrast,
                    "method": method,
                    "direction": direction,
                    "collection": "go_bp",
                    "term_id": [f"GO:{k:07d}" for k in range(SETS)],
                    "term_name": [f"biological process number {k}" for k in range(SETS)],
                    "set_size": 60,
                    "overlap": rng.integers(1, 30, SETS),
                    "score": rng.normal(0, 0.4, SETS) if method == "gsea" else rng.lognormal(0, 1, SETS),
                    "normalised_score": rng.normal(0, 1.5, SETS) if method == "gsea" else np.nan,
                    "p_value": p,
                    "p_adjusted": benjamini_hochberg(p),
                    "leading_genes": "IRF4;MYC;IFITM1",
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _render(genes: int, contrasts: int, target: Path) -> None:
    """In a process of its own: make the tables, then measure the report alone."""
    inputs = make_inputs(genes, contrasts)
    began, used = time.monotonic(), time.process_time()
    html = render_study_report(inputs)
    target.write_text(html, encoding="utf-8")
    cost = {"wall_s": time.monotonic() - began, "cpu_s": time.process_time() - used, "bytes": target.stat().st_size}
    print(json.dumps(cost))


def _opening_times(path: Path) -> tuple[float, float] | None:
    """Seconds to the load event, and until the first contrast's plots are drawn; None without a browser."""
    from browser_timing import chromium

    program = chromium()
    if program is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        began = time.monotonic()
        page.goto(path.as_uri())
        loaded = time.monotonic() - began
        page.locator(".explore[data-ready]").first.wait_for()
        drawn = time.monotonic() - began
        browser.close()
    return loaded, drawn


def main() -> None:
    """Print one line per number of contrasts; status 1 if a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--contrasts", type=int, nargs="+", default=[4, 10])
    parser.add_argument("--keep", type=Path, help="folder where the pages are kept")
    parser.add_argument("--render", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.render:
        _render(options.genes, options.contrasts[0], options.render)
        return
    passed = True
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for contrasts in options.contrasts:
            target = (folder / f"report_{contrasts}_contrasts.html").resolve()
            argv = [sys.executable, __file__, "--genes", str(options.genes), "--contrasts", str(contrasts)]
            done = subprocess.run([*argv, "--render", str(target)], check=True, stdout=subprocess.PIPE, env=os.environ)
            cost = json.loads(done.stdout)
            times = _opening_times(target)
            shown = "no Chromium" if times is None else f"loaded {times[0]:.2f} s, plots {times[1]:.2f} s"
            print(
                f"{options.genes:,} genes x {4 * REPLICATES} samples x {contrasts} contrasts: made in "
                f"{cost['wall_s']:.1f} s wall, {cost['cpu_s']:.1f} s CPU; {cost['bytes'] / 1e6:.2f} MB; {shown}"
            )
            passed &= cost["wall_s"] <= MOST_S and cost["bytes"] <= MOST_BYTES
    raise SystemExit(0 if passed else 1)


if __name__ == "__main__":
    main()
