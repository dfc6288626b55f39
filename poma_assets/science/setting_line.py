"""One line of ``poma.yaml`` that holds a setting: put in, or exchanged; all else stays as the user wrote it."""

from __future__ import annotations

import yaml

from poma_assets.science.errors import ConfigError
from poma_assets.science.yaml_text import compose, entries

_SOURCE = "poma.yaml"


def with_setting(text: str, key: str, value: str) -> str:
    """The text of ``poma.yaml`` with a key of the top level set to a text.

    Raises
    ------
    ConfigError
        It is no YAML, or the key is written in a way that cannot be exchanged (over several lines, for example).
    """
    node = compose(text, source=_SOURCE, error=ConfigError)
    line = yaml.safe_dump({key: value}, width=10_000, allow_unicode=True).strip()
    lines, entry = text.splitlines(), None
    if isinstance(node, yaml.MappingNode):
        entry = entries(node, source=_SOURCE, error=ConfigError).get(key)
    if entry is None:
        made = "\n".join([*lines, line]) + "\n"
    else:
        made = "\n".join([*lines[: entry.line - 1], line, *lines[entry.line :]]) + "\n"
    if not _differ_in(key, text, made, value):
        raise ConfigError(
            f"{key!r} is written in a way that cannot be exchanged",
            where=f"{_SOURCE}, line {entry.line}" if entry else _SOURCE,
            fix=f"Write the line by hand: {line}",
        )
    return made


def _differ_in(key: str, before: str, after: str, value: str) -> bool:
    try:
        old, new = yaml.safe_load(before) or {}, yaml.safe_load(after)
    except yaml.YAMLError:
        return False
    return isinstance(old, dict) and bool(new == {**old, key: value})
