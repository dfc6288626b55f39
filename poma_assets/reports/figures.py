"""All figures of the reports and of Dagster's metadata under one name; the modules below draw them."""

from __future__ import annotations

from poma_assets.reports.figure_encoding import (
    inline_svg,
    markdown_image,
    message_figure,
    message_of,
    png_bytes,
    png_data_uri,
)
from poma_assets.reports.gene_figures import dispersion_figure, volcano_figure
from poma_assets.reports.marker_figures import marker_panels_figure
from poma_assets.reports.sample_figures import (
    alignment_figure,
    library_size_figure,
    pca_figure,
    read_quality_figure,
    sample_distance_figure,
    strandedness_figure,
)
from poma_assets.reports.verdict_figures import (
    enrichment_dot_figure,
    verdict_counts_figure,
    verdict_effects_figure,
)

__all__ = [
    "alignment_figure",
    "dispersion_figure",
    "enrichment_dot_figure",
    "inline_svg",
    "library_size_figure",
    "markdown_image",
    "marker_panels_figure",
    "message_figure",
    "message_of",
    "pca_figure",
    "png_bytes",
    "png_data_uri",
    "read_quality_figure",
    "sample_distance_figure",
    "strandedness_figure",
    "verdict_counts_figure",
    "verdict_effects_figure",
    "volcano_figure",
]
