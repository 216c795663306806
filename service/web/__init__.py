"""The parts of every request: its connection, its guards, its page or its error."""
