"""A small synchronous Flask application with the pages that the bench asks for.

Equal to the service: the tables and rows, a query for the reader and one for the books, the 25
newest books with the same columns, pages of nearly the same weight made by Jinja with escaping,
no access log, two workers. In its favour: no security headers, no request id, no server-side
session, no rate limit, no CSRF token, no link to an older page, and paths written out in the
rows where Flask code mostly calls `url_for`. Against it: rows become ORM objects, as is usual
there, and a sync worker closes the connection after each answer (`flask-threads` does not).
"""

# mypy: allow-untyped-calls
# Flask-Login has no types.

import os
from datetime import datetime
from typing import Any

from flask import Flask, abort, redirect, render_template, request, url_for
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response

PAGE_SIZE = 25


class Base(DeclarativeBase):
    """What the tables derive from."""


db = SQLAlchemy(model_class=Base)
login_manager = LoginManager()


class User(UserMixin, db.Model):  # type: ignore[misc, name-defined]  # untyped bases
    """A reader; the columns of the Flask application."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    password_hashed: Mapped[str]
    registered_on: Mapped[datetime]


class Book(db.Model):  # type: ignore[misc, name-defined]  # made at run time
    """A book; the columns of the Flask application."""

    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author: Mapped[str]
    rating: Mapped[int | None]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))


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
    return app


def load_user(user_id: str) -> Any:
    """The reader whose id the session cookie holds: a query for each request."""
    return db.session.get(User, int(user_id))


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
    login_user(user)
    return redirect(url_for("list_books"))


@login_required  # type: ignore[untyped-decorator]  # Flask-Login has no types
def list_books() -> str:
    """The newest books of the reader."""
    query = db.select(Book).where(Book.user_id == current_user.id)  # type: ignore[attr-defined]
    books = db.session.scalars(query.order_by(Book.id.desc()).limit(PAGE_SIZE)).all()
    return render_template("books.html", books=books)
