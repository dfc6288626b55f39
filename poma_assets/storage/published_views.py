"""The views of the published database: the questions that people ask first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from poma_assets.storage.schema import TABLES

if TYPE_CHECKING:
    from poma_assets.storage.connection import Connection

_TOP_GENES = 50

_VIEWS: dict[str, tuple[str, str]] = {
    "v_verdicts": (
        "Verdicts of all contrasts, decided ones first, with effect, interval and sentence",
        """
        SELECT v.contrast_id, c.kind, v.gene_symbol, v.verdict, v.sub_verdict, v.label, v.expected_direction,
               v.log2_fold_change, v.ci_low, v.ci_high, v.smallest_detectable_effect_log2, v.q_confirm,
               v.edger_log2_fold_change, v.engines_agree, v.n_reference, v.n_target,
               v.sentence, v.hypothesis_id
        FROM marker_verdicts v LEFT JOIN contrasts c USING (contrast_id)
        ORDER BY v.contrast_id,
                 list_position(['confirmed', 'contradicted', 'inconclusive', 'not_testable'], v.verdict),
                 v.gene_symbol, v.hypothesis_id
        """,
    ),
    "v_verdict_history": (
        "Every change of a verdict, newest first: from what to what, why, by which run, and whether it still stands",
        """
        SELECT recorded_at, contrast_id, gene_symbol, previous_verdict, previous_sub_verdict, verdict, sub_verdict,
               cause, log2_fold_change, standard_error, n_reference, n_target, reference_samples, target_samples,
               row_number() OVER (PARTITION BY contrast_id, hypothesis_id ORDER BY recorded_at DESC) = 1 AS stands,
               '/runs/' || run_id AS run_path, data_version, hypothesis_id
        FROM verdict_history
        ORDER BY recorded_at DESC, contrast_id, gene_symbol, hypothesis_id
        """,
    ),
    "v_top_genes": (
        f"The {_TOP_GENES} genes of smallest p value of each contrast and engine",
        f"""
        SELECT contrast_id, engine,
               row_number() OVER (PARTITION BY contrast_id, engine ORDER BY p_value, gene_id) AS rank,
               gene_id, gene_name, base_mean, log2_fold_change, shrunken_log2_fold_change, standard_error,
               p_value, p_adjusted
        FROM de_results
        WHERE status = 'tested' AND p_value IS NOT NULL
        QUALIFY rank <= {_TOP_GENES}
        ORDER BY contrast_id, engine, rank
        """,
    ),
    "v_sample_overview": (
        "One row per sample: metadata, reads, alignment, strandedness, quality and whether it was included",
        """
        SELECT s.sample_id, s.cell_line, s.cell_context, s.sensitivity, s.treatment, s.dose_um, s.time_h,
               s.replicate, s.batch, s.rin, s.a260_a280, t.read_pairs_in, t.pass_filter_pct,
               a.uniquely_mapped_pct, st.used AS strandedness_used, f.library_size, f.size_factor,
               q.n_failed AS quality_failures, q.n_warned AS quality_warnings,
               i.included, i.reason AS inclusion_reason
        FROM samples s
        LEFT JOIN trimming t USING (sample_id)
        LEFT JOIN alignment_quality a USING (sample_id)
        LEFT JOIN strandedness st USING (sample_id)
        LEFT JOIN size_factors f USING (sample_id)
        LEFT JOIN sample_inclusion i USING (sample_id)
        LEFT JOIN (
            SELECT sample_id, count(*) FILTER (status = 'fail') AS n_failed,
                   count(*) FILTER (status = 'warn') AS n_warned
            FROM sample_quality GROUP BY sample_id
        ) q USING (sample_id)
        ORDER BY s.sample_id
        """,
    ),
    "v_marker_expression": (
        "Expression of the judged markers in every included sample, with the sample's condition",
        """
        SELECT m.gene_symbol, e.gene_id, e.sample_id, s.cell_line, s.sensitivity, s.treatment, s.dose_um,
               s.time_h, s.replicate, e.normalised_count, e.cpm, e.tpm, e.vst
        FROM (SELECT DISTINCT gene_symbol, ensembl_gene_id FROM marker_verdicts) m
        JOIN normalised_expression e ON e.gene_id = m.ensembl_gene_id
        LEFT JOIN samples s USING (sample_id)
        ORDER BY m.gene_symbol, e.sample_id
        """,
    ),
}


VIEW_COMMENTS = {name: comment for name, (comment, _) in _VIEWS.items()}
"""View -> what it shows."""

_OWN_COLUMNS = {
    "rank": "place of the gene by p value, from 1",
    "stands": "whether this is the verdict of now",
    "run_path": "page of the run in the Dagster UI",
    "strandedness_used": "strandedness that the counters were given",
    "quality_failures": "quality metrics that failed",
    "quality_warnings": "quality metrics with a warning",
    "inclusion_reason": "why the sample stayed out of the count matrix, or by whose override it entered",
}
"""Columns of views that no table has."""


def create_views(connection: Connection, *, temporary: bool = False) -> None:
    """Make the views in a database that has the declared tables: with their comments, or for this connection only."""
    for name, (comment, sql) in _VIEWS.items():
        if temporary:
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {sql}")
            continue
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS {sql}")
        connection.execute(f"COMMENT ON VIEW {name} IS {_quoted(comment)}")
        for column in connection.execute(f"SELECT * FROM {name} LIMIT 0").description or ():
            text = _column_comment(column[0], sql)
            connection.execute(f'COMMENT ON COLUMN {name}."{column[0]}" IS {_quoted(text)}')


def _column_comment(column: str, sql: str) -> str:
    """What a column means: as declared in the table of the view that has it."""
    if column in _OWN_COLUMNS:
        return _OWN_COLUMNS[column]
    tables = [TABLES[word] for word in re.findall(r"(?:FROM|JOIN) (\w+)", sql)]
    return next(declared.comment for table in tables for declared in table.columns if declared.name == column)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
