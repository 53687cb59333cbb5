"""Sends what the store says is due: one thread for a kind of mail, and every delivery's state in the store."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from typing import ClassVar

from worker.contract.errors import JobError, StoreUnavailable
from worker.contract.settings import Settings
from worker.store.mailbox import Mail, Mailbox
from worker.store.record import JobRecord

_TURN_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Sender(ABC):
    """A thread that sends what is due of one kind. Any worker goes on where another one ended."""

    mail: ClassVar[Mail]
    patience: ClassVar[float]  # seconds that `stop` waits for a delivery at hand

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Mailbox(settings)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name=self.mail, daemon=True)

    @abstractmethod
    def wanted(self) -> bool:
        """Whether the settings allow anything to be sent."""

    @abstractmethod
    def send(self, record: JobRecord) -> bool | None:
        """True: it was taken. False: it will never be. None: try again later. Raises StoreUnavailable, JobError."""

    def start(self) -> None:
        if self.wanted():
            self._thread.start()

    def stop(self) -> None:
        """Nothing new is sent; waits for a delivery at hand, but not for a receiver that makes us wait."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self.patience)
        self._store.close()

    def deliver(self) -> None:
        """Sends what is due now. Raises StoreUnavailable."""
        for job_id in self._store.due(self.mail):
            if self._stopping.is_set():
                return  # what was not sent is due again at its next try
            try:
                taken = self.send(self._store.get(job_id))
            except JobError:
                continue  # deleted or expired: there is nothing to send any more
            if taken is not None:
                self._store.done(self.mail, job_id, taken)

    def _work(self) -> None:
        while not self._stopping.wait(_TURN_SECONDS):
            try:
                self.deliver()
            except StoreUnavailable:
                continue
            except Exception:  # noqa: BLE001 - the mail of everybody depends on this loop
                _log.exception("a round of deliveries failed")
