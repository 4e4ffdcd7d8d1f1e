"""Every command teaches by its help."""

from collections.abc import Iterator

import pytest
import typer

from cli.main import app
from tests.cli.conftest import call


def commands() -> Iterator[tuple[str, ...]]:
    top = typer.main.get_command(app)
    for name, command in top.commands.items():
        yield (name,)
        for child in getattr(command, "commands", {}):
            yield (name, child)


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_says_what_it_does(command: tuple[str, ...]) -> None:
    done = call(*command, "--help")
    assert done.exit_code == 0
    assert "Usage:" in done.stdout
    assert len(done.stdout) > 200


def test_the_command_without_anything_shows_where_to_begin() -> None:
    assert "aios up" in call().stdout
