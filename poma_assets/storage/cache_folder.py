"""The folder that studies share: STAR indices and fetched references."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "POMA_CACHE"
"""Environment variable that names the folder."""


def cache_folder(name: str) -> Path:
    """Part of the cache with this name: below POMA_CACHE, else below the user's cache folder."""
    default = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "poma-assets")
    return Path(os.environ.get(CACHE_VARIABLE) or default) / name
