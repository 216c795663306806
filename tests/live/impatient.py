"""The worker with time-outs so short that a test can wait for them.

For servers only: importing it changes the time-outs of the whole process.
"""

from service.server import worker
from service.web import request_limits
from tests.live.processes import PATIENCE

worker.HEADER_TIMEOUT = PATIENCE
worker.SEND_TIMEOUT = PATIENCE
request_limits.BODY_TIMEOUT = PATIENCE

Worker = worker.Worker
