"""Workers start wherever temporary files lie."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import tempfile
from poma_assets.worker_pool import _CONTEXT, prepare_workers
if __name__ == "__main__":
    prepare_workers()
    worker = _CONTEXT.Process(target=print, args=("from a worker",))
    worker.start()
    worker.join()
    print(tempfile.gettempdir())
"""


def test_a_path_too_long_for_a_socket_does_not_keep_workers_from_starting(tmp_path: Path) -> None:
    long = tmp_path / ("temporary" * 12)
    long.mkdir()
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        env={**os.environ, "TMPDIR": str(long), "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["from a worker", str(long)], done.stderr
