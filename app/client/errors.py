"""What can go wrong, and what the server says about it."""

from app.client.types import Document


class FullRagError(Exception):
    """Every error of this client."""


class ApiError(FullRagError):
    """The server answered with a problem. `code` is for programs, `message` for people.

    `retryable`: the same call may succeed later, after `retry_after_s` where the server named a time.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        status: int = 0,
        request_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class Unreachable(ApiError):
    """No answer came: the server is away, or the connection broke. `sent`: it may have got the request."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__("unreachable", message, retryable=True)
        self.sent = sent


class WaitTimeout(FullRagError):
    """The document had not ended in time. It goes on; `document` is what was known last (None: nothing)."""

    def __init__(self, file_id: str, document: Document | None, trouble: ApiError | None) -> None:
        super().__init__(f"The document {file_id} had not ended in time; wait for it again.")
        self.file_id = file_id
        self.document = document
        self.trouble = trouble
        """What stood in the way at the end, such as a server that was away."""


class NotFinished(FullRagError):
    """There is no result yet; `document` says how far it is."""

    def __init__(self, document: Document) -> None:
        super().__init__(f"The document {document.id} is not finished: '{document.status}'.")
        self.document = document


class DocumentFailed(FullRagError):
    """There is no result and will be none without `retry`; `document.error` says why."""

    def __init__(self, document: Document) -> None:
        reason = f"{document.error.code}: {document.error.message}" if document.error else "no reason given"
        super().__init__(f"The document {document.id} ended as '{document.status}': {reason}")
        self.document = document
