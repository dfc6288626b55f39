"""Gene sets fetched into a study: dated, hashed, whole or not there."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import date

import pytest

from poma_assets.science.errors import GeneSetError, StorageError
from poma_assets.storage import gene_set_cache
from poma_assets.storage.gene_set_cache import (
    FetchedGeneSets,
    cached_gene_sets,
    cached_name,
    find_cached,
    is_intact,
    store_gene_sets,
)
from poma_assets.storage.package_data import read_gene_sets

DAY = date(2026, 11, 22)
GMT = "b\tsecond\tG3\nä\tfirst\tG1\tG2\tG3\n"
FETCHED = FetchedGeneSets(GMT, "https://h/kegg", "116.0", ("hsa:1", "hsa:2"), "a note")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_gene_sets_are_stored_with_their_provenance(tmp_path):
    stored = store_gene_sets(tmp_path, "kegg_hsa", DAY, FETCHED, licence="academic")
    assert stored.name == "gene_sets/kegg_hsa.2026-11-22.gmt.gz" == cached_name("kegg_hsa", DAY)
    assert (stored.n_sets, stored.n_genes, stored.date) == (2, 3, "2026-11-22")
    assert stored.sha256 == hashlib.sha256(GMT.encode()).hexdigest()
    assert names(tmp_path / "gene_sets") == ["kegg_hsa.2026-11-22.gmt.gz", "kegg_hsa.2026-11-22.json"]
    collection = read_gene_sets(stored.name, tmp_path)
    assert (collection.name, collection.sha256) == ("kegg_hsa.2026-11-22", stored.sha256)
    note = json.loads((tmp_path / "gene_sets" / "kegg_hsa.2026-11-22.json").read_text())
    assert note["source"] == "https://h/kegg"
    assert note["unmapped"] == ["hsa:1", "hsa:2"]
    assert note["licence"] == "academic"
    assert find_cached(tmp_path, "kegg_hsa", DAY) == stored
    assert find_cached(tmp_path, "kegg_hsa", date(2026, 11, 23)) is None
    assert find_cached(tmp_path, "kegg_mmu", DAY) is None


def test_equal_gene_sets_give_equal_files(tmp_path):
    for folder in ("a", "b"):
        store_gene_sets(tmp_path / folder, "x", DAY, FETCHED, licence="")
    for file in ("x.2026-11-22.gmt.gz", "x.2026-11-22.json"):
        first, second = (tmp_path / folder / "gene_sets" / file for folder in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()


def test_all_that_was_fetched_in_order(tmp_path):
    assert cached_gene_sets(tmp_path) == []
    rows = [
        store_gene_sets(tmp_path, name, day, FETCHED, licence="")
        for name, day in (("b", DAY), ("a", DAY), ("a", date(2025, 1, 2)))
    ]
    (tmp_path / "gene_sets" / "own.gmt.gz").write_bytes(gzip.compress(GMT.encode(), mtime=0))
    (tmp_path / "gene_sets" / "bad.gmt.gz").write_bytes(gzip.compress(GMT.encode(), mtime=0))
    (tmp_path / "gene_sets" / "bad.json").write_text('{"name": 1}')
    assert cached_gene_sets(tmp_path) == rows[::-1]


@pytest.mark.parametrize(
    "content", [gzip.compress(b"a\tb\tG1\n", mtime=0), gzip.compress(GMT.encode(), mtime=0)[:-5], b""]
)
def test_a_changed_or_damaged_file_is_seen(tmp_path, content):
    stored = store_gene_sets(tmp_path, "x", DAY, FETCHED, licence="")
    assert is_intact(stored, tmp_path)
    (tmp_path / stored.name).write_bytes(content)
    assert not is_intact(stored, tmp_path)
    assert find_cached(tmp_path, "x", DAY) is None
    (tmp_path / stored.name).unlink()
    assert cached_gene_sets(tmp_path) == []


def test_text_that_is_no_gmt_leaves_what_was_there(tmp_path):
    stored = store_gene_sets(tmp_path, "x", DAY, FETCHED, licence="")
    with pytest.raises(GeneSetError, match="https://h, line 1"):
        store_gene_sets(tmp_path, "x", DAY, FetchedGeneSets("only text\n", "https://h", ""), licence="")
    assert find_cached(tmp_path, "x", DAY) == stored


def test_an_end_between_the_two_files_leaves_nothing_that_counts(tmp_path, monkeypatch):
    real = gene_set_cache.move_into_place

    def killed(files):
        source, target = next(iter(files.items()))
        real({source: target})
        raise KeyboardInterrupt

    monkeypatch.setattr(gene_set_cache, "move_into_place", killed)
    with pytest.raises(KeyboardInterrupt):
        store_gene_sets(tmp_path, "x", DAY, FETCHED, licence="")
    assert names(tmp_path / "gene_sets") == ["x.2026-11-22.gmt.gz"]
    assert cached_gene_sets(tmp_path) == []
    assert find_cached(tmp_path, "x", DAY) is None


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "gene_sets").write_text("a file")
    with pytest.raises(StorageError, match="cannot be written"):
        store_gene_sets(tmp_path, "x", DAY, FETCHED, licence="")
