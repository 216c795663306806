"""The migrations, on both databases: what they keep, what they refuse, what may interrupt them."""
