"""The 16-bit checksum of BSD's program ``sum``, by which Ensembl's ``CHECKSUMS`` files go.

The sum is turned right by one bit before each byte is added. It misses one damage in 65,536: better than nothing.
"""

from __future__ import annotations

_BLOCK_BYTES = 1024
_MASK = 0xFFFF
# A sum that has not been cut to 16 bits since the last byte may be larger by 255.
_TURNED = [((total & _MASK) >> 1) | ((total & 1) << 15) for total in range(_MASK + 256)]


class BsdSum:
    """A checksum that is fed with the content of a file, piece by piece."""

    def __init__(self) -> None:
        self._total = 0
        self._size_bytes = 0

    def update(self, content: bytes) -> None:
        """Add the next bytes."""
        total, turned = self._total, _TURNED
        for byte in content:
            total = turned[total] + byte
        self._total = total
        self._size_bytes += len(content)

    @property
    def text(self) -> str:
        """``SUM BLOCKS``: the checksum and the number of begun blocks of 1,024 bytes, without leading zeros."""
        return bsd_text(self._total & _MASK, -(-self._size_bytes // _BLOCK_BYTES))


def bsd_text(checksum: int, blocks: int) -> str:
    """A checksum as `BsdSum.text` writes it."""
    return f"{checksum} {blocks}"
