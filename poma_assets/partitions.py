"""The two partition definitions. Their keys are validated by the sheet and contrast parsers, not by Dagster."""

import dagster as dg

SAMPLES = dg.DynamicPartitionsDefinition(name="samples")
"""One partition per sample of the sheet."""

CONTRASTS = dg.DynamicPartitionsDefinition(name="contrasts")
"""One partition per declared contrast."""


def synchronise(instance: dg.DagsterInstance, partitions: dg.DynamicPartitionsDefinition, keys: list[str]) -> None:
    """Make the instance's partition keys exactly ``keys``: add the new ones, withdraw those that are gone."""
    name = partitions.name
    if name is None:
        raise ValueError("a dynamic partitions definition without a name cannot be synchronised")
    existing = set(instance.get_dynamic_partitions(name))
    new = [key for key in keys if key not in existing]
    if new:
        instance.add_dynamic_partitions(name, new)
    for gone in sorted(existing - set(keys)):
        instance.delete_dynamic_partition(name, gone)
