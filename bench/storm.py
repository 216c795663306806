"""Many people sign in at once, while others read: who gives way to whom.

The list is asked for twice, first alone and then while as many connections again sign in without
a pause. Both clients run on the cores that the service uses.
"""

import time
from dataclasses import dataclass

from bench import wrk
from bench.processor import metered, settle
from bench.rounds import OVERLOADED, Measured, Plan, check, checked, measure
from bench.rows import LIST
from bench.serving import Running

LEAD = 1  # second that people sign in before the list is asked for
TAIL = 1  # second that they go on after it
SIGNED_IN = 303
SIGN_INS = "sessions"  # the table to which each sign-in adds one row


@dataclass(frozen=True)
class Storm:
    """One round: the list alone, the list in the storm, and sign-ins a second meanwhile."""

    quiet: Measured
    stormy: Measured
    sign_ins: float
    refused: float  # share of all forms that were answered 503, because too many waited

    @property
    def kept(self) -> float:
        """The list's rate in the storm as a part of its rate without."""
        return self.stormy.rate / self.quiet.rate

    @property
    def slower(self) -> float:
        """How many times the list's p99 without a storm its p99 in the storm is."""
        return self.stormy.p99 / self.quiet.p99


def measure_storm(running: Running, plan: Plan) -> Storm:
    """Measure one round. Raises BenchError where an answer was none of those foreseen."""
    quiet = measure(running, LIST, plan)
    pages, forms = running.requests(LIST), running.sign_ins()
    seconds = LEAD + plan.seconds + TAIL
    with wrk.started(running.port, forms, seconds, plan.connections) as signing_in:
        time.sleep(LEAD)
        before = running.database.count(SIGN_INS)
        with metered(running.trees | {"sign-ins' client": signing_in.pid}) as used:
            seen = wrk.run(running.port, pages, plan.seconds, plan.connections)
        signed_in = running.database.count(SIGN_INS) - before
        storm = wrk.finished(signing_in, seconds)
    settle(running.server.pid)
    check(running, "storm", SIGNED_IN, storm)
    stormy = checked(running, "list in the storm", LIST.status, seen, used)
    refused = storm.statuses.get(OVERLOADED, 0) / storm.answers
    return Storm(quiet, stormy, signed_in / used.seconds, refused)
