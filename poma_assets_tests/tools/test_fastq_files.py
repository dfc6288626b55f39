"""FASTQ files: every way in which users' files are broken, and hashes, counts and merging of sound ones."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from poma_assets.science.errors import FastqError
from poma_assets.tools.fastq_files import check_fastq_pair, has_reads, merge_fastq, read_through


def fastq_text(n: int, *, mate: str = "", length: int = 20, begin: int = 0) -> str:
    rng = np.random.default_rng(n + length)
    records = []
    for i in range(begin, begin + n):
        bases = "".join(rng.choice(list("ACGT"), length))
        records.append(f"@run:{i}{mate} extra\n{bases}\n+\n{'I' * length}\n")
    return "".join(records)


def write(path: Path, text: str) -> Path:
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture
def pair(tmp_path):
    return (
        write(tmp_path / "R1.fastq.gz", fastq_text(50, mate="/1")),
        write(tmp_path / "R2.fastq.gz", fastq_text(50, mate="/2", length=31)),
    )


def test_sound_pair(pair):
    summary = check_fastq_pair(*pair, sample="S1")
    assert (summary.read_pairs, summary.read_length_max) == (50, 31)
    assert summary.sha256_1 == hashlib.sha256(pair[0].read_bytes()).hexdigest()
    assert summary.sha256_2 == hashlib.sha256(pair[1].read_bytes()).hexdigest()
    assert (summary.bytes_1, summary.bytes_2) == tuple(path.stat().st_size for path in pair)


def test_plain_single_end_without_last_newline(tmp_path):
    path = write(tmp_path / "reads.fastq", fastq_text(7).rstrip("\n"))
    summary = check_fastq_pair(path, None, sample="S1")
    assert (summary.read_pairs, summary.sha256_2, summary.bytes_2) == (7, None, None)
    assert summary.sha256_1 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_windows_line_ends_do_not_lengthen_reads(tmp_path):
    path = write(tmp_path / "reads.fastq.gz", fastq_text(3).replace("\n", "\r\n"))
    assert check_fastq_pair(path, None, sample="S1").read_length_max == 20


def test_records_across_blocks_and_members(tmp_path):
    # About 1.7 MB of text: several blocks of reading; three gzip members, zero padding after the second.
    parts = [gzip.compress(fastq_text(7000, begin=7000 * i, length=40).encode()) for i in range(3)]
    path = tmp_path / "merged.fastq.gz"
    path.write_bytes(parts[0] + parts[1] + b"\0" * 300 + parts[2])
    assert check_fastq_pair(path, None, sample="S1").read_pairs == 21000
    assert read_through(path).reads == 21000
    plain = tmp_path / "merged.fastq"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    assert check_fastq_pair(plain, None, sample="S1").read_pairs == 21000


def test_missing_and_empty(tmp_path):
    with pytest.raises(FastqError, match=r"sample S1, .*no.fastq.gz: the FASTQ file does not exist"):
        check_fastq_pair(tmp_path / "no.fastq.gz", None, sample="S1")
    (tmp_path / "empty.fastq.gz").touch()
    with pytest.raises(FastqError, match="the FASTQ file is empty"):
        check_fastq_pair(tmp_path / "empty.fastq.gz", None, sample="S1")
    with pytest.raises(FastqError, match="holds no reads"):
        check_fastq_pair(write(tmp_path / "none.fastq.gz", ""), None, sample="S1")
    with pytest.raises(FastqError, match=r"no ordinary file \(found a folder\)"):
        check_fastq_pair(tmp_path, None, sample="S1")


def test_name_must_fit_the_compression(tmp_path):
    (tmp_path / "plain.fastq.gz").write_text(fastq_text(3))
    with pytest.raises(FastqError, match="found content that is not gzip-compressed"):
        check_fastq_pair(tmp_path / "plain.fastq.gz", None, sample="S1")
    (tmp_path / "packed.fastq").write_bytes(gzip.compress(fastq_text(3).encode()))
    with pytest.raises(FastqError, match="found gzip-compressed content"):
        check_fastq_pair(tmp_path / "packed.fastq", None, sample="S1")


@pytest.mark.parametrize("cut", [5, 8, 9, 200, 700])
def test_truncated_gzip_is_named(pair, cut):
    pair[1].write_bytes(pair[1].read_bytes()[:-cut])
    with pytest.raises(FastqError, match=r"R2.fastq.gz: the gzip file is truncated"):
        check_fastq_pair(*pair, sample="S1")
    with pytest.raises(FastqError, match="truncated"):
        read_through(pair[1])


def test_truncation_at_the_start_of_a_second_member(tmp_path):
    path = tmp_path / "R1.fastq.gz"
    member = gzip.compress(fastq_text(5).encode())
    path.write_bytes(member + member[:6])
    with pytest.raises(FastqError, match="truncated"):
        check_fastq_pair(path, None, sample="S1")


def test_flipped_byte_and_trailing_garbage(pair):
    sound = pair[0].read_bytes()
    damaged = bytearray(sound)
    damaged[len(damaged) // 2] ^= 0x55
    for content in (bytes(damaged), sound + b"garbage at the end, not gzip"):
        pair[0].write_bytes(content)
        with pytest.raises(FastqError, match=r"R1.fastq.gz: (the gzip file is damaged|line \d+ is not FASTQ)"):
            check_fastq_pair(*pair, sample="S1")


def test_lines_not_a_multiple_of_four(tmp_path):
    path = write(tmp_path / "reads.fastq.gz", fastq_text(3) + "@run:3\nACGT\n")
    with pytest.raises(FastqError, match=r"in the middle of a record, at line 14 \(found 14 lines"):
        check_fastq_pair(path, None, sample="S1")


@pytest.mark.parametrize(
    ("line", "text", "number", "expected"),
    [
        (8, "run:2 no at sign", 9, "begins with @"),
        (10, "ACGT", 11, r"begins with \+"),
        (11, "III", 12, "as many qualities as bases"),
        (4, "", 5, "begins with @"),
    ],
)
def test_malformed_record_is_found_by_line(tmp_path, line, text, number, expected):
    lines = fastq_text(6).splitlines()
    lines[line] = text
    path = write(tmp_path / "reads.fastq", "\n".join(lines) + "\n")
    with pytest.raises(FastqError, match=f"line {number} is not FASTQ.*{expected}"):
        check_fastq_pair(path, None, sample="S1")


def test_malformed_record_far_into_the_file(tmp_path):
    lines = fastq_text(20_000, length=50).splitlines()
    del lines[61_002]
    path = write(tmp_path / "reads.fastq", "\n".join(lines) + "\n")
    with pytest.raises(FastqError, match="line 61003 is not FASTQ"):
        check_fastq_pair(path, None, sample="S1")


def test_unequal_pairs_name_both_numbers(tmp_path, pair):
    shorter = write(tmp_path / "short_R2.fastq.gz", fastq_text(49, mate="/2"))
    with pytest.raises(FastqError, match=r"not equally many \(found 50 and 49 reads\)"):
        check_fastq_pair(pair[0], shorter, sample="S1")


def test_names_of_pairs(tmp_path, pair):
    def second(text: str) -> Path:
        return write(tmp_path / "other_R2.fastq.gz", text)

    same_names = second(fastq_text(50, mate="/1").replace("/1 extra", "/2"))
    assert check_fastq_pair(pair[0], same_names, sample="S1").read_pairs == 50
    with pytest.raises(FastqError, match=r"first pair of reads differ \(found 'run:0/1' and 'run:1/2'"):
        check_fastq_pair(pair[0], second(fastq_text(50, mate="/2", begin=1)), sample="S1")
    swapped_end = fastq_text(49, mate="/2") + fastq_text(1, mate="/2", begin=77)
    with pytest.raises(FastqError, match=r"last pair of reads differ \(found 'run:49/1' and 'run:77/2'"):
        check_fastq_pair(pair[0], second(swapped_end), sample="S1")
    with pytest.raises(FastqError, match="first pair of reads differ"):
        check_fastq_pair(pair[1], pair[0], sample="S1")
    with pytest.raises(FastqError, match="are the same file"):
        check_fastq_pair(pair[0], pair[0], sample="S1")


def test_merge_joins_members_in_order(tmp_path):
    lanes = [write(tmp_path / f"L{i}.fastq.gz", fastq_text(10, begin=10 * i)) for i in range(3)]
    target = tmp_path / "out" / "S1_R1.fastq.gz"
    merge_fastq(lanes, target)
    expected = b"".join(gzip.decompress(lane.read_bytes()) for lane in lanes)
    assert gzip.decompress(target.read_bytes()) == expected
    assert check_fastq_pair(target, None, sample="S1").read_pairs == 30
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_merge_of_plain_lanes_repairs_the_missing_newline(tmp_path):
    lanes = [write(tmp_path / f"L{i}.fastq", fastq_text(4, begin=4 * i).rstrip("\n")) for i in range(2)]
    merge_fastq(lanes, tmp_path / "S1.fastq")
    assert check_fastq_pair(tmp_path / "S1.fastq", None, sample="S1").read_pairs == 8


def test_merge_of_one_lane_is_a_link_to_the_original(tmp_path, pair):
    (tmp_path / "link.fastq.gz").symlink_to(pair[0])
    target = tmp_path / "out" / "S1.fastq.gz"
    for _ in range(2):
        merge_fastq([tmp_path / "link.fastq.gz"], target)
    assert target.is_symlink()
    assert target.readlink() == pair[0].resolve()


def test_merge_refuses_mixed_and_missing_lanes(tmp_path, pair):
    plain = write(tmp_path / "L2.fastq", fastq_text(4))
    with pytest.raises(FastqError, match="some lanes are gzip-compressed and some are not"):
        merge_fastq([pair[0], plain], tmp_path / "out.fastq.gz")
    with pytest.raises(FastqError, match="does not exist"):
        merge_fastq([pair[0], tmp_path / "no.fastq.gz"], tmp_path / "out.fastq.gz")
    assert not (tmp_path / "out.fastq.gz").exists()


def test_counting_and_emptiness(tmp_path, pair):
    assert read_through(pair[0]).reads == 50
    assert has_reads(pair[0])
    empty = write(tmp_path / "none.fastq.gz", "")
    assert (read_through(empty).reads, has_reads(empty)) == (0, False)
    (tmp_path / "nothing.fastq.gz").touch()
    assert (read_through(tmp_path / "nothing.fastq.gz").reads, has_reads(tmp_path / "nothing.fastq.gz")) == (
        0,
        False,
    )
    assert read_through(write(tmp_path / "odd.fastq", fastq_text(2))).reads == 2
    with pytest.raises(FastqError, match="found 5 lines"):
        read_through(write(tmp_path / "odd.fastq", "a\n" * 5))
