"""The service as platforms deploy it: blueprints, start, shutdown, one release after another."""
