import csv
import gzip
import hashlib
from dataclasses import replace

import pytest

from poma_assets.science.errors import InputError
from poma_assets.storage.simulated_study import (
    DEMO,
    TINY,
    read_gene_tables,
    write_simulated_study,
)

SMALL = replace(TINY, read_pairs_per_sample=600)


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def table(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t"))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_simulated_study(tmp_path_factory.mktemp("simulated") / "study", size=SMALL, seed=7, jobs=1)


def test_same_seed_gives_the_same_bytes_whatever_the_number_of_processes(study, tmp_path):
    again = write_simulated_study(tmp_path / "again", size=SMALL, seed=7, jobs=2)
    assert digests(again) == digests(study)


def test_another_seed_gives_other_reads_and_another_genome(study, tmp_path):
    other = digests(write_simulated_study(tmp_path / "other", size=SMALL, seed=8, jobs=1))
    same = {name for name, digest in digests(study).items() if other[name] == digest}
    # The truth about rules, the contrasts and the configuration do not depend on the seed.
    assert same == {"poma.yaml", "contrasts.tsv", "truth/expected_verdicts.tsv"}


def test_the_sheet_names_files_that_exist_and_pair(study):
    samples = table(study / "samples.tsv")
    assert len(samples) == 8
    for row in samples:
        names = []
        for column in ("fastq_1", "fastq_2"):
            with gzip.open(study / row[column], "rt") as file:
                names.append([line.split()[0] for line in file][::4])
        assert names[0] == names[1]
        assert names[0][0].startswith("@SIM:" + row["sample"])
    assert {row["strandedness"] for row in samples} == {"auto"}
    assert {row["cell_context"] for row in samples} == {"myeloma"}


def test_as_many_read_pairs_as_the_truth_says(study):
    counts = table(study / "truth" / "fragment_counts.tsv")
    for row in table(study / "samples.tsv"):
        with gzip.open(study / row["fastq_1"], "rt") as file:
            n_pairs = sum(1 for _ in file) // 4
        exonic = sum(int(gene[row["sample"]]) for gene in counts)
        # 6 % lie between genes and 4 % in introns.
        assert n_pairs == pytest.approx(exonic / 0.9, abs=2)


def test_truth_and_annotation_have_the_same_genes(study):
    truth = {row["gene_id"]: row["gene_name"] for row in table(study / "truth" / "gene_effects.tsv")}
    gtf = (study / "reference" / "genes.gtf").read_text()
    lines = [line.split("\t")[8] for line in gtf.splitlines() if "\tgene\t" in line]
    assert {line.split('"')[1]: line.split('"')[3] for line in lines} == truth
    assert truth["ENSG00000137265"] == "IRF4"
    assert [row["gene_id"] for row in table(study / "truth" / "fragment_counts.tsv")] == list(truth)


def test_true_effects_of_markers(study):
    effects = {row["gene_name"]: row for row in table(study / "truth" / "gene_effects.tsv")}
    assert effects["IRF4"]["log2_fold_change_pom_in_sensitive"] == "-1.8"
    assert effects["IRF4"]["log2_fold_change_pom_in_resistant"] == "0"
    assert effects["IFITM1"]["log2_fold_change_interaction"] == "3.2"
    assert effects["CRBN"]["log2_fold_change_resistance_at_vehicle"] == "-1"


def test_expected_verdicts_are_those_of_the_size(study):
    rows = table(study / "truth" / "expected_verdicts.tsv")
    found = {(row["contrast_id"], row["hypothesis_id"], row["expected_verdict"]) for row in rows}
    assert found == {(e.contrast_id, e.hypothesis_id, e.verdict) for e in SMALL.expected_verdicts}
    subs = {row["hypothesis_id"]: row["expected_sub_verdict"] for row in rows}
    assert subs["IKZF1_degradation"] == "protein_level"
    assert subs["DNMT3B_drug"] == "below_floor"


def test_small_studies_expect_only_what_needs_no_depth():
    assert 0 < len(TINY.expected_verdicts) < len(DEMO.expected_verdicts)
    assert not any(expected.needs_depth for expected in TINY.expected_verdicts)
    assert len(replace(DEMO, replicates=2).expected_verdicts) == len(TINY.expected_verdicts)


def test_every_file_that_can_says_that_it_is_synthetic(study):
    assert "SIMULATED" in (study / "SIMULATED.txt").read_text()
    assert "Simulated" in (study / "poma.yaml").read_text().splitlines()[0]
    assert "synthetic" in (study / "reference" / "genome.fa").read_text().splitlines()[0]
    assert "#!synthetic" in (study / "reference" / "genes.gtf").read_text()
    assert {row["origin"] for row in table(study / "samples.tsv")} == {"synthetic"}
    for path in (study / "truth").iterdir():
        assert path.read_text().startswith("# synthetic")


def test_progress_names_every_sample(tmp_path):
    messages = []
    write_simulated_study(tmp_path / "s", size=SMALL, jobs=1, on_progress=messages.append)
    assert len(messages) == 9
    assert messages[0].startswith("reference: 188 genes")
    assert messages[1].startswith("MM1S_DMSO_1: ")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="not empty") as caught:
        write_simulated_study(tmp_path, size=SMALL)
    assert str(tmp_path) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_is_left_of_a_study_that_was_interrupted(tmp_path):
    def interrupt(message):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_simulated_study(tmp_path / "s", size=SMALL, jobs=1, on_progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_gene_tables_give_one_gene_per_id():
    gene_ids, terms = read_gene_tables()
    assert len(set(gene_ids.values())) == len(gene_ids) > 20_000
    assert gene_ids["HLA-A"] == "ENSG00000206503"
    assert gene_ids["IRF4"] == "ENSG00000137265"
    assert "TAP1" in terms["GO:0002474"]
