"""YAML text as nodes that know their line and column, with errors in words.

Scalars stay texts here: a level written ``no`` or ``24`` must not become False or a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from poma_assets.science.errors import InputError

_ADDRESS = re.compile(r"(https?://[^/\s]+)/\S*")  # may be a secret beyond its host
_MOST_NODES = 100_000
_DEEPEST = 50
_BRACKET = re.compile(r"[][{}]")
_NULL_TAG = "tag:yaml.org,2002:null"


@dataclass(frozen=True)
class Entry:
    """A key of a mapping with its value and places (line and column from 1)."""

    line: int
    column: int
    value: yaml.Node


def compose(text: str, *, source: str, error: type[InputError]) -> yaml.Node | None:
    """Parse YAML into nodes; None for an empty document.

    Raises
    ------
    InputError
        As the given class, with line and column of the syntax error.
    """
    if _bracket_depth(text) > _DEEPEST:
        raise _too_deep(source, error)
    try:
        node = yaml.compose(text.removeprefix("\ufeff"), Loader=yaml.SafeLoader)
        _refuse_bombs(node, source, error)
        return node
    except RecursionError as problem:
        raise _too_deep(source, error) from problem
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise error(
            f"this is no valid YAML: {problem.problem or problem.context}",
            where=f"{source}{place}",
            found=_line_of(text, mark.line) if mark else None,
            expected="lines of the form 'key: value', indented with spaces (no tabs)",
            fix="Put quotes around values that hold ': ' or begin with a special character",
        ) from problem
    except yaml.YAMLError as problem:
        raise error(f"this is no valid YAML: {problem}", where=source) from problem


def _too_deep(source: str, error: type[InputError]) -> InputError:
    return error("lists and keys are nested too deeply", where=source, fix="Write one value or list for each key")


def _bracket_depth(text: str) -> int:
    """How many brackets are open at once at most; the library takes long before it gives up on hundreds."""
    depth, deepest = 0, 0
    for match in _BRACKET.finditer(text):
        depth += 1 if match[0] in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _refuse_bombs(root: yaml.Node | None, source: str, error: type[InputError]) -> None:
    """Refuse references (``*name``) that make a few lines stand for millions of values, or for themselves."""
    waiting, number = [root] if root is not None else [], 0
    while waiting:
        node = waiting.pop()
        number += 1
        if number > _MOST_NODES:
            raise error(
                "the file stands for more values than any such file has",
                where=source,
                found=f"more than {_MOST_NODES:,}",
                fix="Write the values themselves instead of references such as *name",
            )
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def entries(node: yaml.MappingNode, *, source: str, error: type[InputError]) -> dict[str, Entry]:
    """Return the keys of a mapping with their places; a repeated key is refused."""
    found: dict[str, Entry] = {}
    for key_node, value in node.value:
        key = str(key_node.value)
        line, column = position(key_node)
        if key in found:
            raise error(
                f"the key {key!r} is there twice",
                where=f"{source}, line {line}, column {column}",
                found=f"lines {found[key].line} and {line}",
                expected="every key once",
                fix="Delete one of them",
            )
        found[key] = Entry(line, column, value)
    return found


def position(node: yaml.Node) -> tuple[int, int]:
    """Line and column of a node, from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1


def scalar_text(node: yaml.Node) -> str | None:
    """The text of a scalar as written, without quotes; None for null and for anything but a scalar."""
    if not isinstance(node, yaml.ScalarNode) or node.tag == _NULL_TAG:
        return None
    return str(node.value)


def _line_of(text: str, line: int) -> str | None:
    lines = text.splitlines()
    return repr(_ADDRESS.sub(r"\1/...", lines[line])[:80]) if line < len(lines) else None
