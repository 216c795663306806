"""Protects accounts: password hashes, tokens, headers, origins, redirects, client addresses.

Nothing here imports Quart, or runs a statement.
"""
