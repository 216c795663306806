"""The API's list as FastAPI's and SQLAlchemy's manuals teach it: dependencies, ORM, Pydantic.

Equal to the service: the tables and rows, a statement for the token and one for the books, the
pool's size, the bytes of the answer with its ETag and Link, no access log, two workers. In its
favour: no other routes, no security headers, no request id, no time-out, no check of `Host`.
"""

import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from sqlalchemy import DateTime, ForeignKey, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

SCOPE = "books:read"


class Base(DeclarativeBase):
    """What the tables derive from."""

    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012 - the base's form


class User(Base):
    """A reader."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    registered_on: Mapped[datetime]
    books_revision: Mapped[int]


class AccessToken(Base):
    """A program's token, of which the hash is kept."""

    __tablename__ = "access_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    scopes: Mapped[str]
    expires_at: Mapped[datetime]
    user: Mapped[User] = relationship()


class Book(Base):
    """A book."""

    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author: Mapped[str]
    rating: Mapped[int | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))


class BookOut(BaseModel):
    """A book as it is shown."""

    id: int
    title: str
    author: str
    rating: int | None
    created_at: datetime
    updated_at: datetime
    version: int


class BookList(BaseModel):
    """A part of the list, and where it goes on."""

    items: list[BookOut]
    next: str | None


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """A session for one request."""
    async with request.app.state.session() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]
Bearer = Annotated[HTTPAuthorizationCredentials, Security(HTTPBearer())]


async def get_user(session: SessionDep, bearer: Bearer) -> User:
    """Whose token it is."""
    token = await session.scalar(
        select(AccessToken)
        .options(joinedload(AccessToken.user, innerjoin=True))
        .where(
            AccessToken.token_hash == hashlib.sha256(bearer.credentials.encode()).digest(),
            AccessToken.expires_at > datetime.now(UTC),
        )
    )
    if token is None or SCOPE not in token.scopes.split():
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return token.user


UserDep = Annotated[User, Depends(get_user)]


async def list_books(
    session: SessionDep,
    user: UserDep,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    if_none_match: Annotated[str | None, Header()] = None,
) -> dict[str, Any] | Response:
    """The newest books of the reader."""
    etag = f'"1-of-{user.id}-{user.books_revision}"'
    if if_none_match == etag:
        return Response(status_code=304, headers={"ETag": etag})
    query = select(Book).where(Book.user_id == user.id).order_by(Book.id.desc()).limit(limit + 1)
    books = (await session.scalars(query)).all()
    after = _cursor(books[limit - 1].id) if len(books) > limit else None
    response.headers["ETag"] = etag
    if after is not None:
        query_string = f"limit={limit}&sort=-created_at&after={after}"
        response.headers["Link"] = f'</api/v1/books?{query_string}>; rel="next"'
    return {"items": books[:limit], "next": after}


def _cursor(book_id: int) -> str:
    packed = json.dumps(["-created_at", book_id], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url, pool_size=5, max_overflow=5)
    app.state.session = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


def create_app() -> FastAPI:
    """The application, on the database of `DATABASE_URL`."""
    app = FastAPI(lifespan=_lifespan)
    app.get("/api/v1/books", response_model=BookList)(list_books)
    return app
