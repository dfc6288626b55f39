"""PostgreSQL, Redis and "hosts" (network, name and process namespaces) on one machine, for the trials; root only.

Everything that is started here is ended by `Services.close`, and its data are in one folder of the trial.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
TRIAL = int(os.environ.get("POMA_TRIAL_NUMBER", "77"))
"""Two trials at the same time need different numbers (1 to 250)."""

PREFIX = f"10.{TRIAL}.0"
SERVER, BRIDGE = f"{PREFIX}.1", f"pomabr{TRIAL}"
POSTGRES_PORT, REDIS_PORT = 5400 + TRIAL, 6400 + TRIAL
STARTED_WITHIN_S = 120


def postgres_programs() -> Path | None:
    """Folder of PostgreSQL's server programs (Debian keeps them off the PATH)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def what_is_missing() -> list[str]:
    """Reasons why a trial cannot run here."""
    missing = [] if os.geteuid() == 0 else ["namespaces need root"]
    missing += [
        f"no {name}" for name in ("ip", "nsenter", "unshare", "runuser", "redis-server") if shutil.which(name) is None
    ]
    missing += [f"no {name}" for name in ("STAR", "fastqc", "featureCounts") if shutil.which(name) is None]
    if postgres_programs() is None:
        missing.append("no PostgreSQL server")
    return missing


def call(*argv: str, environment: dict[str, str] | None = None, check: bool = True) -> str:
    """Run a program to its end; what it printed."""
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
    if check and done.returncode:
        raise SystemExit(f"{' '.join(argv)} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Host:
    """A namespace of network, host name and processes that sees the same folders: a machine, as far as poma knows."""

    def __init__(self, name: str, number: int) -> None:
        self.name, self.address = name, f"{PREFIX}.{10 + number}"
        self.veth = f"pomav{TRIAL}n{number}"
        self.process: subprocess.Popen[bytes] | None = None
        call("ip", "netns", "add", name)
        call("ip", "link", "add", self.veth, "type", "veth", "peer", "name", "eth0", "netns", name)
        call("ip", "link", "set", self.veth, "master", BRIDGE, "up")
        inside = ("ip", "-n", name)
        call(*inside, "addr", "add", f"{self.address}/24", "dev", "eth0")
        call(*inside, "link", "set", "eth0", "up")
        call(*inside, "link", "set", "lo", "up")

    def start(self, argv: list[str], environment: dict[str, str], log: Path) -> None:
        """Start the one program of the host; when it ends, all that it started ends."""
        # Not by `ip netns exec`, which hides /sys/fs/cgroup, that slurmd looks for.
        namespaces = ["nsenter", f"--net=/run/netns/{self.name}", "unshare", "--uts", "--pid", "--fork", "--mount-proc"]
        script = f'hostname {self.name}; exec "$@"'
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [*namespaces, "--kill-child", "sh", "-c", script, self.name, *argv],
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def first_process(self) -> psutil.Process | None:
        """The program of the host, as seen from outside."""
        if self.process is None or self.process.poll() is not None:
            return None
        children = psutil.Process(self.process.pid).children()
        return children[0] if children else None

    def programs(self, name: str) -> list[psutil.Process]:
        """Processes of a name that run on the host."""
        first, found = self.first_process(), []
        for process in first.children(recursive=True) if first else ():
            with suppress(psutil.NoSuchProcess):
                if process.name() == name:
                    found.append(process)
        return found

    def kill(self) -> None:
        """Kill -9 the program, and with it everything on the host: a machine that loses its power."""
        if (first := self.first_process()) is not None:
            os.kill(first.pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def remove(self) -> None:
        """End what runs and take the namespace away."""
        self.kill()
        call("ip", "link", "del", self.veth, check=False)
        call("ip", "netns", "del", self.name, check=False)


class Services:
    """PostgreSQL and Redis on the address of the trial's server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts: list[Host] = []
        self._password, self._redis_password = secrets.token_hex(16), secrets.token_hex(16)
        self._redis: subprocess.Popen[bytes] | None = None
        self._data = folder / "postgres"

    def __enter__(self) -> Services:
        try:
            call("ip", "link", "add", BRIDGE, "type", "bridge")
            call("ip", "addr", "add", f"{SERVER}/24", "dev", BRIDGE)
            call("ip", "link", "set", BRIDGE, "up")
            self._start_postgres()
            self._start_redis()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def host(self, name: str) -> Host:
        """A new host beside the server."""
        host = Host(name, len(self.hosts) + 1)
        self.hosts.append(host)
        return host

    def next_address(self, further: int = 0) -> str:
        """The address that the next host will have, or one after it."""
        return f"{PREFIX}.{10 + len(self.hosts) + 1 + further}"

    def environment(self, database: str = "postgres") -> dict[str, str]:
        """What launcher and workers have in their environment; secrets are nowhere else."""
        chosen = {name: value for name, value in os.environ.items() if not name.startswith(("POMA_", "DAGSTER_", "PG"))}
        return {
            **chosen,
            "PYTHONPATH": str(REPOSITORY),
            "POMA_CACHE": str(self.folder / "cache"),
            "POMA_CELERY_BROKER": f"redis://:{self._redis_password}@{SERVER}:{REDIS_PORT}/0",
            "PGHOST": SERVER,
            "PGPORT": str(POSTGRES_PORT),
            "PGUSER": "poma",
            "PGPASSWORD": self._password,
            "PGDATABASE": database,
            "COLUMNS": "200",
        }

    def secrets(self) -> list[str]:
        """What may be found in no file of a study."""
        return [self._password, self._redis_password]

    def make_database(self, name: str) -> None:
        """A new database."""
        call("psql", "-q", "-c", f"CREATE DATABASE {name}", environment=self.environment())

    def kill(self) -> None:
        """Kill -9 PostgreSQL, with all processes of it, and Redis."""
        first = int((self._data / "postmaster.pid").read_text().split()[0])
        for process in (*psutil.Process(first).children(recursive=True), psutil.Process(first)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if self._redis is not None:
            self._redis.kill()
            self._redis.wait()

    def start_again(self) -> None:
        """Start both after `kill`; Redis has lost what it held."""
        self._start_server()
        self._start_redis()

    def close(self) -> None:
        """End everything and take the network away."""
        for host in self.hosts:
            host.remove()
        if self._redis is not None:
            self._redis.terminate()
            self._redis.wait()
        if (self._data / "postmaster.pid").exists():
            self._postgres("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop", check=False)
        call("ip", "link", "del", BRIDGE, check=False)

    def _postgres(self, program: str, *arguments: str, check: bool = True) -> str:
        programs = postgres_programs()
        return call("runuser", "-u", "postgres", "--", f"{programs}/{program}", *arguments, check=check)

    def _start_postgres(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir()
        shutil.chown(self._data, "postgres", "postgres")
        password = self._data.with_suffix(".password")
        password.write_text(self._password)
        shutil.chown(password, "postgres", "postgres")
        password.chmod(0o600)
        encoding = ("--encoding", "UTF8", "--locale", "C")
        self._postgres(
            "initdb",
            "-D",
            str(self._data),
            "-U",
            "poma",
            "--auth",
            "scram-sha-256",
            "--pwfile",
            str(password),
            *encoding,
        )
        password.unlink()
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all poma {PREFIX}.0/24 scram-sha-256\n")
        self._start_server()

    def _start_server(self) -> None:
        options = f"-p {POSTGRES_PORT} -k {self._data} -c listen_addresses={SERVER} -c max_connections=300"
        log = str(self._data / "server.log")
        self._postgres("pg_ctl", "-D", str(self._data), "-o", options, "-l", log, "-w", "start")

    def _start_redis(self) -> None:
        import redis

        options = f'bind {SERVER}\nport {REDIS_PORT}\ndir {self.folder}\nsave ""\nrequirepass {self._redis_password}\n'
        self._redis = subprocess.Popen(["redis-server", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert self._redis.stdin is not None
        self._redis.stdin.write(options.encode())
        self._redis.stdin.close()
        client = redis.Redis(host=SERVER, port=REDIS_PORT, password=self._redis_password)
        deadline = time.monotonic() + STARTED_WITHIN_S
        while True:
            with suppress(redis.RedisError):
                client.ping()
                return
            if time.monotonic() > deadline:
                raise SystemExit("redis-server did not start")
            time.sleep(0.2)


def poma(*arguments: str, environment: dict[str, str], check: bool = True) -> str:
    """Run the command line of this repository; what it printed."""
    return call(sys.executable, "-m", "poma_assets.cli.main", *arguments, environment=environment, check=check)
