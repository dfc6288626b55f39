"""The help of every command: examples that work, on terminals, pipes and with NO_COLOR; completion; errors."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest
from typer import Context
from typer.core import TyperGroup

from poma_assets.cli import main as main_module
from poma_assets.cli.app import command_line
from poma_assets.cli.examples import EXAMPLES
from poma_assets.storage.exports import FORMATS

LINES = [line for _, lines in EXAMPLES.values() for line in lines]


def commands(group: TyperGroup, prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, command in group.commands.items():
        found[prefix + name] = command
        if isinstance(command, TyperGroup):
            found |= commands(command, f"{prefix}{name} ")
    return found


def test_every_command_has_examples_and_no_example_is_of_another():
    known = commands(command_line())
    assert set(known) == set(EXAMPLES)
    for name, (_, lines) in EXAMPLES.items():
        assert isinstance(known[name], TyperGroup) or lines
        assert all(line.startswith(f"poma {name}") for line in lines)


@pytest.mark.parametrize("line", LINES)
def test_the_command_takes_its_example(line):
    words = shlex.split(line.partition(" > ")[0])[1:]
    group = command_line()
    while isinstance(group, TyperGroup):
        name, group, words = group.resolve_command(Context(group), words)
    assert group is not None
    # Parses and converts, and raises what a wrong option, value or missing argument would be answered with.
    group.make_context(name, list(words))


def test_help_ends_with_the_examples_and_flags_take_no_value(poma):
    told = poma("run", "--help").stdout
    assert "poma run --jobs 2 --until counts" in told.rpartition("Examples:")[2]
    assert "<bool>" not in told
    assert poma("run", "-h").stdout == told


def on_terminal(arguments: list[str], **variables: str) -> str:
    """What the command line writes into a terminal."""
    import pty

    leader, follower = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
    process = subprocess.Popen(
        [sys.executable, "-m", "poma_assets.cli.main", *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**environment, "TERM": "xterm-256color", **variables},
    )
    os.close(follower)
    written = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # the terminal's other end is closed
            break
        if not piece:
            break
        written += piece
    process.wait()
    os.close(leader)
    return written.decode()


def test_colours_are_for_terminals_only_and_no_color_is_respected(poma, tmp_path):
    arguments = ["status", "--study", str(tmp_path)]
    assert "\x1b[1;31m" in on_terminal(arguments)
    quiet = on_terminal(arguments, NO_COLOR="1")
    assert "error" in quiet
    assert "31m" not in quiet
    piped = poma(*arguments)
    assert "\x1b" not in piped.stdout + piped.stderr


def test_an_unforeseen_error_is_one_line_and_debug_shows_where(poma, monkeypatch, capsys):
    error = RuntimeError("two\nlines")
    monkeypatch.delenv("POMA_DEBUG", raising=False)
    main_module._tell_unexpected(RuntimeError, error, None)
    told = capsys.readouterr().err
    assert told.startswith("unexpected error RuntimeError: two lines\n")
    assert "--debug" in told
    monkeypatch.setenv("POMA_DEBUG", "1")
    main_module._tell_unexpected(RuntimeError, error, None)
    assert "RuntimeError: two\nlines" in capsys.readouterr().err


def test_debug_may_stand_anywhere(poma, tmp_path):
    for arguments in (["--debug", "check", "--study", str(tmp_path)], ["check", "--study", str(tmp_path), "--debug"]):
        result = poma(*arguments)
        assert (result.returncode, "Traceback" in result.stderr) == (1, True)
    assert "Traceback" not in poma("check", "--study", str(tmp_path)).stderr


def test_the_version_is_told(poma):
    assert poma("--version").stdout.startswith("poma-assets ")


def complete(words: str) -> list[str]:
    """What bash would be offered at the end of these words."""
    variables = {
        "_POMA_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    command = [sys.executable, "-m", "poma_assets.cli.main"]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    return done.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(poma, shell):
    result = poma("completion", shell)
    assert result.returncode == 0
    assert "_POMA_COMPLETE" in result.stdout


def test_bash_takes_the_script_and_completes_commands_options_and_names(poma, tmp_path):
    script = tmp_path / "poma.bash"
    script.write_text(poma("completion", "bash").stdout)
    loaded = subprocess.run(
        ["bash", "-c", f"source {script} && complete -p poma"], capture_output=True, text=True, check=False
    )
    assert "_poma_completion" in loaded.stdout
    assert complete("poma ver") == ["verdicts"]
    assert "--until" in complete("poma run --u")
    assert complete("poma explain v_top") == ["v_top_genes"]
    assert complete("poma gene-sets f") == ["fetch"]
    assert complete("poma export --format ") == list(FORMATS)


def test_an_unknown_shell_is_refused(poma):
    result = poma("completion", "tcsh")
    assert (result.returncode, "bash, zsh, fish" in result.stderr) == (2, True)
