"""Readlog: people keep an account and the list of books they have read."""

__version__ = "0.1.0"
