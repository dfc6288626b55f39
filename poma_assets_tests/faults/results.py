"""What came of all faults, as tables in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .fault import BROKEN_OFF, NOTHING_HAPPENED, REFUSED, SKIPPED, WENT_ON, Outcome

_WORDS = (BROKEN_OFF, REFUSED, WENT_ON, NOTHING_HAPPENED, SKIPPED)


def markdown(outcomes: Sequence[Outcome]) -> str:
    """The table fault x count x outcome, then every finding."""
    lines = ["| fault | count | " + " | ".join(_WORDS) + " | nothing lost |", "|---|" + "---:|" * (len(_WORDS) + 2)]
    kinds = list(dict.fromkeys(outcome.kind for outcome in sorted(outcomes, key=lambda outcome: outcome.kind)))
    for kind in kinds:
        lines.append(_row(kind, [outcome for outcome in outcomes if outcome.kind == kind]))
    lines.append(_row("**all**", outcomes))
    for outcome in outcomes:
        if outcome.problems:
            lines += ["", f"- {outcome.kind}:{outcome.number} [{outcome.state}] {outcome.detail}"]
            lines += [f"  - {' '.join(problem.split())[:400]}" for problem in outcome.problems]
    return "\n".join(lines)


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    words = Counter(outcome.word for outcome in outcomes)
    unharmed = sum(not outcome.problems and outcome.word != SKIPPED for outcome in outcomes)
    figures = [len(outcomes), *(words[word] for word in _WORDS), unharmed]
    return f"| {name} | " + " | ".join(str(figure or "") for figure in figures) + " |"
