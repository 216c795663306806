"""The console script `readlog`, and `python -m service`: every command of the application."""

import click
from quart.cli import QuartGroup

from service.app import create_app
from service.cli.commands import COMMANDS
from service.cli.terminal import one_line


class Group(QuartGroup):
    """Knows our commands without the application: their help needs no configuration."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, for the help."""
        return sorted(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        """Raises UsageError for an unknown command, which is told in one line."""
        with one_line():
            return super().invoke(ctx)


def command_line() -> Group:
    """Every command: ours, those of the application, and Quart's own."""
    group = Group(
        name="readlog",
        help="Readlog: accounts, and the books that people have read.",
        create_app=create_app,
        add_version_option=False,
        set_debug_flag=False,
        # The service itself reads no such file either.
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
