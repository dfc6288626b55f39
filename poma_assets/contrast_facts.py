"""What the verdicts need to know of a contrast: its kind, its cells, its times, its replicates."""

import pandas as pd

from poma_assets.resources import StudyResource
from poma_assets.science.contrasts import Contrast, contrast_kind
from poma_assets.science.design import Design
from poma_assets.science.markers.verdicts import ContrastFacts


def contrast_facts(study: StudyResource, contrast: Contrast, design: Design) -> ContrastFacts:
    """Gather the facts of a contrast over its two arms; other samples in the model only share its dispersion."""
    samples = [*design.reference_samples, *design.target_samples]
    table = study.sheet.samples.set_index("sample_id").loc[samples]
    modelled = study.design_table.loc[list(design.matrix.index)]
    times = table["time_h"].astype(float)
    reference_times = set(times[list(design.reference_samples)].dropna())
    target_times = set(times[list(design.target_samples)].dropna())
    known = bool(reference_times and target_times)
    return ContrastFacts(
        contrast_id=contrast.id,
        kind=contrast_kind(contrast, modelled, study.study.config.vehicle),
        cell_contexts=_values(table["cell_context"]),
        sensitivities=_values(table["sensitivity"]),
        time_h=tuple(sorted(target_times)),
        n_reference=design.n_reference,
        n_target=design.n_target,
        reference_samples=tuple(design.reference_samples),
        target_samples=tuple(design.target_samples),
        vehicle_time_matched=target_times <= reference_times if known else None,
    )


def _values(column: pd.Series) -> frozenset[str]:
    return frozenset(str(value) for value in column.dropna())
