"""Why an upload is refused: one code, one advice each. Nothing of a refused upload is kept."""

from app.domain.errors import DomainError

HOW = "Send one document in the multipart/form-data field 'file', as in: curl -F file=@resume.pdf …/upload"


class FileMissing(DomainError):
    code = "file_missing"
    default_message = f"The request holds no file. {HOW}"


class FileEmpty(DomainError):
    code = "file_empty"
    default_message = "The file is empty (0 bytes). Send a document with content."


class TooManyFiles(DomainError):
    code = "too_many_files"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"The request holds more than {most} file{'s' * (most != 1)}, this server's MAX_BATCH_FILES. "
            "Send the rest in another request."
        )


class MalformedForm(DomainError):
    code = "malformed_multipart"
    default_message = f"The body is not complete, well-formed multipart/form-data. {HOW}"


class TooManyParts(DomainError):
    code = "too_many_parts"
    default_message = (
        "The form has too many parts. Send the field 'file' and, if you like, "
        "'prompt', 'metadata' and 'webhook_url'."
    )


class UnknownField(DomainError):
    code = "unknown_field"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The form field {name!r} is not known. "
            "Known are 'file', 'prompt', 'metadata', 'webhook_url'; leave it out."
        )


class FieldTooLate(DomainError):
    """Documents before it may have been accepted without it, and are perhaps worked on."""

    code = "field_too_late"

    def __init__(self, name: str) -> None:
        super().__init__(f"The field '{name}' came after the second file. Send the fields before the files.")


class InvalidField(DomainError):
    code = "invalid_field"


class UnsupportedType(DomainError):
    code = "unsupported_type"
    default_message = "The file is not a PDF (no %PDF- in its first 1,024 bytes). Send a PDF."


class FileTooLarge(DomainError):
    code = "file_too_large"

    def __init__(self, max_mb: float) -> None:
        super().__init__(
            f"The file is larger than {max_mb:g} MB, this server's MAX_UPLOAD_MB. Send a smaller one."
        )


class BatchTooLarge(DomainError):
    code = "batch_too_large"

    def __init__(self, max_mb: float) -> None:
        super().__init__(
            f"The files are together larger than {max_mb:g} MB, this server's MAX_BATCH_MB. "
            "Send the rest in another request."
        )


class TooManyInFlight(DomainError):
    code = "too_many_in_flight"
    retryable = True

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} of your documents are not finished yet, which is this server's MAX_IN_FLIGHT. "
            "Wait until one has ended, or cancel one."
        )


class StoredQuotaExceeded(DomainError):
    code = "stored_quota_exceeded"

    def __init__(self, max_mb: float) -> None:
        super().__init__(
            f"Your documents would take more than {max_mb:g} MB, this server's MAX_STORED_MB. "
            "Delete some of them."
        )


class UploadTooSlow(DomainError):
    code = "upload_too_slow"
    retryable = True
    default_message = (
        "The upload was too slow or stood still (UPLOAD_IDLE_S, MAX_UPLOAD_S). Nothing was kept; try again."
    )


class ClientGone(DomainError):
    """Nobody is left to be told; nothing was kept."""

    code = "client_disconnected"
    retryable = True
    default_message = "The connection ended before the whole file had arrived. Nothing was kept; try again."


class UploadInterrupted(DomainError):
    code = "upload_interrupted"
    retryable = True
    default_message = "The upload lost its place on our side. Nothing was kept; try again."


class KeyInvalid(DomainError):
    code = "idempotency_key_invalid"
    default_message = "The Idempotency-Key header must hold 1 to 255 printable characters. Use a UUID."


class KeyReused(DomainError):
    code = "idempotency_key_reused"
    default_message = (
        "This Idempotency-Key was used for another document or other options. Use a new key for a new upload."
    )


class KeyInProgress(DomainError):
    code = "idempotency_in_progress"
    retryable = True
    default_message = (
        "The first upload with this Idempotency-Key is still being received. Try again in a moment."
    )
