"""The service as an operator runs it: real servers, real sockets, and clients that misbehave."""
