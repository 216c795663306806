"""The agreed description of the API: openapi.json, which `make openapi-snapshot` writes.

Only fixed settings, so that the same code always makes the same text.
"""

import asyncio
import json
import tempfile
from pathlib import Path

from service.api.description import openapi
from service.app import create_app
from service.config import Settings

SNAPSHOT = Path(__file__).with_name("openapi.json")


async def described() -> str:
    """Return the description of this code, one value a line, in the order in which it is sent."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"CONFIG_TYPE": "testing", "DATABASE_URL": f"sqlite:///{folder}/none.db"}
        app = create_app(Settings.from_env(environment, root=Path(folder)))
        async with app.app_context():
            return json.dumps(openapi.document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(asyncio.run(described()), encoding="utf-8")
