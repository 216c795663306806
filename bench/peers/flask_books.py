"""A small synchronous Flask application with the pages that the bench asks for.

Equal to the service: the tables and rows, sessions kept in the database and looked up by the hash
of their token, a query for the reader and one for the books, the 25 newest books with the same
columns, pages of nearly the same weight made by Jinja with escaping, the same bounds for a new
book and a message on the next page, no access log, two workers. In its favour: no security headers,
no request id, no rate limit, no check of where a form comes from, no number for each change of the
list, no link to an older page, and paths written out in the rows where Flask code mostly calls
`url_for`. Against it: rows become ORM objects, as is usual there, and a sync worker closes the
connection after each answer (`flask-threads` does not).
"""

# mypy: allow-untyped-calls
# Flask-Login has no types.

import hashlib
import os
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from flask import Flask, abort, flash, redirect, render_template, request, url_for
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response

PAGE_SIZE = 25
TITLE_MAX_LENGTH = 500
AUTHOR_MAX_LENGTH = 300
SESSION_LIFETIME = timedelta(hours=24)
SEE_OTHER = 303


Time = Annotated[datetime, mapped_column(DateTime(timezone=True))]


class Base(DeclarativeBase):
    """What the tables derive from."""


db = SQLAlchemy(model_class=Base)
login_manager = LoginManager()


def _now() -> datetime:
    return datetime.now(UTC)


class User(UserMixin, db.Model):  # type: ignore[misc, name-defined]  # untyped bases
    """A reader; the columns of the Flask application."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    password_hashed: Mapped[str]
    registered_on: Mapped[Time]

    def get_id(self) -> str:
        """What Flask-Login puts into its cookie: the token of this sign-in."""
        return str(self.token)


class Session(db.Model):  # type: ignore[misc, name-defined]  # made at run time
    """A sign-in; of its token only the hash is kept."""

    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time] = mapped_column(default=_now)
    expires_at: Mapped[Time]


class Book(db.Model):  # type: ignore[misc, name-defined]  # made at run time
    """A book; the columns of the Flask application, and when it was added and changed."""

    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author: Mapped[str]
    rating: Mapped[int | None]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time] = mapped_column(default=_now)
    updated_at: Mapped[Time] = mapped_column(default=_now)


def create_app() -> Flask:
    """The application, on the database of `DATABASE_URL`; it makes no table."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    db.init_app(app)
    login_manager.init_app(app)
    login_manager.login_view = "login"
    login_manager.user_loader(load_user)
    app.add_url_rule("/", view_func=index)
    app.add_url_rule("/login", view_func=login, methods=["GET", "POST"])
    app.add_url_rule("/books/", view_func=list_books)
    app.add_url_rule("/books/add", view_func=add_book, methods=["POST"])
    return app


def load_user(token: str) -> Any:
    """The reader whose sign-in the cookie's token is: a query for each request."""
    hashed, now = hashlib.sha256(token.encode()).digest(), datetime.now(UTC)
    signed_in = db.select(User).join(Session, Session.user_id == User.id)
    return db.session.scalar(
        signed_in.where(Session.token_hash == hashed, Session.expires_at > now)
    )


def index() -> str:
    """The welcome page."""
    return render_template("index.html")


def login() -> str | Response:
    """The form, and signing in."""
    if request.method == "GET":
        return render_template("login.html")
    query = db.select(User).where(User.email == request.form["email"])
    user = db.session.scalar(query)
    if user is None or not check_password_hash(user.password_hashed, request.form["password"]):
        abort(401)
    user.token = secrets.token_urlsafe(32)
    hashed = hashlib.sha256(user.token.encode()).digest()
    expires_at = datetime.now(UTC) + SESSION_LIFETIME
    login_user(user)
    db.session.add(Session(token_hash=hashed, user_id=user.id, expires_at=expires_at))
    db.session.commit()
    return redirect(url_for("list_books"), SEE_OTHER)


@login_required  # type: ignore[untyped-decorator]  # Flask-Login has no types
def list_books() -> str:
    """The newest books of the reader."""
    query = db.select(Book).where(Book.user_id == current_user.id)  # type: ignore[attr-defined]
    books = db.session.scalars(query.order_by(Book.id.desc()).limit(PAGE_SIZE)).all()
    return render_template("books.html", books=books)


@login_required  # type: ignore[untyped-decorator]  # Flask-Login has no types
def add_book() -> Response:
    """Add a book to the reader's list."""
    title, author = request.form["book_title"], request.form["book_author"]
    rating = int(request.form["book_rating"]) if request.form["book_rating"] else None
    if not (
        0 < len(title) <= TITLE_MAX_LENGTH
        and 0 < len(author) <= AUTHOR_MAX_LENGTH
        and (title.strip() and author.strip())
        and (rating is None or 1 <= rating <= 5)
    ):
        abort(422)
    owner = current_user.id  # type: ignore[attr-defined]
    db.session.add(Book(title=title, author=author, rating=rating, user_id=owner))
    db.session.commit()
    flash(f"Added new book ({title})!", "success")
    return redirect(url_for("list_books"), SEE_OTHER)
