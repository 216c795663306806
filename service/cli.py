"""Commands for operators: `quart --app service.app:create_app …`, or `readlog …`."""

import asyncio

import click
from quart import Quart
from quart.cli import ScriptInfo, pass_script_info

from service import schema
from service.config import Settings


def init_app(app: Quart) -> None:
    """Add the commands to the application's."""
    app.cli.add_command(init_db)


@click.command("init_db")
@click.option("--reset", is_flag=True, help="Delete everything first. Asks before it does.")
@pass_script_info
def init_db(info: ScriptInfo, reset: bool) -> None:
    """Bring the database to the newest schema; nothing that is stored is lost."""
    settings: Settings = info.load_app().extensions["settings"]
    if reset:
        where = settings.database.display
        click.confirm(f"Delete all accounts and books in {where}?", abort=True)
    try:
        asyncio.run(_migrate(settings, reset=reset))
    except schema.SchemaError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The database is at revision {schema.head()}.")


async def _migrate(settings: Settings, *, reset: bool) -> None:
    if reset:
        await schema.reset(settings)
    await schema.upgrade(settings)
