"""The console script `readlog`, and `python -m service`: every command of the application."""

from quart.cli import QuartGroup

from service.app import create_app


def main() -> None:
    """Run the command that the command line names."""
    group = QuartGroup(
        name="readlog",
        help="Readlog: accounts, and the books that people have read.",
        create_app=create_app,
        add_version_option=False,
        set_debug_flag=False,
    )
    group.main()


if __name__ == "__main__":
    main()
