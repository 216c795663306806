"""Processes that serve: gunicorn's worker, the start, probes, and jobs in the background."""
