"""Checks that share a step: a step of its own costs each check more than what it looks at.

A blocking check cannot be one of them: what follows its asset waits for the step of the check, and a shared step waits
for all assets that it looks at.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from inspect import cleandoc

import dagster as dg

from poma_assets.resources import StudyResource

_Evaluate = Callable[[dg.AssetCheckExecutionContext, StudyResource], dg.AssetCheckResult]


@dataclass(frozen=True)
class GroupedCheck:
    """One check of a group: the function that evaluates it, whose name and docstring are those of the check."""

    asset: str
    evaluate: _Evaluate

    @property
    def key(self) -> dg.AssetCheckKey:
        """Asset and name."""
        return dg.AssetCheckKey(dg.AssetKey(self.asset), self.evaluate.__name__)


def grouped_check(asset: str) -> Callable[[_Evaluate], GroupedCheck]:
    """Declare a check of one asset, to be put into a group by :func:`check_group`."""
    return lambda evaluate: GroupedCheck(asset, evaluate)


def check_group(
    name: str, checks: Sequence[GroupedCheck], partitions_def: dg.PartitionsDefinition[str]
) -> dg.AssetChecksDefinition:
    """One step that evaluates those of its checks whose assets are in the run, each with its own result."""
    specs = [
        dg.AssetCheckSpec(
            check.key.name,
            asset=check.asset,
            description=cleandoc(check.evaluate.__doc__ or ""),
            partitions_def=partitions_def,
        )
        for check in checks
    ]

    @dg.multi_asset_check(name=name, specs=specs, can_subset=True)
    def evaluate_group(context: dg.AssetCheckExecutionContext, study: StudyResource) -> Iterator[dg.AssetCheckResult]:
        selected = [check for check in checks if check.key in context.selected_asset_check_keys]
        with study.warehouse.held_open():
            results = [(check.key, check.evaluate(context, study)) for check in selected]
        for key, result in results:
            yield result._replace(asset_key=key.asset_key, check_name=key.name)

    return evaluate_group
