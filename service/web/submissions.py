"""Forms that make something carry a random key: sent twice, a form makes one thing.

The key is in a hidden field and is kept only when the form is sent, in the transaction that makes
the row. A double click, a reload and the Back button all send the same key again. Without a key of
ours, as from a script, each form makes something.
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
    """A form as one person has sent it; `key` is None where it carries none of ours."""

    key: Key | None

    @classmethod
    def of(cls, owner: int, texts: Mapping[str, str], content: object = None) -> "Submission":
        """The form of this request. `content` is what it makes: with another, it makes another.

        A struct, the bytes of a file, or whatever else msgspec encodes.
        """
        text = texts.get(FIELD, "")
        if not is_token(text):
            return cls(None)
        parts = (request.path.encode(), msgspec.json.encode(content))
        return cls(Key.of_form(owner, text, *parts))

    async def keep(self, connection: Connection, made: int) -> None:
        """Keep the id of the row just made, in its transaction. Raises SentBeforeError."""
        if self.key is not None:
            await idempotency.keep_made(connection, self.key, made)

    async def made_before(self) -> int | None:
        """The id of the row that this form has made before, or None."""
        if self.key is None:
            return None
        async with db.read() as connection:
            return await idempotency.get_made(connection, self.key)

    @asynccontextmanager
    async def once(self) -> AsyncIterator[None]:
        """Around the transaction: a conflict with what the form itself has made is SentBeforeError.

        The hundredth token, sent again, is not one too many.
        """
        try:
            yield
        except ConflictError as error:
            made = await self.made_before()
            if made is None:
                raise
            raise SentBeforeError(made) from error
