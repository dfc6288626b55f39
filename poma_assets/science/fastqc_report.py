"""``fastqc_data.txt`` -> one row of table ``read_quality``."""

from __future__ import annotations

from dataclasses import dataclass, field

from poma_assets.science.errors import ToolError

Q30 = 30
_LARGEST = 1e15
_NOT_ADAPTERS = ("PolyA", "PolyG")
"""Listed beside the adapters by FastQC 0.12, but made by tails of mRNA and by two-colour sequencers."""


@dataclass
class _Module:
    status: str
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    remarks: dict[str, str] = field(default_factory=dict)


def parse_fastqc_data(text: str, *, source: str) -> dict[str, str | int | float | None]:
    """Read FastQC's data file (0.11 and 0.12).

    Parameters
    ----------
    text
        Content of ``fastqc_data.txt``.
    source
        Its file, for messages.

    Returns
    -------
    dict
        Columns of table ``read_quality`` without ``sample_id``, ``stage`` and ``read``. ``mean_quality`` and
        ``q30_pct`` go by the mean quality of each read, which FastQC truncates to whole numbers; values of
        modules that FastQC left out are None. ``duplication_pct`` is 100 - FastQC's "Total Deduplicated
        Percentage"; ``adapter_pct`` is the largest value over positions and adapters, without poly-A and
        poly-G.

    Raises
    ------
    ToolError
        The file is not complete.
    """
    modules = _modules(text, source)
    try:
        basic = dict(modules["Basic Statistics"].rows)
        mean_quality, q30_pct = _quality(modules.get("Per sequence quality scores"))
        return {
            "total_sequences": int(_number(basic["Total Sequences"])),
            "read_length_bp": basic["Sequence length"],
            "gc_pct": _number(basic["%GC"]),
            "mean_quality": mean_quality,
            "q30_pct": q30_pct,
            "duplication_pct": _duplication(modules.get("Sequence Duplication Levels")),
            "adapter_pct": _adapter(modules.get("Adapter Content")),
            "failed_modules": _with_status(modules, "fail"),
            "warned_modules": _with_status(modules, "warn"),
        }
    except (KeyError, ValueError, IndexError) as error:
        raise _incomplete(source, f"{type(error).__name__}: {error}") from error


def _modules(text: str, source: str) -> dict[str, _Module]:
    modules: dict[str, _Module] = {}
    current: _Module | None = None
    for line in text.splitlines():
        cells = line.split("\t")
        if line == ">>END_MODULE":
            current = None
        elif line.startswith(">>"):
            current = _Module(status=cells[-1].strip().lower())
            modules[cells[0][2:]] = current
        elif current is None or not line:
            continue
        elif line.startswith("#"):
            # The last comment line before the rows is their header; the ones before are remarks.
            if len(cells) == 2:
                current.remarks[cells[0][1:]] = cells[1]
            current.header = [cells[0][1:], *cells[1:]]
        else:
            current.rows.append(cells)
    if not text.startswith("##FastQC") or current is not None or not modules:
        raise _incomplete(source, "no end of a module" if modules else "no module")
    return modules


def _quality(module: _Module | None) -> tuple[float | None, float | None]:
    if module is None:
        return None, None
    scores = [(int(_number(quality)), _number(count)) for quality, count in module.rows]
    total = sum(count for _, count in scores)
    if not total:
        return None, None
    mean = sum(quality * count for quality, count in scores) / total
    return mean, 100 * sum(count for quality, count in scores if quality >= Q30) / total


def _duplication(module: _Module | None) -> float | None:
    if module is None or "Total Deduplicated Percentage" not in module.remarks:
        return None
    return 100 - _number(module.remarks["Total Deduplicated Percentage"])


def _adapter(module: _Module | None) -> float | None:
    if module is None or not module.rows:
        return None
    columns = [i for i, name in enumerate(module.header) if i > 0 and name not in _NOT_ADAPTERS]
    return max((_number(row[i]) for row in module.rows for i in columns), default=None)


def _number(text: str) -> float:
    """A number of 0 or more; ValueError for what no report holds."""
    number = float(text)
    if not 0 <= number <= _LARGEST:
        raise ValueError(f"{text[:40]!r} is no number of a report")
    return number


def _with_status(modules: dict[str, _Module], status: str) -> str:
    return ";".join(name for name, module in modules.items() if module.status == status)


def _incomplete(source: str, found: str) -> ToolError:
    return ToolError(
        "the data file of FastQC is not complete",
        where=source,
        found=found,
        fix="Run FastQC on the file again.",
    )
