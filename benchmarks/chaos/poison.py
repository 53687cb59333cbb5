"""F9, F10: jobs that kill their process, or stay in native code. Workers of a short deadline and few attempts."""

from __future__ import annotations

from benchmarks.chaos.processes import command, demand, wait_for
from benchmarks.chaos.row import Row
from benchmarks.chaos.session import Session

DEADLINE, ATTEMPTS = 6.0, 3


def crash(session: Session, row: Row) -> None:
    """F9: fails when its attempts are used up; the queue goes on."""
    row.faults += ATTEMPTS
    poison = session.submit("crash", expected="attempts_exhausted")
    session.submit()
    row.recoveries.append(wait_for(lambda: session.service.record(poison.job_id).finished, "the poison's end", 90))
    found = session.service.record(poison.job_id).attempt
    demand(found == ATTEMPTS, f"{found} attempts")
    session.submit()


def stuck(session: Session, row: Row) -> None:
    """F10: fails at its deadline, its process is killed and the next job is fine."""
    row.faults += 1
    sent = session.submit("stuck", expected="deadline_exceeded")
    wait_for(lambda: session.service.record(sent.job_id).worker, "a start")
    process = session.service.holder(sent.job_id)
    took = wait_for(lambda: session.service.record(sent.job_id).finished, "the deadline")
    row.recoveries.append(took)
    demand(took < DEADLINE + 2.0, f"ended {took:.1f} s after its start")
    wait_for(lambda: not command(process), "the kill of the process")
    session.submit()
