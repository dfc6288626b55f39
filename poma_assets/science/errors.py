"""The typed errors of the platform. One message form for all: where, what, found, expected, what to do.

Only errors belong here. The command line prints ``str(error)`` and exits with ``error.exit_status``.
"""

from __future__ import annotations

from poma_assets.science.secret_texts import without_secrets

_LONGEST = 2000
"""Characters of a part of a message."""


class PomaError(Exception):
    """Base of every error that a user may see.

    Parameters
    ----------
    what
        What is wrong, as a sentence without a full stop.
    where
        The file, line, column, sample or table that it is about.
    found, expected
        What was found there and what was expected instead.
    fix
        What the user should do, as a sentence.
    """

    exit_status = 1

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        found: object | None = None,
        expected: object | None = None,
        fix: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.found = found
        self.expected = expected
        self.fix = fix
        super().__init__(without_secrets(what))

    def __str__(self) -> str:
        what, where = _shown(self.what), _shown(self.where or "")
        text = f"{where}: {what}" if where else what
        details = []
        if self.found is not None:
            details.append(f"found {_shown(self.found)}")
        if self.expected is not None:
            details.append(f"expected {_shown(self.expected)}")
        if details:
            text += " (" + "; ".join(details) + ")"
        text += "."
        return f"{text} {_printable(without_secrets(str(self.fix)))}" if self.fix else text

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments: the default would lose them on the way back from a worker process.
        return (_rebuild, (type(self), self.what, self.where, self.found, self.expected, self.fix))


def _shown(value: object) -> str:
    """A text of a user as a message may hold it: cut off where nobody reads on, nothing that a terminal obeys."""
    text = without_secrets(str(value))
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - 100]} ... ({len(text):,} characters) ... {text[-50:]}"
    return _printable(text)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1] for character in text
    )


def _rebuild(
    cls: type[PomaError], what: str, where: str | None, found: object, expected: object, fix: str | None
) -> PomaError:
    return cls(what, where=where, found=found, expected=expected, fix=fix)


class InputError(PomaError):
    """The user's input is wrong; nothing was run."""

    exit_status = 2


class ConfigError(InputError):
    """``poma.yaml`` is wrong."""


class SampleSheetError(InputError):
    """The sample sheet is wrong."""


class AccessionError(InputError):
    """An accession of public reads is wrong, or has no reads that can be had."""


class ContrastError(InputError):
    """The contrasts file is wrong."""


class DesignError(InputError):
    """A design cannot be fitted: rank, replicates, levels or metadata."""


class ReferenceFilesError(InputError):
    """Genome FASTA or GTF is wrong, or they do not belong together."""


class FastqError(InputError):
    """A FASTQ file is missing, truncated, malformed or does not pair."""


class CountsError(InputError):
    """A count table or matrix is wrong."""


class GeneSetError(InputError):
    """A gene-set file is wrong."""


class HypothesisError(InputError):
    """A table of marker hypotheses is wrong."""


class NotEnoughDataError(PomaError):
    """The input is sound but too small for this step; said in a plain sentence, never a crash."""


class NotEnoughMemoryError(PomaError):
    """The machine has less memory than a step needs; said before the step starts."""


class ToolError(PomaError):
    """An external program failed or left an incomplete output."""


class ToolMissingError(ToolError):
    """An external program is not installed."""


class StorageError(PomaError):
    """The warehouse or the file system refused."""


class WarehouseLockedError(StorageError):
    """Another process holds the warehouse."""
