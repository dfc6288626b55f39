"""Files of the results that somebody removed, or that a bad disk changed, between two runs."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb

from .bench import PATIENCE_S, Place
from .fault import BROKEN_OFF, WENT_ON, Act, Effect, Kind
from .studies import DONE, READS_DONE

_HIDDEN = (".hashes", ".up_to_date.json")
Damage = Callable[[Path, random.Random], None]


def flip_bit(path: Path, draw: random.Random) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(content))


def cut_off(path: Path, draw: random.Random) -> None:
    """Shorten a file."""
    with path.open("r+b") as file:
        file.truncate(draw.randrange(path.stat().st_size))


def remove(path: Path, draw: random.Random) -> None:
    """Delete a file."""
    del draw
    path.unlink()


def _recorded_files(study: Path) -> list[Path]:
    with closing(duckdb.connect(str(study / "results" / "warehouse.duckdb"), read_only=True)) as connection:
        rows = connection.execute("SELECT path FROM artefacts WHERE dropped_at IS NULL ORDER BY ALL").fetchall()
    paths = [study / path for (path,) in rows]
    return [path for path in paths if path.is_relative_to(study / "results") and not path.is_symlink()]


def _one_file(damage: Damage) -> Act:
    def act(place: Place, draw: random.Random) -> Effect:
        chosen = draw.choice(_recorded_files(place.study))
        damage(chosen, draw)
        return Effect(WENT_ON, str(chosen.relative_to(place.study)))

    return act


def _hidden_file(place: Place, draw: random.Random) -> Effect:
    chosen = place.study / "results" / draw.choice(_HIDDEN)
    damage = draw.choice((flip_bit, cut_off, remove))
    damage(chosen, draw)
    return Effect(WENT_ON, f"{damage.__name__} {chosen.name}")


def _folder(place: Place, draw: random.Random) -> Effect:
    results = place.study / "results"
    folders = [
        results / "files",
        results / "reports",
        results / "logs",
        results / "shared",
        place.study / ".dagster",
        results,
    ]
    chosen = draw.choice([folder for folder in folders if folder.is_dir()])
    shutil.rmtree(chosen)
    return Effect(WENT_ON, f"removed {chosen.relative_to(place.study)}")


def _warehouse(place: Place, draw: random.Random) -> Effect:
    """A damaged warehouse is said to be damaged; without it everything is made again."""
    warehouse = place.study / "results" / "warehouse.duckdb"
    damage = draw.choice((cut_off, remove, flip_bit))
    damage(warehouse, draw)
    launch = place.start()
    status, text = launch.wait(PATIENCE_S), launch.text()
    if status == 0 and damage is not flip_bit:
        return Effect(WENT_ON, damage.__name__)
    for path in warehouse.parent.glob("warehouse.duckdb*"):
        path.unlink()
    if status == 0:
        return Effect(WENT_ON, "a bit of a block that nothing needed; then taken away")
    problems = [] if "damaged" in text or "not a DuckDB database" in text else [f"it is not said why: {text[-800:]}"]
    return Effect(BROKEN_OFF, f"{damage.__name__}; then taken away, as the message says", problems)


KINDS = (
    Kind("a file of the results is removed", 8, (DONE, READS_DONE), _one_file(remove)),
    Kind("a bit of a kept file is flipped", 10, (DONE, READS_DONE), _one_file(flip_bit)),
    Kind("a kept file is cut off", 8, (DONE, READS_DONE), _one_file(cut_off)),
    Kind("a hidden file is removed or damaged", 6, (DONE,), _hidden_file),
    Kind("a folder is removed", 5, (DONE,), _folder),
    Kind("the warehouse is damaged", 5, (DONE,), _warehouse),
)
