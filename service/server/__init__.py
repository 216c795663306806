"""Processes that serve: gunicorn's worker, its start, probes, and jobs in the background."""
