"""Rules of the source tree that no linter knows."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_LINES = 400
MODULES = sorted([*ROOT.glob("poma_assets/**/*.py"), *ROOT.glob("poma_assets_tests/**/*.py")])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_longer_than_a_reader_can_hold(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_the_data_that_the_package_needs_are_there():
    assert {path.name for path in (ROOT / "data" / "markers").glob("*.tsv")} >= {
        "marker_hypotheses.tsv",
        "cell_line_identity.tsv",
        "sample_identity_genes.tsv",
        "qc_thresholds.tsv",
        "response_signature.tsv",
    }
    assert (ROOT / "data" / "gene_sets" / "go_bp.symbols.gmt.gz").is_file()


def test_locks_name_no_registry_address():
    for lock in ("requirements.txt", "requirements-dev.txt", "requirements-cluster.txt"):
        text = (ROOT / ".ci" / lock).read_text(encoding="utf-8")
        assert "://" not in text
        assert text.count("--hash=sha256:") > 100
