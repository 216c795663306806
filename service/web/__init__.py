"""Each request, whatever its address: its connection, its guards, its page or error."""
