"""The console script `readlog`, which is also `python -m service`: all commands."""

import click
from quart.cli import QuartGroup

from service.app import create_app
from service.cli.commands import COMMANDS
from service.cli.terminal import one_line


class Group(QuartGroup):
    """Lists our commands without the application, so that their help needs no configuration."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names for the help."""
        return sorted(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. Raises UsageError with one line of text for an unknown command."""
        with one_line():
            return super().invoke(ctx)


def command_line() -> Group:
    """Return the group of all commands: ours, those of the application, and Quart's own."""
    group = Group(
        name="readlog",
        help="Readlog: accounts, and the books that people have read.",
        create_app=create_app,
        add_version_option=False,
        set_debug_flag=False,
        # The service reads no .env file at all.
        load_dotenv=False,
    )
    for command in COMMANDS:
        group.add_command(command)
    return group


def main() -> None:
    """Run the command that the command line names."""
    command_line().main(prog_name="readlog")


if __name__ == "__main__":
    main()
