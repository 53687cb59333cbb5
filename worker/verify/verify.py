"""All that can be said of a certificate without image and model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from worker.contract.errors import SuretyError
from worker.contract.result import CertificateDocument
from worker.contract.signature import PublicKey
from worker.contract.verification import Check
from worker.core.pipeline import Plan, certify, plan
from worker.core.sampler import Clean
from worker.core.statistics.counts import Counts
from worker.verify.claims import check_claims
from worker.verify.counts import counts
from worker.verify.document import Unreadable, read
from worker.verify.frame import check_alpha, check_frame
from worker.verify.recomputed import Recomputed
from worker.verify.shown import check_curve, check_statements
from worker.verify.signature import check_signature


class Opened(NamedTuple):
    """A certificate whose counts could be read: what there is to compute again."""

    document: CertificateDocument
    plan: Plan
    counts: Counts


def verify(data: bytes, keys: Sequence[PublicKey], code_digest: str) -> tuple[list[Check], Opened | None]:
    """Every check of the document itself, in order; raises nothing. None if it is no certificate, or its counts are not
    what they are said to be: then there is nothing to compute again.

    `keys` are those trusted, `code_digest` is that of the code we are.
    """
    try:
        opened = read(data)
    except Unreadable as error:
        return [Check(name="document", outcome="failed", detail=f"This is not a certificate: {error}.")], None
    document = opened.typed
    said = f"{document.format}, {document.samples} samples of model {document.spec.model}."
    checks = [Check(name="document", outcome="passed", detail=said), check_signature(opened, keys)]
    try:
        ready = rebuilt(document)
        found = counts(document, ready)
        findings = certify(ready, found)
    except (SuretyError, ValueError, ArithmeticError) as error:
        checks.append(Check(name="counts", outcome="failed", detail=f"{_first(error)}."))
        return checks, None
    said = f"The digest fits, and {len(document.counts.segments)} segments sum to the whole."
    checks.append(Check(name="counts", outcome="passed", detail=said))
    checks += [check_frame(document, ready), check_alpha(document, ready, found)]
    if checks[-1].outcome == checks[-2].outcome == "passed":
        literal = Recomputed(document, found)
        checks += check_claims(document, findings, literal)
        checks.append(check_statements(document, findings, document.provenance.code_digest == code_digest))
        checks.append(check_curve(document, findings, literal, ready.k))
    else:
        checks.append(Check(name="certificates", outcome="not_checked", detail="It contradicts itself before that."))
    return checks, Opened(document, ready, found)


def rebuilt(document: CertificateDocument) -> Plan:
    """The plan of the run, without its model: enough to certify counts again. Raises a SpecError."""
    provenance, clean = document.provenance, document.prediction
    labels = ["?"] * provenance.classes
    named = re.fullmatch(r"class '(.*)'", document.target.label, re.DOTALL)
    for index, label in ((document.target.index, named and named[1]), (clean.index, clean.label)):
        if index is not None and 0 <= index < len(labels) and label is not None:
            labels[index] = label
    image = torch.zeros(1).expand(provenance.input_shape)
    answer = Clean(clean.index, clean.probability, provenance.classes)
    return plan(document.spec, nn.Identity(), image, labels, provenance.block_size, answer)


def _first(error: Exception) -> str:
    return str(error).rstrip(".")[:300]
