"""The refusals of access tokens."""

from service.exceptions import ConflictError, NotFoundError


class TokenNotFoundError(NotFoundError):
    """The token does not exist, has expired, or belongs to another person."""

    code = "TOKEN_NOT_FOUND"
    public_description = "This person has no such token."

    def __init__(self) -> None:
        super().__init__("There is no such token. It may have been revoked, or have expired.")


class TooManyTokensError(ConflictError):
    """The owner already has the highest number of tokens."""

    code = "TOO_MANY_TOKENS"
    public_description = "This person has as many tokens as anybody may have."

    def __init__(self, most: int) -> None:
        super().__init__(f"There are {most} tokens already. Revoke one of them first.")
