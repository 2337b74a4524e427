"""A client for Full-RAG, for programs: `Client` and its twin `AsyncClient`. See docs/client.md.

Needs httpx and nothing else of this service, so the folder may be copied into another program.
"""

from app.client.asynchronous import AsyncClient
from app.client.errors import ApiError, DocumentFailed, FullRagError, NotFinished, Unreachable, WaitTimeout
from app.client.synchronous import Client
from app.client.types import Change, Document, Failure, Page, Progress

__all__ = [
    "ApiError",
    "AsyncClient",
    "Change",
    "Client",
    "Document",
    "DocumentFailed",
    "Failure",
    "FullRagError",
    "NotFinished",
    "Page",
    "Progress",
    "Unreachable",
    "WaitTimeout",
]
