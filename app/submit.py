"""From images and one spec to jobs: checked, looked up among what was computed before, queued."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

from app.caller import Caller
from app.intake import Posted
from app.state import State
from worker.contract.archive import Reference
from worker.contract.errors import ImageError, ImageFormat, JobError, UnknownArchive
from worker.contract.image import check_frame, inspect
from worker.contract.model import ModelCard
from worker.contract.webhook import destination
from worker.store.desk import BatchRecord
from worker.store.orders import Item, Order
from worker.store.record import JobRecord

KIND = "explanation"


class Wishes(NamedTuple):
    """What the headers of a request ask for. `fresh`: compute again, even if the answer is there."""

    idempotency_key: str | None
    fresh: bool


def one(shared: State, posted: Posted, caller: Caller, wishes: Wishes) -> JobRecord:
    """The job of a request for one explanation."""
    order, items = _prepare(shared, posted, caller, wishes)
    item = items[0]
    made = shared.store.create(
        order.kind,
        order.payload,
        item.image,
        digest=item.digest,
        idempotency_key=order.idempotency_key,
        correlation_id=order.correlation_id,
        owner=order.owner,
        total=order.total,
        webhook=order.webhook,
        source=item.source,
        key=order.key,
        model=order.model,
        archive=order.archive,
    )
    record = shared.store.get(made.id)
    if made.fresh:
        _send(shared, [record])
    return record


def many(shared: State, posted: Posted, caller: Caller, wishes: Wishes) -> BatchRecord:
    """The batch of a request for many explanations: a job for each image, or none for any."""
    order, items = _prepare(shared, posted, caller, wishes)
    made = shared.store.create_batch(order, items)
    batch = shared.store.batch(made.id)
    if made.fresh:
        _send(shared, batch.jobs.values())
    return batch


def _prepare(shared: State, posted: Posted, caller: Caller, wishes: Wishes) -> tuple[Order, Sequence[Item]]:
    settings, spec = shared.settings, posted.spec
    webhook = destination(posted.webhook, settings).url if posted.webhook is not None else ""
    for number, image in enumerate(posted.images):
        _check(shared, image, posted, posted.pointer(number))
    if posted.store is not None:
        _known(shared, posted.store, "/store/archive")
    models = shared.catalogue.models(shared.store.models())
    shared.catalogue.check(spec, models, settings.max_samples)
    payload = spec.model_dump_json(by_alias=True)
    # Keys of different owners must not meet.
    key = None if wishes.idempotency_key is None else f"{caller.owner}\n{wishes.idempotency_key}"
    order = Order(
        KIND,
        payload,
        spec.at_most,
        key,
        caller.request_id,
        caller.owner,
        webhook,
        caller.key,
        spec.model,
        posted.store or "",
    )
    # While workers are replaced, which of them would compute is not known; without one neither.
    codes = set() if wishes.fresh else shared.store.codes()
    code = codes.pop() if len(codes) == 1 else None
    items = []
    for image in posted.images:
        # The only image of a study may be another one by now; an instance is what it was.
        lasting = not isinstance(image, Reference) or image.instance is not None
        blob = image.to_bytes() if isinstance(image, Reference) else image
        digest = sha256(sha256(blob).digest() + payload.encode()).hexdigest()
        source = _computed(shared, caller.owner, digest, code, models[spec.model]) if code and lasting else ""
        items.append(Item(digest, source, blob))
    return order, items


def _check(shared: State, image: bytes | Reference, posted: Posted, pointer: str) -> None:
    """What a reference is to only a worker finds out."""
    if isinstance(image, Reference):
        _known(shared, image.archive, f"{pointer}/archive")
        return
    try:
        check_frame(inspect(image, shared.settings.max_pixels), posted.spec.frame)
    except ImageError as error:
        raise type(error)(error.detail, pointer=pointer) from None
    if posted.store is not None and image[128:132] != b"DICM":
        detail = "Only results of a DICOM image can be stored in an archive. Send one, or leave `store` out."
        raise ImageFormat(detail, pointer=pointer)


def _known(shared: State, archive: str, pointer: str) -> None:
    if archive not in shared.archives:
        names = ", ".join(sorted(shared.archives)) or "none; its operator can name some (SURETY_ARCHIVES)"
        raise UnknownArchive(f"There is no archive of this name. This service knows: {names}.", pointer=pointer)


def _computed(shared: State, owner: str, digest: str, code: str, card: ModelCard) -> str:
    """A job of this owner that gave what the workers would give now: same image and spec, model and code; or "".

    Of this owner only: that an answer comes at once would tell that somebody else has this image.
    """
    job_id = shared.store.computed(owner, digest)
    if job_id is None:
        return ""
    try:
        made = json.loads(shared.store.blob(job_id, "result")).get("provenance", {})
    except JobError:
        return ""
    same = code == f"{made.get('service_version')} {made.get('code_digest')}"
    return job_id if same and made.get("model_sha256") == card.sha256 else ""


def _send(shared: State, records: Iterable[JobRecord | None]) -> None:
    """With the broker away one try is enough: the reconciler sends what was not sent."""
    for record in records:
        if record and not record.finished and not shared.courier.send(record.id):
            return
