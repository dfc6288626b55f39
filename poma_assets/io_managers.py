"""The IO manager: every asset's tables, file records and step record are stored in one transaction.

What is stored by dagster-duckdb's manager may be lost half-way (see docs/decisions/0002-own-io-manager.md).
"""

import dagster as dg

from poma_assets.planning import StoredStep
from poma_assets.resources import Files, StudyResource
from poma_assets.run_steps import steps_of_run


def _partition(context: dg.OutputContext | dg.InputContext) -> str:
    return context.asset_partition_key if context.has_asset_partitions else ""


class WarehouseIOManager(dg.ConfigurableIOManager):
    """Stores a :class:`StoredStep`; loads an asset's files."""

    study: dg.ResourceDependency[StudyResource]

    def handle_output(self, context: dg.OutputContext, obj: StoredStep) -> None:
        """Replace this asset partition's rows and file records, all at once; of an unchanged step they stay."""
        if obj.output is None:
            return
        asset, partition = context.asset_key.path[-1], _partition(context)
        self.study.warehouse.write(
            obj.output,
            asset=asset,
            partition=partition,
            study_root=self.study.study.root,
            fingerprint=obj.fingerprint,
            data_version=obj.data_version,
            inputs=obj.inputs,
            run_id=context.run_id,
            partition_values=obj.partition_values,
        )
        steps_of_run(context.run_id).stored((asset, partition), obj, self.study)

    def load_input(self, context: dg.InputContext) -> Files:
        """Load the files of the upstream asset, by role."""
        steps = steps_of_run(context.step_context.run_id)
        return steps.files(context.asset_key.path[-1], _partition(context), self.study)
