"""Explanations in shards, by the real kernel: the same integers and certificates as in one piece, whoever computed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.cards import shipped
from models.registry import Registry
from worker.contract.result import CertificateDocument
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.core.sampler import Sampler
from worker.service import explain, explainer
from worker.service.explainer import Explainer
from worker.service.runner import Runner
from worker.service.work import Delivery, Division, Outcome
from worker.store.jobs import JobStore

Stored = Callable[..., JobStore]
SHARD_BLOCKS = 10
PLAIN: dict[str, Any] = {
    "seed": 3,
    "samples": 1400,
    "certificates": [{"name": "topk_overlap", "radii": [0.03]}, {"name": "prediction", "radii": [0.05]}],
}
PLANNED: dict[str, Any] = {
    "seed": 2,
    "plan": {"radius": 0.05, "budget": 2048, "at_least": 0.3, "offer": {"granularity": ["pixel"]}},
}
STOPPED: dict[str, Any] = {
    "samples": {"at_most": 4096, "until": {"certificate": "topk_overlap", "radius": 0.01, "at_least": 0.2}}
}


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The kernel reads its settings from the environment, once."""
    monkeypatch.setenv("SURETY_SHARD_BLOCKS", str(SHARD_BLOCKS))
    monkeypatch.setenv("SURETY_STATE_DIR", str(tmp_path_factory.mktemp("state")))
    explain._settings.cache_clear()
    explain._explainer.cache_clear()
    yield Settings()
    explain._settings.cache_clear()
    explain._explainer.cache_clear()


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The blocks of certificates computed from now on, in their order."""
    blocks: list[int] = []
    update = Sampler.update

    def counting(self: Sampler, counts: Any, block: int) -> Any:
        blocks.append(block)
        return update(self, counts, block)

    monkeypatch.setattr(Sampler, "update", counting)
    return blocks


@cache
def whole(digit: Path, spec: str) -> CertificateDocument:
    """certificate.json of the same request in one piece."""
    made = Explainer(Settings(), Registry([shipped()])).explain(
        digit.read_bytes(), ExplanationSpec.model_validate_json(spec), None, lambda done, _: None
    )
    return CertificateDocument.model_validate_json(made.artifacts["certificate.json"])


@dataclass
class Stub:
    """What a kernel knows of its job, without a store."""

    kind: str
    checkpoint: bytes | None = None
    parts: tuple[bytes, ...] = ()
    stop_after: int = 10**6
    seen: list[bytes] = field(default_factory=list)

    def progress(self, done: int, total: int, checkpoint: Callable[[], bytes] | None = None) -> None:
        if checkpoint:
            self.seen.append(checkpoint())
        if len(self.seen) >= self.stop_after:
            raise KeyboardInterrupt


def call(payload: str, digit: Path, work: Stub) -> Any:
    return explain.kernel(payload, digit.read_bytes(), work)  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", [PLAIN, PLANNED], ids=["plain", "planned"])
def test_in_shards_the_counts_and_claims_are_those_of_one_piece(
    own: Settings, make_store: Stored, digit: Path, computed: list[int], spec: dict[str, Any]
) -> None:
    """By the runner and a real store, the shards in a random order."""
    one, store = whole(digit, json.dumps(spec)), make_store()
    computed.clear()
    asked = ExplanationSpec.model_validate(spec)
    payload = asked.model_dump_json(by_alias=True)
    job_id = store.create("explanation", payload, digit.read_bytes(), digest="d", total=asked.at_most).id
    queue, done = [job_id], 0
    drawn = np.random.default_rng(1)
    runner = Runner(own, store, lambda sent: queue.append(sent) is None, "w", lambda: explain.kernel)
    while queue:
        runner.run(queue.pop(int(drawn.integers(len(queue)))))
        done += 1
    record = store.get(job_id)
    assert record.state == "succeeded", record.error
    assert record.attempt == 2 and record.progress.done == record.progress.total == asked.at_most
    document = CertificateDocument.model_validate_json(store.blob(job_id, "certificate.json"))
    assert store.stats()["split"] == 1 and done == len(document.counts.segments) + 2
    assert document.counts == one.counts and document.certificates == one.certificates
    assert (document.curve, document.alpha, document.plan) == (one.curve, one.alpha, one.plan)
    assert sorted(computed) == list(range(one.provenance.blocks)), "every block was computed once"
    assert document.provenance.started_at < document.provenance.finished_at


def test_a_run_that_may_stop_early_is_never_split(digit: Path) -> None:
    answer = call(ExplanationSpec.model_validate(STOPPED).model_dump_json(by_alias=True), digit, Stub("explanation"))
    assert isinstance(answer, Outcome)
    document = CertificateDocument.model_validate_json(answer.artifacts["certificate.json"])
    assert document.samples < 4096 and document.counts == whole(digit, json.dumps(STOPPED)).counts


PAYLOAD = ExplanationSpec.model_validate(PLAIN).model_dump_json(by_alias=True)


def split(digit: Path) -> Division:
    division = call(PAYLOAD, digit, Stub("explanation"))
    assert isinstance(division, Division)
    return division


def test_the_split_depends_on_the_request_and_the_settings_only(
    digit: Path, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = split(digit).shards
    assert shards == split(digit).shards and computed == []
    assert sum(shard.total for shard in shards) == PLAIN["samples"]
    edges = [(json.loads(shard.payload)["start"], json.loads(shard.payload)["stop"]) for shard in shards]
    assert [start for start, _ in edges] == [0, *(stop for _, stop in edges[:-1])]
    monkeypatch.setenv("SURETY_SHARD_BLOCKS", str(edges[-1][1]))
    explain._settings.cache_clear()
    assert isinstance(call(PAYLOAD, digit, Stub("explanation")), Outcome)


def test_a_shard_goes_on_from_its_checkpoint(digit: Path, computed: list[int]) -> None:
    division = split(digit)
    shard = division.shards[1].payload
    undisturbed = call(shard, digit, Stub("shard"))
    blocks = list(computed)
    assert isinstance(undisturbed, Delivery) and len(blocks) == 2
    computed.clear()
    killed = Stub("shard", stop_after=1)
    with pytest.raises(KeyboardInterrupt):
        call(shard, digit, killed)
    again = call(shard, digit, Stub("shard", checkpoint=killed.seen[-1]))
    assert computed == blocks, "one block before the kill, one after it, none twice"
    first, second = (explain.Checkpoint.from_bytes(answer.counts) for answer in (undisturbed, again))
    assert [part.digest for part in first.parts] == [part.digest for part in second.parts]


def test_what_a_merge_may_use(digit: Path, computed: list[int]) -> None:
    """The counts of another device, which is named; not those of other code, which are computed again."""
    one = whole(digit, json.dumps(PLAIN))
    division = split(digit)
    parts = [call(shard.payload, digit, Stub("shard")).counts for shard in division.shards]

    def merged(by: Division, delivered: list[bytes]) -> CertificateDocument:
        computed.clear()
        answer = call(PAYLOAD, digit, Stub("explanation", by.checkpoint, tuple(delivered)))
        return CertificateDocument.model_validate_json(answer.artifacts["certificate.json"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explainer, "describe", lambda device: "another device")
        found = merged(division, parts)
    assert found.counts == one.counts and computed == []
    assert found.provenance.device == f"another device, {one.provenance.device}"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explainer, "code_digest", lambda: "f" * 64)
        other_split, other_shard = split(digit), call(division.shards[0].payload, digit, Stub("shard")).counts
    for by, delivered in ((division, [other_shard, *parts[1:]]), (other_split, parts)):
        assert merged(by, delivered).counts == one.counts
        assert computed == list(range(one.provenance.blocks))
