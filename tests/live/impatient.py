"""The worker with time-outs so short that a test can wait for them."""

from service import guards, worker

PATIENCE = 1  # seconds, for headers, for bodies and for clients that do not read

worker.HEADER_TIMEOUT = PATIENCE
worker.SEND_TIMEOUT = PATIENCE
guards.BODY_TIMEOUT = PATIENCE

Worker = worker.Worker
