"""The demo study through Slurm: a controller and two node daemons on this machine, compared with a run of one machine.

    python deploy/slurm_trial.py [--size demo|tiny] [--folder DIR]

The nodes are namespaces as in `cluster_trial.py`, each with its own slurmd. While STAR aligns in one job, that job's
process is killed (-9): it is submitted again, and the study completes. Root only.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
from cluster_trial import (
    VERDICTS,
    compare,
    contents,
    finish,
    parse_options,
    prepare,
    require_no_secret,
    wait_for_star,
)
from local_services import SERVER, STARTED_WITHIN_S, Host, Services, call, poma, what_is_missing

NODES = ("poma-node1", "poma-node2")
CORES, MEMORY_MIB = 2, 8000


class Slurm:
    """munged and slurmctld here, slurmd on each host; all data in one folder."""

    def __init__(self, services: Services, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = {**environment, "SLURM_CONF": str(folder / "slurm.conf")}
        self._services, self._own = services, list[subprocess.Popen[bytes]]()
        self.hosts: list[Host] = []

    def __enter__(self) -> Slurm:
        try:
            self._start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start_all(self) -> None:
        self.folder.mkdir()
        self._start_munge()
        (self.folder / "slurm.conf").write_text(self._configuration())
        self._start("slurmctld", "-D")
        for name in NODES:
            host = self._services.host(name)
            self.hosts.append(host)
            argv = ["slurmd", "-D", "-N", name, "-f", str(self.folder / "slurm.conf")]
            host.start(argv, self.environment, self.folder / f"{name}.log")
        deadline = time.monotonic() + STARTED_WITHIN_S
        while (states := call("sinfo", "-hN", "-o", "%t", environment=self.environment, check=False).split()) != [
            "idle"
        ] * len(NODES):
            if time.monotonic() > deadline:
                raise SystemExit(f"the nodes did not come up: {states}")
            time.sleep(0.5)

    def __exit__(self, *_: object) -> None:
        for host in self.hosts:
            host.kill()
        for process in reversed(self._own):
            process.terminate()
            process.wait()

    def _start(self, *argv: str) -> None:
        with (self.folder / f"{argv[0]}.log").open("wb") as log:
            self._own.append(subprocess.Popen(argv, env=self.environment, stdout=log, stderr=log))

    def _start_munge(self) -> None:
        folder = self.folder / "munge"
        folder.mkdir()
        (folder / "key").write_bytes(os.urandom(1024))
        (folder / "key").chmod(0o600)
        for path in (folder, folder / "key"):
            shutil.chown(path, "munge", "munge")
        names = {"key-file": "key", "log-file": "log", "pid-file": "pid", "seed-file": "seed", "socket": "socket"}
        options = [f"--{option}={folder / name}" for option, name in names.items()]
        self._start("runuser", "-u", "munge", "--", "munged", "--foreground", "--force", *options)
        deadline = time.monotonic() + STARTED_WITHIN_S
        while not (folder / "socket").exists():
            if time.monotonic() > deadline:
                raise SystemExit(f"munged did not start: {(folder / 'log').read_text()}")
            time.sleep(0.1)

    def _configuration(self) -> str:
        nodes = "\n".join(
            f"NodeName={name} NodeAddr={self._services.next_address(number)} CPUs={CORES} RealMemory={MEMORY_MIB}"
            for number, name in enumerate(NODES)
        )
        return f"""
ClusterName=poma
SlurmctldHost={socket.gethostname()}({SERVER})
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge/socket
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool-%n
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=2
{nodes}
PartitionName=all Nodes={",".join(NODES)} Default=YES MaxTime=INFINITE State=UP
"""


def kill_a_job_in_the_middle_of_star(hosts: list[Host], launcher: subprocess.Popen[bytes]) -> str:
    """Wait until STAR aligns on a node, then kill -9 the process of its job; the node."""
    while True:
        host, star = wait_for_star(hosts, launcher)
        with suppress(psutil.NoSuchProcess):
            job = next(parent for parent in star.parents() if "poma_assets.clusters.slurm_job" in parent.cmdline())
            os.kill(job.pid, signal.SIGKILL)
            return host.name


def trial(folder: Path, size: str) -> None:
    """The run of one machine, and the one through Slurm."""
    with Services(folder) as services:
        local = services.environment()
        simulated, alone, study = folder / "simulated", folder / "alone", folder / "slurm_study"
        if not alone.exists():
            poma("simulate", str(simulated), "--size", size, environment=local)
            shutil.copytree(simulated, alone)
        poma("run", "--study", str(alone), environment=local)
        want, expected = (
            poma("query", "--csv", VERDICTS, "--study", str(alone), environment=local),
            contents(alone, local),
        )
        environment = prepare(simulated, study, services, "slurm")
        shutil.rmtree(folder / "slurm", ignore_errors=True)
        with Slurm(services, folder / "slurm", {**environment, "POMA_THREADS": "1"}) as slurm:
            argv = [sys.executable, "-m", "poma_assets.cli.main", "run", "--on", "slurm", "--study", str(study)]
            log = folder / f"{study.name}.log"
            begun = time.monotonic()
            with log.open("wb") as file:
                launcher = subprocess.Popen(argv, env=slurm.environment, stdout=file, stderr=file)
            try:
                node = kill_a_job_in_the_middle_of_star(slurm.hosts, launcher)
                print(f"a job was killed (-9) on {node} while STAR aligned, after {time.monotonic() - begun:.0f} s")
                finish(launcher, log)
            finally:
                launcher.terminate()
            print(f"two node daemons: {time.monotonic() - begun:.0f} s")
            compare("Slurm, a job killed in mid-STAR", expected, study, environment, want)
            require_no_secret(study, services)


def main() -> None:
    missing = [f"no {name}" for name in ("slurmctld", "slurmd", "munged", "sbatch") if shutil.which(name) is None]
    if missing := [*what_is_missing(), *missing]:
        raise SystemExit("the trial cannot run here: " + ", ".join(missing))
    parse_options(__doc__, lambda folder, options: trial(folder, options.size))


if __name__ == "__main__":
    main()
