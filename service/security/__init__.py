"""What keeps people's accounts safe: hashing, tokens, limits, headers, origins, client addresses.

Nothing here knows quart.
"""
