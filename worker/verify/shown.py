"""Whether what people look at, sentences and curve, says what follows from the counts and no more."""

from __future__ import annotations

from worker.contract.result import CertificateDocument, CurvePoint
from worker.contract.verification import Check
from worker.core.pipeline import Findings
from worker.verify.claims import TOLERANCE, near
from worker.verify.recomputed import Recomputed


def check_statements(document: CertificateDocument, findings: Findings, same_code: bool) -> Check:
    """Every sentence, by the product's own code. The words of other code may differ; so do those of a smaller claim."""
    pairs = [
        (at, ours)
        for stated, found in zip(document.certificates, findings.certificates, strict=True)
        for at, ours in zip(stated.radii, found.radii, strict=True)
    ]
    other = [(at, ours) for at, ours in pairs if at.text != ours.text]
    name, share = "statements", f"{len(other)} of {len(pairs)} sentences"
    if not other:
        return Check(name=name, outcome="passed", detail=f"{len(pairs)} sentences say what follows from the counts.")
    if all(at.value < ours.value - TOLERANCE for at, ours in other):
        said = f"{share} are of claims smaller than could be made, and were not compared."
        return Check(name=name, outcome="not_checked", detail=said)
    if not same_code:
        said = f"{share} are in other words than ours: the document was made by other code."
        return Check(name=name, outcome="not_checked", detail=said)
    return Check(name=name, outcome="failed", detail=f"{share} do not say what follows from the counts.")


def check_curve(document: CertificateDocument, findings: Findings, literal: Recomputed, k: float) -> Check:
    """Every point of the curve, for the top-K share k."""
    fault = None
    if len(document.curve) == len(findings.curve):
        pairs = zip(document.curve, findings.curve, strict=True)
        fault = next((at.rho for at, ours in pairs if not _follows(at, ours, literal, k)), None)
    else:
        fault = 0.0
    if fault is not None:
        return Check(name="curve", outcome="failed", detail=f"At {fault:.6g} it is not what follows from the counts.")
    return Check(name="curve", outcome="passed", detail=f"{len(document.curve)} points do not exceed those recomputed.")


def _follows(at: CurvePoint, ours: CurvePoint, literal: Recomputed, k: float) -> bool:
    if not near(at.rho, ours.rho) or (at.overlap_as_printed is None) != (ours.overlap_as_printed is None):
        return False
    values = [("topk_overlap", at.overlap, ours.overlap)]
    if at.overlap_as_printed is not None and ours.overlap_as_printed is not None:
        values.append(("topk_overlap_as_printed", at.overlap_as_printed, ours.overlap_as_printed))
    most = {name: literal.most(0, name, {"k": k}, at.rho) for name, _, _ in values}
    limits = {name: min(value.value, ours) if (value := most[name]) else ours for name, _, ours in values}
    return all(stated <= limits[name] + TOLERANCE for name, stated, _ in values)
