"""Forms that add a row carry a random key, so that a form sent twice adds one row: decision 20.

The key is in a hidden field. It is stored when the form is sent, in the transaction that adds the
row. A double click, a reload and the Back button send the same key again. A form without a valid
key, as from a script, adds a row each time.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec
from quart import request

from service import db, idempotency
from service.db.statements import Connection
from service.exceptions import ConflictError
from service.idempotency import Key, SentBeforeError
from service.security.tokens import is_token

FIELD = "form"  # the hidden field's name


class Submission(NamedTuple):
    """A form that a person has sent. `key` is None if the form has no valid key."""

    key: Key | None

    @classmethod
    def of(cls, owner: int, texts: Mapping[str, str], content: object = None) -> "Submission":
        """Return the form of this request.

        `content` is part of the key: the same form with other content adds another row. It is a
        struct, the bytes of a file, or any other value that msgspec encodes.
        """
        text = texts.get(FIELD, "")
        if not is_token(text):
            return cls(None)
        parts = (request.path.encode(), msgspec.json.encode(content))
        return cls(Key.of_form(owner, text, *parts))

    async def keep(self, connection: Connection, made: int) -> None:
        """Store the id of the new row, in its transaction. Raises SentBeforeError."""
        if self.key is not None:
            await idempotency.keep_made(connection, self.key, made)

    async def made_before(self) -> int | None:
        """Return the id of the row that this form has made before, or None."""
        if self.key is None:
            return None
        async with db.read() as connection:
            return await idempotency.get_made(connection, self.key)

    @asynccontextmanager
    async def once(self) -> AsyncIterator[None]:
        """Wrap the transaction: a ConflictError after this form made a row becomes SentBeforeError.

        Example: the form of the hundredth token, sent again, would be refused as one too many.
        """
        try:
            yield
        except ConflictError as error:
            made = await self.made_before()
            if made is None:
                raise
            raise SentBeforeError(made) from error
