"""What every worker process needs, imported once in the process that the workers are forked from.

Nothing may start a thread or open a database here: a fork would share it.
"""

import gc
import warnings

warnings.simplefilter("ignore")  # there is no log yet
gc.disable()  # imports leave little garbage, and looking for it takes a sixth of their time

import poma_assets.compute_logs  # noqa: E402
import poma_assets.instance_storage  # noqa: E402, F401
from poma_assets.definitions import defs  # noqa: E402
from poma_assets.jobs import JOBS  # noqa: E402

for job in JOBS:
    defs.resolve_job_def(job.name)
# The objects made so far are never collected, so that the workers go on sharing their memory.
gc.freeze()
gc.enable()
