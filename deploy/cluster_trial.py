"""The demo study on a cluster of this machine: one command brings it up, compares with a run of one machine, ends it.

    python deploy/cluster_trial.py [--size demo|tiny] [--folder DIR] [--only plain|kill|servers]

PostgreSQL (run history and DuckLake's catalogue) and Redis are on one "host", two Celery workers on two others: network
namespaces with host names and process numbers of their own, and a shared folder. First a worker for the queue `star`
and one for `default`; then two workers for both, of which one is killed (-9) while STAR aligns; then PostgreSQL and
Redis are killed while STAR aligns, and started again. Root only.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from local_services import REPOSITORY, Host, Services, poma, what_is_missing

sys.path.insert(0, str(REPOSITORY))

from poma_assets.storage.lake_catalogue import parse_catalogue
from poma_assets.storage.migration import TableContent, table_contents
from poma_assets.storage.warehouse import Warehouse

OF_THE_RUN = frozenset({"steps", "artefacts", "verdict_history"})
"""Tables with times, run ids and paths: they differ between any two runs."""

VERDICTS = "SELECT * FROM marker_verdicts ORDER BY contrast_id, hypothesis_id"
STAR_WITHIN_S, DOWN_FOR_S = 1800, 5
BOTH = "star,default"


def contents(study: Path, environment: dict[str, str]) -> dict[str, TableContent]:
    """Row counts and hashes of the tables of results, by a process that has the environment of the study."""
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[2]); from cluster_trial import read_contents;"
        "print(json.dumps(read_contents(sys.argv[1])))"
    )
    argv = [sys.executable, "-c", code, str(study), str(Path(__file__).parent)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    return {name: TableContent(*values) for name, values in json.loads(done.stdout.splitlines()[-1]).items()}


def read_contents(study: str) -> dict[str, tuple[int, str]]:
    """Table -> rows and hash of a study."""
    from poma_assets.config import load_study

    opened = load_study(Path(study))
    warehouse = Warehouse(opened.warehouse_path, catalogue=parse_catalogue(opened.config.warehouse, opened.root))
    found = table_contents(warehouse)
    return {name: (one.rows, one.digest) for name, one in found.items() if name not in OF_THE_RUN}


def prepare(simulated: Path, target: Path, services: Services, database: str) -> dict[str, str]:
    """A copy of the study whose tables and run history are in PostgreSQL; the environment to run it in."""
    services.make_database(database)
    environment = services.environment(database)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(simulated, target)
    where = f"ducklake:postgres:dbname={database} schema=warehouse"
    print(poma("migrate", "warehouse", "--to", where, "--study", str(target), environment=environment), end="")
    shutil.copyfile(REPOSITORY / "deploy" / "dagster.yaml", target / ".dagster" / "dagster.yaml")
    return environment


def start_worker(host: Host, queues: str, environment: dict[str, str], folder: Path) -> None:
    """Start `poma worker` on a host."""
    argv = [sys.executable, "-m", "poma_assets.cli.main", "worker", "--queues", queues]
    host.start(argv, environment, folder / f"{host.name}.log")


def compare(name: str, expected: dict[str, TableContent], study: Path, environment: dict[str, str], want: str) -> None:
    """Print whether the tables of a study are those expected, and end if not."""
    found = contents(study, environment)
    differing = sorted(table for table in expected if found.get(table) != expected[table])
    verdicts = poma("query", "--csv", VERDICTS, "--study", str(study), environment=environment)
    same = "equal to the last digit" if verdicts == want else "DIFFERENT"
    rows = sum(content.rows for content in found.values())
    print(
        f"{name}: {len(verdicts.splitlines()) - 1} verdicts {same}; {len(found) - len(differing)} of {len(expected)} "
        f"tables ({rows:,} rows) equal by hash" + (f"; different: {', '.join(differing)}" if differing else "")
    )
    if differing or verdicts != want:
        raise SystemExit(1)


def require_no_secret(study: Path, services: Services) -> None:
    """No file of the study holds a password."""
    for secret in services.secrets():
        found = subprocess.run(["grep", "-rlF", secret, str(study)], capture_output=True, text=True, check=False).stdout
        if found:
            raise SystemExit(f"a password is in {found}")
    print(f"no password in any file of {study.name}")


def trial(folder: Path, size: str, only: str) -> None:
    """The run of one machine, and those of the cluster."""
    with Services(folder) as services:
        local = services.environment()
        simulated, alone = folder / "simulated", folder / "alone"
        if not alone.exists():
            poma("simulate", str(simulated), "--size", size, environment=local)
            shutil.copytree(simulated, alone)
        begun = time.monotonic()
        poma("run", "--study", str(alone), environment=local)
        print(f"one machine, embedded warehouse: {time.monotonic() - begun:.0f} s")
        want = poma("query", "--csv", VERDICTS, "--study", str(alone), environment=local)
        expected = contents(alone, local)
        for name, part in PARTS.items():
            if only in ("", name):
                part(folder, simulated, services, expected, want)


def finish(launcher: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for `poma run`, and end if it failed."""
    try:
        failed = launcher.wait()
    finally:
        launcher.terminate()
    if failed:
        raise SystemExit(f"poma run failed:\n{log.read_text()}")
    print("\n".join(log.read_text().splitlines()[-2:]))


@dataclass(frozen=True)
class Cluster:
    """A copy of the study with its tables in PostgreSQL, and a worker on each of two new hosts."""

    study: Path
    environment: dict[str, str]
    hosts: list[Host]
    log: Path

    @classmethod
    def begin(cls, folder: Path, simulated: Path, services: Services, name: str, queues: Mapping[str, str]) -> Cluster:
        """Prepare the study and start the workers; ``queues``: host -> what its worker takes tasks from."""
        study = folder / name
        environment = prepare(simulated, study, services, name)
        hosts = [services.host(host) for host in queues]
        for host in hosts:
            start_worker(host, queues[host.name], environment, folder)
        return cls(study, environment, hosts, folder / f"{name}.log")

    def run(self) -> subprocess.Popen[bytes]:
        """Start `poma run --on celery`."""
        argv = [sys.executable, "-m", "poma_assets.cli.main", "run", "--on", "celery", "--study", str(self.study)]
        with self.log.open("wb") as log:
            return subprocess.Popen(argv, env=self.environment, stdout=log, stderr=log)

    def check(self, title: str, services: Services, expected: dict[str, TableContent], want: str) -> None:
        """Compare with the run of one machine, look for passwords, and end the workers."""
        compare(title, expected, self.study, self.environment, want)
        require_no_secret(self.study, services)
        for host in self.hosts:
            host.kill()


def wait_for_star(hosts: list[Host], launcher: subprocess.Popen[bytes]) -> tuple[Host, psutil.Process]:
    """Wait until STAR aligns on one of the hosts; the host and the program."""
    deadline = time.monotonic() + STAR_WITHIN_S
    while time.monotonic() < deadline and launcher.poll() is None:
        for host in hosts:
            for star in host.programs("STAR"):
                with suppress(psutil.NoSuchProcess):
                    if "--readFilesIn" in star.cmdline():
                        return host, star
        time.sleep(0.02)
    raise SystemExit("STAR was not seen to align on any host")


def with_two_workers(
    folder: Path, simulated: Path, services: Services, expected: dict[str, TableContent], want: str
) -> None:
    """One worker for each queue."""
    queues = {"poma-star": "star", "poma-default": "default"}
    cluster = Cluster.begin(folder, simulated, services, "cluster", queues)
    begun = time.monotonic()
    finish(cluster.run(), cluster.log)
    print(f"two workers (star, default) on two hosts: {time.monotonic() - begun:.0f} s")
    where = sorted({path.name.rsplit("-", 2)[0] for path in (cluster.study / "results" / "logs" / "workers").iterdir()})
    print(f"hosts that executed runs: {', '.join(where)}")
    cluster.check("two workers", services, expected, want)


def with_a_killed_worker(
    folder: Path, simulated: Path, services: Services, expected: dict[str, TableContent], want: str
) -> None:
    """Two workers for both queues, one of which is killed in the middle of STAR."""
    cluster = Cluster.begin(folder, simulated, services, "killed", dict.fromkeys(("poma-one", "poma-two"), BOTH))
    begun = time.monotonic()
    launcher = cluster.run()
    lost, _ = wait_for_star(cluster.hosts, launcher)
    lost.kill()
    print(f"{lost.name} was killed (-9) while STAR aligned, after {time.monotonic() - begun:.0f} s")
    finish(launcher, cluster.log)
    print(f"the other worker finished the study: {time.monotonic() - begun:.0f} s in all")
    cluster.check("a worker killed in mid-STAR", services, expected, want)


def with_killed_servers(
    folder: Path, simulated: Path, services: Services, expected: dict[str, TableContent], want: str
) -> None:
    """PostgreSQL and Redis are killed in the middle of STAR and started again; then `poma run` once more."""
    cluster = Cluster.begin(folder, simulated, services, "servers", dict.fromkeys(("poma-three", "poma-four"), BOTH))
    launcher = cluster.run()
    wait_for_star(cluster.hosts, launcher)
    services.kill()
    print("PostgreSQL and Redis were killed (-9) while STAR aligned")
    time.sleep(DOWN_FOR_S)
    services.start_again()
    status = launcher.wait()
    print(f"poma run ended with {status}: {cluster.log.read_text().splitlines()[-1:]}")
    finish(cluster.run(), cluster.log)
    cluster.check("the servers killed in mid-STAR", services, expected, want)


PARTS = {"plain": with_two_workers, "kill": with_a_killed_worker, "servers": with_killed_servers}


def parse_options(description: str | None, trial: Callable[[Path, argparse.Namespace], None]) -> None:
    """Read the command line, and run a trial in its folder."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["demo", "tiny"], default="demo")
    parser.add_argument("--folder", type=Path, help="a folder that is kept, and used again; default: a temporary one")
    parser.add_argument("--only", choices=list(PARTS), default="")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # everything is taken away then, too
    if options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
        trial(options.folder.resolve(), options)
        return
    with tempfile.TemporaryDirectory(prefix="poma-cluster-") as folder:
        Path(folder).chmod(0o755)
        trial(Path(folder), options)


def main() -> None:
    if missing := what_is_missing():
        raise SystemExit("the trial cannot run here: " + ", ".join(missing))
    parse_options(__doc__, lambda folder, options: trial(folder, options.size, options.only))


if __name__ == "__main__":
    main()
