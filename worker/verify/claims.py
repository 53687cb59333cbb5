"""Whether what a certificate claims follows from its counts."""

from __future__ import annotations

from collections.abc import Iterator

from worker.contract.result import AtRadius, Certificate, CertificateDocument
from worker.contract.verification import Check
from worker.core.pipeline import Findings
from worker.verify.counts import Wrong
from worker.verify.recomputed import Recomputed

# Both ways of computing a value are accurate to far better than this; a claim may exceed ours by no more.
TOLERANCE = 1e-9


def check_claims(document: CertificateDocument, findings: Findings, literal: Recomputed) -> Iterator[Check]:
    """Every certificate. `findings` is what the product's own code makes of the counts."""
    for number, (stated, ours) in enumerate(zip(document.certificates, findings.certificates, strict=True)):
        name = f"certificates/{number}"
        try:
            yield Check(name=name, outcome="passed", detail=_check_certificate(number, stated, ours, literal))
        except Wrong as error:
            yield Check(name=name, outcome="failed", detail=f"{stated.name}: {error}.")


def _check_certificate(number: int, stated: Certificate, ours: Certificate, literal: Recomputed) -> str:
    """What was found. Raises Wrong if the certificate claims more than follows, or something else."""
    frame = {"radii", "outcome", "statement", "largest_radius", "alpha_spent", "interval"}
    if stated.model_dump(exclude=frame) != ours.model_dump(exclude=frame):
        raise Wrong("name, guarantee, source or parameters are not those of the spec")
    asked, used = ours.interval, stated.interval
    if (used.name, used.allowed_failures, used.cells) != (asked.name, asked.allowed_failures, asked.cells):
        raise Wrong("it rests on other intervals than those stated")
    if not (near(used.side_error, asked.side_error) and near(stated.alpha_spent, ours.alpha_spent)):
        raise Wrong("it spends another share of alpha than stated")
    if [at.rho for at in stated.radii] != [at.rho for at in ours.radii]:
        raise Wrong("its radii are not those of the spec")
    for at, same in zip(stated.radii, ours.radii, strict=True):
        _check_radius(at, same)
        most = literal.most(number, stated.name, stated.params, at.rho)
        if most and (at.value > most.value + TOLERANCE or (at.certified or 0) > (most.certified or 0)):
            raise Wrong(f"within {at.rho!r} at most {most.value:.6g} can be claimed, not {at.value:.6g}")
    _check_summary(stated)
    independent = _check_largest(number, stated, ours, literal)
    how = "from the definitions" if independent else "with the same code"
    return f"{stated.name}: {len(stated.radii)} values do not exceed those recomputed {how}."


def _check_radius(at: AtRadius, ours: AtRadius) -> None:
    if at.value > ours.value + TOLERANCE or (at.certified or 0) > (ours.certified or 0):
        raise Wrong(f"within {at.rho!r} the counts give {ours.value:.6g}, not {at.value:.6g}")
    if at.k != ours.k or (at.certified is None) != (ours.certified is None):
        raise Wrong(f"within {at.rho!r} another number of cells is stated than the spec makes")
    if at.k and at.certified is not None and not near(at.value, at.certified / at.k):
        raise Wrong(f"within {at.rho!r} value and number of cells disagree")
    if at.outcome != ours.outcome and at.outcome != "vacuous":
        raise Wrong(f"within {at.rho!r} the outcome is {ours.outcome}, not {at.outcome}")


def _check_summary(stated: Certificate) -> None:
    """The headline is that of the largest radius at which something is said."""
    said = [at for at in stated.radii if at.outcome != "vacuous"]
    best = max(said, key=lambda at: at.rho) if said else stated.radii[0]
    if (stated.outcome, stated.statement) != (best.outcome, best.text):
        raise Wrong("outcome or statement are not those of the largest radius at which something is said")


def _check_largest(number: int, stated: Certificate, ours: Certificate, literal: Recomputed) -> bool:
    """Checks the dual answer, if there is one; says whether there is a literal form of this certificate."""
    largest, wanted = stated.largest_radius, stated.params.get("wanted")
    if (largest is None) != (ours.largest_radius is None):
        raise Wrong("a largest radius is stated where none is asked for, or none where one is")
    if largest is not None and ours.largest_radius is not None and largest > ours.largest_radius * (1 + TOLERANCE):
        raise Wrong(f"the largest radius is {ours.largest_radius:.6g}, not {largest:.6g}")
    rho = largest or stated.radii[0].rho
    most = literal.most(number, stated.name, stated.params, rho)
    if most and largest and wanted and most.value < wanted - TOLERANCE:
        raise Wrong(f"within the largest radius {largest:.6g} the value is {most.value:.6g}, less than wanted")
    return most is not None


def near(one: float, other: float) -> bool:
    """Equal but for rounding."""
    return abs(one - other) <= TOLERANCE * max(1e-300, abs(other))
