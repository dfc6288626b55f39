"""Draw the counts of this folder: negative binomial, seeded, with planted effects (columns of truth.tsv)."""

import numpy as np
import pandas as pd

GENES, REPLICATES = 300, 3
rng = np.random.default_rng(20260722)
samples = pd.DataFrame(
    [
        (f"{condition}_{batch}_{replicate}", condition, batch)
        for condition in ("control", "drug")
        for batch in ("b1", "b2")
        for replicate in range(1, REPLICATES + 1)
    ],
    columns=["sample_id", "condition", "batch"],
)
gene_ids = [f"gene{number:03d}" for number in range(GENES)]
mean = np.exp(rng.normal(4.0, 2.0, GENES))
effect = np.where(np.arange(GENES) % 10 == 0, rng.choice([-1.5, 1.5], GENES), 0.0)
batch_effect = rng.normal(0.0, 0.3, GENES)
dispersion = 0.02 + 2.0 / mean
depth = rng.uniform(0.6, 1.6, len(samples))
log2_mean = (
    np.log2(mean)[:, None]
    + np.outer(effect, samples.condition == "drug")
    + np.outer(batch_effect, samples.batch == "b2")
)
mu = 2**log2_mean * depth
counts = rng.negative_binomial(1 / dispersion[:, None], 1 / (1 + mu * dispersion[:, None]))
counts[7] = 0
counts[17, (samples.condition == "drug").to_numpy()] = 0
counts[27, 0] = 50 * counts[27].max() + 5000
table = pd.DataFrame(counts, index=pd.Index(gene_ids, name="gene_id"), columns=samples.sample_id)
table.to_csv("counts.tsv", sep="\t")
samples.to_csv("samples.tsv", sep="\t", index=False)
pd.DataFrame({"gene_id": gene_ids, "effect_log2": effect}).to_csv("truth.tsv", sep="\t", index=False)
