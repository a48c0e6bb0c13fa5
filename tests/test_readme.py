"""README.md is true: every command in it was run, and every output is what it printed."""

from __future__ import annotations

import pytest

from tests.readme import README, alike, real

SHOWN = README.read_text(encoding="utf-8")


def test_every_output_is_what_the_command_prints() -> None:
    commands = list(real(SHOWN))
    assert commands
    for command, shown, output in commands:
        assert alike(shown) == alike(output), command


@pytest.mark.parametrize("command", ["pip install .", "rowcol demo", "python -m pytest"])
def test_the_commands_for_a_fresh_machine_are_there(command: str) -> None:
    assert command in SHOWN
