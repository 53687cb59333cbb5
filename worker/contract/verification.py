"""What became of checking a certificate: the result of `POST /v1/verifications` and of `surety verify`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from worker.contract.signature import PublicKey
from worker.contract.spec import Frozen

Checked = Literal["passed", "failed", "not_checked"]


class Check(BaseModel):
    """One thing that was looked at. `asked`: it could be expected with what was given; a check that needs the image is
    not asked for where none was sent."""

    model_config = ConfigDict(frozen=True)

    name: str
    outcome: Checked
    detail: str
    asked: bool = True


class Verification(BaseModel):
    """All checks in order. `outcome` is failed if one failed, passed if all asked for did, else not_checked."""

    model_config = ConfigDict(frozen=True)

    outcome: Checked
    checks: list[Check]

    @classmethod
    def of(cls, checks: list[Check]) -> Verification:
        outcomes = {check.outcome for check in checks if check.asked}
        worst: Checked = "failed" if "failed" in {check.outcome for check in checks} else "passed"
        return cls(outcome="not_checked" if worst == "passed" and "not_checked" in outcomes else worst, checks=checks)


class VerificationSpec(Frozen):
    """What to check besides the document: which share of the segments to compute again, in percent, and the seed that
    chooses them (none: the operating system's randomness)."""

    blocks: float = Field(default=5.0, gt=0.0, le=100.0)
    seed: int | None = Field(default=None, ge=0, lt=2**63)


class VerificationOrder(VerificationSpec):
    """A queued verification. The job's bytes are the certificate, of so many bytes, then the image, if there is one.
    `keys` are those that the service trusts."""

    certificate_bytes: int = Field(ge=1)
    keys: tuple[PublicKey, ...]
