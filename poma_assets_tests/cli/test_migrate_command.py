from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from poma_assets.clusters.choice import chosen_pool
from poma_assets.resources import StudyResource
from poma_assets.science.errors import InputError
from poma_assets.storage.step_output import StepOutput
from poma_assets.storage.warehouse import Warehouse

CONFIG = "# mine\nname: counts\ncount_matrix: counts.tsv\n"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    root = tmp_path / "study"
    root.mkdir()
    (root / "poma.yaml").write_text(CONFIG)
    factors = pd.DataFrame({"sample_id": ["A"], "size_factor": 0.5, "library_size": 10, "method": "ratio"})
    Warehouse(root / "results" / "warehouse.duckdb").write(
        StepOutput(tables={"size_factors": factors}),
        asset="normalised_expression",
        partition="",
        study_root=root,
        fingerprint="f",
        data_version="v",
        inputs={},
        run_id="r",
        partition_values={},
    )
    return root


def test_a_study_goes_into_a_lake_and_back(study: Path, poma) -> None:
    pytest.importorskip("duckdb_extension_ducklake", reason="the packages for clusters are not installed")
    to = "ducklake:sqlite:catalogue.sqlite"
    there = poma("migrate", "warehouse", "--to", to, "--study", str(study))
    assert there.returncode == 0, there.stderr
    assert "tables with 2 rows copied; row counts and hashes are equal on both sides" in there.stdout
    assert (study / "poma.yaml").read_text() == f"{CONFIG}warehouse: {to}\n"
    assert StudyResource(root=str(study)).warehouse.read("size_factors")["size_factor"].tolist() == [0.5]
    back = poma("migrate", "warehouse", "--to", "duckdb", "--study", str(study))
    assert "were there already" in back.stdout
    assert (study / "poma.yaml").read_text() == f"{CONFIG}warehouse: duckdb\n"


def test_an_address_with_a_password_is_refused_and_not_repeated(study: Path, poma) -> None:
    result = poma("migrate", "warehouse", "--to", "ducklake:postgres:host=db password=hidden", "--study", str(study))
    assert result.returncode == 2
    assert "PGPASSWORD" in result.stderr
    assert "hidden" not in result.stdout + result.stderr
    assert (study / "poma.yaml").read_text() == CONFIG


def test_a_study_of_one_machine_is_not_handed_to_others(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = StudyResource(root=str(study))
    monkeypatch.delenv("POMA_RUN_ON", raising=False)
    assert chosen_pool(resource, "") is chosen_pool(resource, "here") is None
    for place in ("celery", "slurm"):
        with pytest.raises(InputError, match=r"one machine only.*poma migrate warehouse"):
            chosen_pool(resource, place)
    monkeypatch.setenv("POMA_RUN_ON", "celery")
    with pytest.raises(InputError, match="one machine only"):
        chosen_pool(resource, "")
    with pytest.raises(InputError, match="--on is unknown"):
        chosen_pool(resource, "cloud")
