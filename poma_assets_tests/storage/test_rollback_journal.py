from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from warehouse_helpers import generation, store, warehouse_in

from poma_assets.science.errors import StorageError
from poma_assets.storage import rollback_journal
from poma_assets.storage.warehouse import Warehouse

BLOCK_BYTES, HEADERS_BYTES = 262_144, 12_288


def stored_counts(warehouse: Warehouse) -> set[int]:
    return set(warehouse.read("gene_counts", {"sample_id": "S1"})["count"])


def metadata_blocks(path: Path) -> list[int]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return [block for (block,) in connection.execute("SELECT block_id FROM pragma_metadata_info()").fetchall()]


def tear(path: Path, block: int) -> None:
    """Leave a block as a write that was stopped half way leaves it."""
    with path.open("r+b") as file:
        file.seek(HEADERS_BYTES + block * BLOCK_BYTES)
        file.write(b"\x5a" * 4096)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    warehouse = warehouse_in(tmp_path)
    store(warehouse, generation("S1", 1, 100))
    return warehouse


def test_a_torn_checkpoint_makes_the_file_unreadable_and_is_said(warehouse: Warehouse) -> None:
    for block in metadata_blocks(warehouse.path):
        tear(warehouse.path, block)
    with pytest.raises(StorageError, match=r"warehouse\.duckdb: the database is damaged .*found .*[Cc]orrupt"):
        warehouse.read("gene_counts")


def test_a_torn_checkpoint_is_undone_by_the_next_reader(warehouse: Warehouse) -> None:
    blocks = metadata_blocks(warehouse.path)
    before = warehouse.path.read_bytes()
    rollback_journal.save(warehouse.path, blocks)
    for block in blocks:
        tear(warehouse.path, block)
    assert stored_counts(warehouse) == {1}
    assert not rollback_journal.is_left(warehouse.path)
    assert warehouse.path.read_bytes() == before


def test_a_torn_checkpoint_is_undone_by_the_next_writer(warehouse: Warehouse) -> None:
    blocks = metadata_blocks(warehouse.path)
    rollback_journal.save(warehouse.path, blocks)
    for block in blocks:
        tear(warehouse.path, block)
    store(warehouse, generation("S1", 2, 100))
    assert stored_counts(warehouse) == {2}
    assert not rollback_journal.is_left(warehouse.path)


def test_a_complete_checkpoint_is_not_undone(warehouse: Warehouse) -> None:
    rollback_journal.save(warehouse.path, metadata_blocks(warehouse.path))
    with duckdb.connect(str(warehouse.path)) as connection:  # a writer that is killed before it removes the journal
        connection.execute("UPDATE gene_counts SET count = 5")
        connection.execute("CHECKPOINT")
    assert stored_counts(warehouse) == {5}
    assert not rollback_journal.is_left(warehouse.path)


def test_half_a_journal_is_none(warehouse: Warehouse) -> None:
    journal = rollback_journal.journal_path(warehouse.path)
    journal.with_name(journal.name + ".new").write_bytes(b'{"iteration": 1, "places": [[0, ')
    assert stored_counts(warehouse) == {1}
    assert not rollback_journal.unfinished_path(warehouse.path).exists()
    store(warehouse, generation("S1", 2, 100))
    assert stored_counts(warehouse) == {2}


def test_an_error_in_a_transaction_leaves_the_file_as_it_was(warehouse: Warehouse) -> None:
    before = warehouse.path.read_bytes()
    with pytest.raises(StorageError):
        store(warehouse, {"no_such_table": generation("S1", 2, 5)["gene_counts"]})
    assert warehouse.path.read_bytes() == before
    assert not rollback_journal.is_left(warehouse.path)
