"""All kinds of faults, and how many of each a number of faults is made up of.

A new kind is a `Kind` in the ``KINDS`` of a module of its own, named here. (A study whose run history lies in
PostgreSQL would be a `State`, and the kill of its server a kind that begins there.)
"""

from __future__ import annotations

from collections.abc import Sequence

from . import clock_faults, company, disk_faults, kills, service_faults, tampering, tool_faults
from .bench import Place
from .fault import Effect, Kind, effect_on
from .studies import CHANGED, NEW, ONE_MORE_SAMPLE


def _no_fault(place: Place, draw: object) -> Effect:
    """An undisturbed run again: what differs between two of them would be no finding."""
    del draw
    return effect_on(place.start(), "", happened=False)


_NO_FAULT = Kind("no fault (for comparison)", 6, (NEW, CHANGED, ONE_MORE_SAMPLE), _no_fault)

KINDS: tuple[Kind, ...] = (
    *kills.KINDS,
    *tool_faults.KINDS,
    *service_faults.KINDS,
    *disk_faults.KINDS,
    *clock_faults.KINDS,
    *company.KINDS,
    *tampering.KINDS,
    _NO_FAULT,
)


def numbers_of(kinds: Sequence[Kind], total: int) -> list[tuple[Kind, int]]:
    """The kind and number of each of ``total`` faults: kinds by their shares, at least one of each."""
    whole = sum(kind.share for kind in kinds)
    counts = {kind.name: max(1, round(total * kind.share / whole)) for kind in kinds}
    return [(kind, number) for kind in kinds for number in range(counts[kind.name])]
