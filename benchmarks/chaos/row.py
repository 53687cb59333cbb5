"""What was seen of one fault: a line of the table."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

HEADER = ["", "fault", "runs", "jobs", "faults", "lost", "doubled", "wrong bytes", "blocks again"]
HEADER += ["recovery, s: median", "worst", ""]


@dataclass
class Row:
    """`lost`: jobs that did not end as they must. `doubled`: commits beyond one a job. `wrong`: results that differ
    from the fault-free run. `again`: the most blocks of one job that were computed twice. `broken`: what else did not
    hold.
    """

    id: str
    fault: str
    runs: int = 0
    jobs: int = 0
    faults: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    again: int | None = None
    recoveries: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether everything was as it must be, and something was tried."""
        return self.runs > 0 and not (self.lost or self.doubled or self.wrong or self.broken)

    def cells(self, *, control: bool = False) -> list[str]:
        """The line. A control must go red."""
        times = [f"{pick(self.recoveries):.1f}" for pick in (median, max)] if self.recoveries else ["", ""]
        again = "" if self.again is None else self.again
        numbers = (self.runs, self.jobs, self.faults, self.lost, self.doubled, self.wrong, again)
        verdict = ("NOT RED" if self.holds else "red, as it must be") if control else "holds" if self.holds else "RED"
        return [self.id, self.fault, *map(str, numbers), *times, verdict]
