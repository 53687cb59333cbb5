"""A worker without its reconciler, for the control that must go red: `python -m benchmarks.chaos.unreconciled`."""

from __future__ import annotations

from worker.cli.stack import cards_json
from worker.contract import logs
from worker.contract.settings import Settings
from worker.service.supervisor import Supervisor
from worker.store.jobs import JobStore

if __name__ == "__main__":
    JobStore.reconcile = lambda *_: []  # type: ignore[method-assign]
    settings = Settings()
    logs.set_up(settings.log)
    Supervisor(settings, cards_json(settings)).run()
