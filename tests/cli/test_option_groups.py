"""Groups of options become options of the command, and reach it as one value."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import typer
from typer.testing import CliRunner

from qgen.cli import confirmation, evaluate, options, sample, train
from qgen.cli.option_groups import flatten_groups
from qgen.cli.options import BackendArgs, SamplerArgs

Size = Annotated[int | None, typer.Option(min=1, help="Its size.")]


@dataclass(frozen=True)
class Look:
    """A group whose parameter has the name of one of its fields."""

    size: Size = None
    loud: Annotated[bool, typer.Option("--loud", help="Shout.")] = False


def test_a_group_arrives_as_one_value() -> None:
    seen: list[object] = []

    def show(*, word: Annotated[str, typer.Argument()], size: Look, often: int = 1) -> None:
        seen.extend((word, size, often))

    app = typer.Typer(rich_markup_mode=None)
    app.command()(flatten_groups(show))
    runner = CliRunner()
    assert runner.invoke(app, ["hello", "--size", "3", "--often", "2"]).exit_code == 0
    assert seen == ["hello", Look(3), 2]
    assert runner.invoke(app, ["hello", "--loud"]).exit_code == 0
    assert seen[3:] == ["hello", Look(loud=True), 1]
    assert runner.invoke(app, ["hello", "--size", "0"]).exit_code == 2
    help_text = runner.invoke(app, ["--help"]).output
    assert all(flag in help_text for flag in ("--size", "--loud", "--often"))
    assert "--look" not in help_text


def test_the_commands_that_share_groups_share_all_of_their_options() -> None:
    for command in (train.train, sample.sample, evaluate.evaluate):
        names = set(flatten_groups(command).__annotations__)
        assert names >= {field.name for field in fields(BackendArgs)}
        assert names >= {field.name for field in fields(confirmation.SpendingArgs)}
    for command in (sample.sample, evaluate.evaluate):
        assert set(flatten_groups(command).__annotations__) >= {field.name for field in fields(SamplerArgs)}


def test_what_is_not_given_changes_no_setting() -> None:
    assert options.BackendArgs().settings() == options.SamplerArgs().settings() == {}
    assert not confirmation.SpendingArgs().given
    assert confirmation.SpendingArgs(dry_run=True).given
    assert options.SamplerArgs(sampler="ddim", eta=1.0).settings([3]) == {
        "sampler": "ddim",
        "steps": None,
        "eta": 1.0,
        "labels": [3],
    }
