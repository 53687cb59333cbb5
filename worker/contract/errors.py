"""Every error that a client can meet, as one tree with stable codes.

SuretyError
|- ImageError      the uploaded image:   image_missing, image_empty, image_format, image_unreadable, image_too_large,
|                                        image_animated, image_pixel_format, dicom_transfer_syntax, dicom_no_picture
|- SpecError       the request's spec:   malformed_request, invalid_spec, unknown_model, unknown_method,
|                                        class_out_of_range, too_many_samples, no_cells, frame_required,
|                                        frame_out_of_range
|- RequestError    the request itself:   body_too_large, unsupported_media_type, not_found, method_not_allowed,
|                                        idempotency_conflict, invalid_parameter, webhook_refused, certificate_missing,
|                                        batch_not_found, key_required, scope_missing, unknown_archive,
|                                        instance_not_found, instance_ambiguous
|- JobError        asking about a job:   job_not_found, job_expired, job_not_finished, job_finished,
|                                        job_cancelled, artifact_not_found
|- ComputeError    the computation:      model_unusable, model_in_train_mode, non_finite_logits, degenerate_map,
|                                        unsupported_attribution
`- ServiceError    the service:          queue_full, rate_limited, store_unavailable, attempts_exhausted,
                                         deadline_exceeded, archive_unavailable, archive_refused, internal_error

app/problems.py gives each code its HTTP status; a test proves that table complete.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """An error as the wire and the job record carry it: the members of RFC 9457 that do not depend on HTTP."""

    model_config = ConfigDict(frozen=True)

    code: str
    title: str
    detail: str
    pointer: str | None = None


class SuretyError(Exception):
    """Base of all errors of this service. `detail` says what happened and what to do about it.

    `pointer` is a JSON pointer (RFC 6901) to the field at fault, for instance `/spec/noise/sigma` or `/image`.
    """

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong inside the service"

    def __init__(self, detail: str, *, pointer: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer

    def problem(self) -> Problem:
        return Problem(code=self.code, title=self.title, detail=self.detail, pointer=self.pointer)


class ImageError(SuretyError):
    """The uploaded image cannot be used."""

    def __init__(self, detail: str, *, pointer: str | None = "/image") -> None:
        super().__init__(detail, pointer=pointer)


class ImageMissing(ImageError):
    code, title = "image_missing", "No image was sent"


class ImageEmpty(ImageError):
    code, title = "image_empty", "The image has no bytes"


class ImageFormat(ImageError):
    code, title = "image_format", "The image's format is not supported"


class ImageUnreadable(ImageError):
    code, title = "image_unreadable", "The image is damaged or cut off"


class ImageTooLarge(ImageError):
    code, title = "image_too_large", "The image has too many pixels"


class ImageAnimated(ImageError):
    code, title = "image_animated", "The file holds more than one image"


class ImagePixelFormat(ImageError):
    code, title = "image_pixel_format", "The image's pixel format is not supported"


class DicomTransferSyntax(ImageError):
    code, title = "dicom_transfer_syntax", "The DICOM file's transfer syntax is not supported"


class DicomNoPicture(ImageError):
    code, title = "dicom_no_picture", "The DICOM file holds no picture"


class SpecError(SuretyError):
    """The spec asks for something that does not exist or makes no sense."""


class MalformedRequest(SpecError):
    code, title = "malformed_request", "The request is not well-formed"


class InvalidSpec(SpecError):
    code, title = "invalid_spec", "A field of the spec is not valid"


class UnknownModel(SpecError):
    code, title = "unknown_model", "There is no model of this name"


class UnknownMethod(SpecError):
    code, title = "unknown_method", "There is no method of this name"


class ClassOutOfRange(SpecError):
    code, title = "class_out_of_range", "The model has no class of this number"


class TooManySamples(SpecError):
    code, title = "too_many_samples", "More samples than this service allows"


class NoCells(SpecError):
    code, title = "no_cells", "The fraction leaves no cell of the map"


class FrameRequired(SpecError):
    code, title = "frame_required", "The file holds several frames and none is named"


class FrameOutOfRange(SpecError):
    code, title = "frame_out_of_range", "The file has no frame of this number"


class RequestError(SuretyError):
    """The HTTP request cannot be served as it is."""


class BodyTooLarge(RequestError):
    code, title = "body_too_large", "The request is larger than this service allows"


class UnsupportedMediaType(RequestError):
    code, title = "unsupported_media_type", "The content type is not one this call takes"


class NotFound(RequestError):
    code, title = "not_found", "There is nothing at this address"


class MethodNotAllowed(RequestError):
    code, title = "method_not_allowed", "This address does not take this HTTP method"


class IdempotencyConflict(RequestError):
    code, title = "idempotency_conflict", "This Idempotency-Key was used with another request"


class InvalidParameter(RequestError):
    code, title = "invalid_parameter", "A parameter or header of the request is not valid"


class WebhookRefused(RequestError):
    code, title = "webhook_refused", "This service does not send to the address of the webhook"


class CertificateMissing(RequestError):
    code, title = "certificate_missing", "No certificate was sent"


class BatchNotFound(RequestError):
    code, title = "batch_not_found", "There is no batch of this id"


class KeyRequired(RequestError):
    code, title = "key_required", "This service wants an API key that it knows"


class ScopeMissing(RequestError):
    code, title = "scope_missing", "The API key does not allow this"


class UnknownArchive(RequestError):
    code, title = "unknown_archive", "There is no archive of this name"


class InstanceNotFound(RequestError):
    code, title = "instance_not_found", "The archive has no such image"


class InstanceAmbiguous(RequestError):
    code, title = "instance_ambiguous", "The reference is to several images"


class JobError(SuretyError):
    """What was asked of a job cannot be had."""


class JobNotFound(JobError):
    code, title = "job_not_found", "There is no job of this id"


class JobExpired(JobError):
    code, title = "job_expired", "The job's result was kept for its time and is gone"


class JobNotFinished(JobError):
    code, title = "job_not_finished", "The job has no result yet"


class JobFinished(JobError):
    code, title = "job_finished", "The job has already finished"


class JobCancelled(JobError):
    code, title = "job_cancelled", "The job was cancelled"


class ArtifactNotFound(JobError):
    code, title = "artifact_not_found", "The job has no artifact of this name"


class ComputeError(SuretyError):
    """The computation has no honest result."""


class ModelUnusable(ComputeError):
    code, title = "model_unusable", "The model's files cannot be used"


class ModelInTrainMode(ComputeError):
    code, title = "model_in_train_mode", "The model is in training mode"


class NonFiniteLogits(ComputeError):
    code, title = "non_finite_logits", "The model's output is not finite"


class DegenerateMap(ComputeError):
    code, title = "degenerate_map", "The attribution has no ranking"


class UnsupportedAttribution(ComputeError):
    code, title = "unsupported_attribution", "The model does not support this attribution"


class ServiceError(SuretyError):
    """The service could not do its part."""


class QueueFull(ServiceError):
    code, title = "queue_full", "The queue is full"


class RateLimited(ServiceError):
    code, title = "rate_limited", "More requests than this service allows in the time"


class StoreUnavailable(ServiceError):
    code, title = "store_unavailable", "The job store does not answer"


class AttemptsExhausted(ServiceError):
    code, title = "attempts_exhausted", "The job ended its worker too often"


class DeadlineExceeded(ServiceError):
    code, title = "deadline_exceeded", "The job took longer than allowed"


class ArchiveUnavailable(ServiceError):
    code, title = "archive_unavailable", "The archive does not answer"


class ArchiveRefused(ServiceError):
    code, title = "archive_refused", "The archive does not do what was asked of it"


class InternalError(ServiceError):
    code, title = "internal_error", "Something went wrong inside the service"


def leaves(root: type[SuretyError] = SuretyError) -> list[type[SuretyError]]:
    """All error classes without subclasses, in the order of their definition."""
    children = root.__subclasses__()
    return [leaf for child in children for leaf in leaves(child)] if children else [root]
