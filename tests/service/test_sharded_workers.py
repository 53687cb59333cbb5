"""Two real worker processes on the shards of one job, and kill -9 on one of them."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from models.cards import shipped
from models.registry import Registry
from tests.service.polling import wait_for
from worker.contract.result import CertificateDocument
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec
from worker.core.statistics.segments import ranges
from worker.service.explainer import Explainer
from worker.service.supervisor import Supervisor
from worker.store.courier import Courier
from worker.store.jobs import JobStore

BATCH, BLOCKS = 64, 24
SPEC = ExplanationSpec.model_validate({"samples": BATCH * BLOCKS, "seed": 4})


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        patch.setenv("BLOCKS", str(tmp_path / "blocks"))
        patch.setenv("PAUSE", "0.3")
        made = make_settings(
            db=4,
            state_dir=tmp_path,
            kernel="tests.service.kernels:slow",
            worker_processes=2,
            lease_seconds=1.0,
            shard_blocks=8,
        )
        with redis.Redis.from_url(str(made.redis_url)) as client:
            client.flushdb()
        yield made


def kill_one_amid_its_shard(store: JobStore, job_id: str) -> list[int]:
    """The place of a shard whose worker is dead now, when one of its two blocks was done and its counts kept."""
    for place, shard in enumerate(store.shards(job_id)):
        if shard.state == "running" and shard.progress.done:
            worker = int(str(shard.worker).rpartition(":")[2])
            os.kill(worker, signal.SIGSTOP)
            still = store.shards(job_id)[place].state == "running"
            os.kill(worker, signal.SIGKILL if still else signal.SIGCONT)
            if still:
                return [place]
    return []


def test_kill_9_of_one_of_two_workers_costs_a_block_and_changes_no_byte(
    settings: Settings, tmp_path: Path, digit: Path
) -> None:
    store, queue, image = JobStore(settings), Courier(settings), digit.read_bytes()
    with Supervisor(settings):
        payload = SPEC.model_dump_json(by_alias=True)
        job_id = store.create("explanation", payload, image, digest="d", total=SPEC.at_most).id
        queue.send(job_id)
        wait_for(lambda: store.get(job_id).shards, 60, "the split")
        assert len(store.shards(job_id)) == len(ranges(BLOCKS)) == 12 and store.get(job_id).state == "running"
        victims: list[int] = []
        wait_for(lambda: victims.extend(kill_one_amid_its_shard(store, job_id)) or victims)
        (victim,) = victims
        wait_for(lambda: store.shards(job_id)[victim].attempt == 2, what="the take-over")
        wait_for(lambda: store.get(job_id).finished, 60, "the end")
    record = store.get(job_id)
    assert (record.state, record.attempt, record.progress.done) == ("succeeded", 2, SPEC.at_most), record.error
    assert store.stats()["succeeded"] == 1 and store.stats()["leases_expired"] == 1

    written = [line.split() for line in (tmp_path / "blocks").read_text().splitlines()]
    times = Counter(int(block) for _, block in written)
    assert len({process for process, _ in written}) >= 2 and times.keys() == set(range(BLOCKS))
    assert {block for block in times if times[block] > 1} <= {ranges(BLOCKS)[victim][-1]}, (
        "kept blocks were computed again"
    )

    one = Explainer(settings, Registry([shipped()])).explain(image, SPEC, None, lambda done, _: None)
    expected, found = (
        CertificateDocument.model_validate_json(data)
        for data in (one.artifacts["certificate.json"], store.blob(job_id, "certificate.json"))
    )
    assert (found.counts, found.certificates, found.curve) == (expected.counts, expected.certificates, expected.curve)
    assert store.blob(job_id, "map.npz") == one.artifacts["map.npz"]
    store.close()
    queue.close()
