"""The refusals of accounts and sessions."""

from service.exceptions import ConflictError, NotAuthenticatedError, NotFoundError


class EmailTakenError(ConflictError):
    """Another account has this e-mail address."""

    code = "EMAIL_TAKEN"
    public_description = "There is an account with this e-mail address already."

    def __init__(self) -> None:
        super().__init__("There is an account with this e-mail address already.")


class WrongCredentialsError(NotAuthenticatedError):
    """No account has this address and this password."""

    code = "WRONG_CREDENTIALS"
    public_description = "The address has no account, or another password."

    def __init__(self) -> None:
        super().__init__("Incorrect login credentials.")


class SessionNotFoundError(NotFoundError):
    """The session does not exist, or belongs to another person."""

    code = "SESSION_NOT_FOUND"
    public_description = "This person has no such session."

    def __init__(self) -> None:
        super().__init__("There is no such session. It may have ended.")
