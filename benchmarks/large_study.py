"""A study with thousands of samples that counts as done, simulated at the level of tables; ``scale.py`` measures it.

Real here: poma.yaml, sheets, one small FASTQ pair a sample, every file that a step keeps (empty), the warehouse with
steps, file records, inclusion, 20 quality metrics and 100 genes a sample, Dagster's partitions, and a materialisation
of every asset and partition. Nothing ran: fingerprints are those that planning itself asks for, so that the study is
up to date until the code or a parameter changes.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd

from poma_assets.cli.context import open_study
from poma_assets.launcher import needed_nodes
from poma_assets.partitions import CONTRASTS, SAMPLES, synchronise
from poma_assets.planning import StepIndex, digest, partitions_of, step_inputs
from poma_assets.resources import StudyResource
from poma_assets.storage.connection import writing
from poma_assets.storage.database_schema import ensure_tables
from poma_assets.storage.schema import TABLES
from poma_assets.vocabulary import CONTRAST_ASSETS, SAMPLE_ASSETS

GENES, METRICS = 100, 20
PER_CONTRAST = 12
CONTRASTS_AT_MOST = 20
FILES = {
    "raw_reads": ("raw_R1.fastq.gz", "raw_R2.fastq.gz"),
    "read_quality": ("R1_fastqc.html", "R1_fastqc.zip", "R2_fastqc.html", "R2_fastqc.zip"),
    "trimmed_reads": ("trimmed_R1.fastq.gz", "trimmed_R2.fastq.gz", "cutadapt.json"),
    "trimmed_read_quality": ("R1_fastqc.html", "R1_fastqc.zip", "R2_fastqc.html", "R2_fastqc.zip"),
    "alignments": ("bam", "bam.bai", "Log.final.out", "ReadsPerGene.out.tab", "SJ.out.tab"),
    "gene_counts": ("featurecounts.txt", "featurecounts.txt.summary"),
}
_SHA256_OF_NOTHING = hashlib.sha256().hexdigest()


def make_large_study(root: Path, samples: int) -> StudyResource:
    """Write the study into an empty folder and return it."""
    names = [f"S{number:05d}" for number in range(1, samples + 1)]
    _write_inputs(root, names)
    study = open_study(root)
    artefacts = _write_files(study, names)
    _fill_warehouse(study, names, artefacts)
    _fill_instance(study)
    return study


def _write_inputs(root: Path, names: list[str]) -> None:
    (root / "fastq").mkdir(parents=True)
    (root / "genome.fa").write_text(">1\n" + "ACGT" * 250 + "\n")
    line = '1\tsim\texon\t1\t900\t.\t+\t.\tgene_id "ENSG00000000001"; transcript_id "T1"; gene_name "IRF4";\n'
    (root / "genes.gtf").write_text(line)
    (root / "poma.yaml").write_text(
        "name: large\nprofile: small_reference\nkeep: all\ngene_sets: []\n"
        "reference: {genome: genome.fa, annotation: genes.gtf}\n"
    )
    lines = ["sample\tfastq_1\tfastq_2\tstrandedness\tcell_line\tcell_context\ttreatment\treplicate\tbatch"]
    for number, name in enumerate(names):
        reads = [f"fastq/{name}_R{read}.fastq" for read in (1, 2)]
        for path in reads:
            (root / path).write_text(f"@{name}\nACGT\n+\nIIII\n")
        drug = ("DMSO", "pomalidomide")[number % 2]
        replicate, batch = number % PER_CONTRAST // 2 + 1, f"B{number // PER_CONTRAST:05d}"
        lines.append("\t".join([name, *reads, "reverse", "MM.1S", "myeloma", drug, str(replicate), batch]))
    (root / "samples.tsv").write_text("\n".join(lines) + "\n")
    rows = ["id\tvariable\treference\ttarget\tsubset"]
    for number in range(min(CONTRASTS_AT_MOST, len(names) // PER_CONTRAST)):
        rows.append(f"pom_{number:02d}\ttreatment\tDMSO\tpomalidomide\tbatch=B{number:05d}")
    (root / "contrasts.tsv").write_text("\n".join(rows) + "\n")


def _write_files(study: StudyResource, names: Iterable[str]) -> pd.DataFrame:
    rows = []
    for name in names:
        for asset, suffixes in FILES.items():
            folder = study.study.step_dir(asset, name)
            folder.mkdir(parents=True, exist_ok=True)
            for suffix in suffixes:
                path = folder / f"{name}.{suffix}"
                path.touch()
                rows.append((asset, name, suffix, path.relative_to(study.study.root).as_posix()))
    frame = pd.DataFrame(rows, columns=["asset", "partition", "role", "path"])
    return frame.assign(
        bytes=0, sha256=_SHA256_OF_NOTHING, tool="tool", tool_version="1", run_id="simulated", dropped_at=pd.NaT
    )


def _fill_warehouse(study: StudyResource, names: list[str], artefacts: pd.DataFrame) -> None:
    generator = np.random.default_rng(1)
    genes = [f"ENSG{number:011d}" for number in range(1, GENES + 1)]
    long = pd.DataFrame({"sample_id": np.repeat(names, GENES), "gene_id": genes * len(names)})
    long["count"] = generator.negative_binomial(1, 0.01, len(long))
    metrics = [f"metric_{number:02d}" for number in range(METRICS)]
    quality = pd.DataFrame({"sample_id": np.repeat(names, METRICS), "metric": metrics * len(names), "value": 90.0})
    frames = {
        "artefacts": artefacts,
        "gene_counts": long.assign(counter="featurecounts"),
        "count_matrix": long,
        "sample_quality": quality.assign(warn="<80", fail="<60", status="pass", source="simulated", scope="sample"),
        "sample_inclusion": pd.DataFrame({"sample_id": names, "included": True, "reason": None}),
        "samples": study.sheet.samples,
        "sequencing_units": study.sheet.units,
        "steps": _steps(study),
    }
    path = study.study.warehouse_path
    with writing(path, describe="a benchmark", timeout_s=60.0, on_wait=None) as connection:
        connection.begin()
        ensure_tables(connection, str(path))
        for name, frame in frames.items():
            connection.register("incoming", frame[list(TABLES[name].column_names)])
            connection.execute(f'INSERT INTO "{name}" BY NAME SELECT * FROM incoming')
            connection.unregister("incoming")
        connection.commit()


def _steps(study: StudyResource) -> pd.DataFrame:
    """A step of every asset and partition, with the fingerprint that planning finds now."""
    import json

    index, rows = StepIndex(), []
    for node in needed_nodes(study):
        for partition in partitions_of(node.name, study):
            inputs = step_inputs(node, partition, study, index)
            fingerprint = digest(inputs)
            index.data_versions[node.name, partition] = version = digest([node.name, partition])[:32]
            text = json.dumps(inputs, sort_keys=True, default=str)
            rows.append((node.name, partition, fingerprint, version, text))
    frame = pd.DataFrame(rows, columns=["asset", "partition", "fingerprint", "data_version", "inputs"])
    return frame.assign(
        run_id="simulated",
        finished_at=datetime.now(UTC).replace(tzinfo=None),
        wall_s=1.0,
        cpu_s=1.0,
        peak_memory_mib=100.0,
        rows=1,
    )


def _fill_instance(study: StudyResource) -> None:
    """Register the partitions, report one materialisation of every asset, and copy it for all other partitions."""
    with dg.DagsterInstance.get() as instance:
        synchronise(instance, SAMPLES, list(study.sheet.samples["sample_id"]))
        synchronise(instance, CONTRASTS, list(study.contrasts))
        firsts = {}
        for node in needed_nodes(study):
            first = partitions_of(node.name, study)[0]
            key = {"partition": first} if first else {}
            tags = {"dagster/data_version": "simulated"}
            instance.report_runless_asset_event(dg.AssetMaterialization(node.name, tags=tags, **key))
            if first:
                firsts[node.name] = first
    kinds = dict.fromkeys(SAMPLE_ASSETS, SAMPLES.name) | dict.fromkeys(CONTRAST_ASSETS, CONTRASTS.name)
    database = study.study.dagster_home / "history" / "runs" / "index.db"
    with closing(sqlite3.connect(database)) as connection:
        for asset, first in firsts.items():
            connection.execute(
                "INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition) "
                "SELECT e.run_id, replace(e.event, ?, p.partition), e.dagster_event_type, e.timestamp, e.step_key, "
                "e.asset_key, p.partition FROM event_logs e, dynamic_partitions p "
                "WHERE e.asset_key = ? AND e.partition = ? AND p.partitions_def_name = ? AND p.partition <> ?",
                (first, f'["{asset}"]', first, kinds[asset], first),
            )
        connection.commit()
