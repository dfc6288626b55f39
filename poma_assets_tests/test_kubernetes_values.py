"""The files for Kubernetes, never tried on a cluster, name only what the Helm chart and each other know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"
KUBERNETES: None = None
"""Below such a key stands what Kubernetes itself declares, not the chart."""

DEPLOYMENT_KEYS = dict.fromkeys(
    ("name", "image", "dagsterApiGrpcArgs", "port", "env", "envSecrets", "volumes", "volumeMounts"), KUBERNETES
)
CHART_KEYS: dict[str, Any] = {
    "global": {"postgresqlSecretName": KUBERNETES},
    "postgresql": {
        "enabled": KUBERNETES,
        "postgresqlHost": KUBERNETES,
        "postgresqlUsername": KUBERNETES,
        "postgresqlDatabase": KUBERNETES,
        "service": {"port": KUBERNETES},
    },
    "redis": {"enabled": KUBERNETES, "internal": KUBERNETES},
    "rabbitmq": {"enabled": KUBERNETES},
    "dagsterWebserver": {"service": {"type": KUBERNETES, "port": KUBERNETES}},
    "dagsterDaemon": {"enabled": KUBERNETES},
    "runLauncher": {
        "type": KUBERNETES,
        "config": {"k8sRunLauncher": dict.fromkeys(("envSecrets", "volumes", "volumeMounts"), KUBERNETES)},
    },
    "dagster-user-deployments": {"enabled": KUBERNETES, "deployments": [DEPLOYMENT_KEYS]},
}
"""Those keys of the chart's values.schema.json (chart of Dagster 1.13) that are used here."""


def unknown_keys(values: Any, known: Any, where: str = "") -> list[str]:
    """Paths of keys that the chart does not declare."""
    if known is KUBERNETES:
        return []
    if isinstance(known, list):
        return [key for entry in values for key in unknown_keys(entry, known[0], f"{where}[]")]
    found = [f"{where}.{key}" for key in values if key not in known]
    return found + [
        key for name in values if name in known for key in unknown_keys(values[name], known[name], f"{where}.{name}")
    ]


def test_values_have_keys_of_the_chart_only() -> None:
    values = yaml.safe_load((FOLDER / "values.yaml").read_text())
    assert unknown_keys(values, CHART_KEYS) == []
    assert unknown_keys({**values, "dagit": {}}, CHART_KEYS) == [".dagit"]


def test_mounts_name_volumes_that_are_there_and_all_use_one_image_and_secret() -> None:
    values = yaml.safe_load((FOLDER / "values.yaml").read_text())
    code = values["dagster-user-deployments"]["deployments"][0]
    workers = list(yaml.safe_load_all((FOLDER / "workers.yaml").read_text()))
    pods = [worker["spec"]["template"]["spec"] for worker in workers]
    places = [code, values["runLauncher"]["config"]["k8sRunLauncher"]]
    places += [{"volumes": pod["volumes"], "volumeMounts": pod["containers"][0]["volumeMounts"]} for pod in pods]
    for place in places:
        assert {mount["name"] for mount in place["volumeMounts"]} == {volume["name"] for volume in place["volumes"]}
    images = {pod["containers"][0]["image"] for pod in pods}
    assert images == {f"{code['image']['repository']}:{code['image']['tag']}"}
    secrets = {pod["containers"][0]["envFrom"][0]["secretRef"]["name"] for pod in pods}
    assert secrets == {secret["name"] for secret in code["envSecrets"]}


def test_workers_take_tasks_of_both_queues() -> None:
    workers = list(yaml.safe_load_all((FOLDER / "workers.yaml").read_text()))
    arguments = [worker["spec"]["template"]["spec"]["containers"][0]["args"] for worker in workers]
    assert arguments == [["poma", "worker", "--queues", queue] for queue in ("star", "default")]
    for worker in workers:
        assert worker["spec"]["selector"]["matchLabels"] == worker["spec"]["template"]["metadata"]["labels"]
