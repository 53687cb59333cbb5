"""Whether a certificate agrees with itself: what it says twice, how alpha was divided, what a plan chose."""

from __future__ import annotations

from worker.contract.result import CertificateDocument
from worker.contract.spec import Offer, Stopping
from worker.contract.verification import Check
from worker.core.pipeline import Plan
from worker.core.statistics.counts import Counts
from worker.verify.claims import near

ROUNDING = 1 + 1e-9


def check_frame(document: CertificateDocument, ready: Plan) -> Check:
    """The fields that say the same, and the plan."""
    spec, provenance = document.spec, document.provenance
    pairs = {
        "seed": (provenance.seed, spec.seed),
        "model": (provenance.model, spec.model),
        "precision": (provenance.precision, spec.precision),
        "target": (document.target, ready.target),
        "certificates": ([item.name for item in document.certificates], [item.name for item in spec.certificates]),
        "spec": (spec.plan, None),
    }
    faults = [name for name, (one, other) in pairs.items() if one != other] + _plan_faults(document)
    if not 0.0 <= document.prediction.probability <= 1.0:
        faults.append("prediction")
    if faults:
        return Check(name="agreement", outcome="failed", detail=f"It contradicts itself: {', '.join(faults)}.")
    return Check(name="agreement", outcome="passed", detail="What is said twice is the same twice.")


def _plan_faults(document: CertificateDocument) -> list[str]:
    plan, spec = document.plan, document.spec
    if plan is None:
        return []
    first = document.certificates[0]
    found = next((at.value for at in first.radii if at.rho == plan.asked.radius), None)
    reached = None if plan.asked.at_least is None or found is None else found >= plan.asked.at_least
    pairs = {field: (getattr(plan.chosen, field), getattr(spec, field)) for field in Offer.model_fields}
    pairs |= {"samples": (plan.samples, spec.samples), "certificate": (plan.certificate, first.name)}
    pairs |= {"value": (plan.value, found), "reached": (plan.reached, reached)}
    pairs |= {"chosen": (plan.chosen in plan.tried, True)}
    return [f"plan/{name}" for name, (one, other) in pairs.items() if one != other]


def check_alpha(document: CertificateDocument, ready: Plan, counts: Counts) -> Check:
    """The parts of alpha sum to no more than the whole, or than the share of the look that ended the run."""
    alpha, whole = document.alpha, 1.0 - document.spec.confidence
    expected = ready.alpha(counts)
    limit = whole
    if isinstance(document.spec.samples, Stopping):
        # alpha_t = 5 alpha / ((t+4)(t+5)) telescopes to alpha: 5/5 - 5/6 + 5/6 - 5/7 + ...
        limit = 5 * whole / ((expected.look + 4) * (expected.look + 5))
    parts = alpha.intervals + sum(alpha.own.values()) + alpha.rerun
    shares = {"": alpha.intervals, "rerun": alpha.rerun, "total": alpha.total, **alpha.own}
    wanted = {"": expected.intervals, "rerun": expected.rerun, "total": whole, **expected.own}
    agree = (alpha.look, alpha.looks, shares.keys()) == (expected.look, expected.looks, wanted.keys())
    if not (agree and all(near(shares[name], wanted[name]) for name in wanted) and parts <= limit * ROUNDING):
        said = f"The parts sum to {parts:.6g}, of {limit:.6g} that may be spent, or are not those of spec and blocks."
        return Check(name="alpha", outcome="failed", detail=said)
    said = f"The parts sum to {parts:.6g}, of {limit:.6g} that may be spent; confidence {document.spec.confidence:g}."
    return Check(name="alpha", outcome="passed", detail=said)
