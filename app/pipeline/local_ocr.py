"""OCR by the `tesseract` program: one process a page, image in by stdin, text out by stdout."""

import shutil
import subprocess

from app.domain.errors import PermanentFailure

TIMEOUT_S = 120.0
# One thread: documents are read in parallel already, and tesseract's own threads slow each other down.
# Nothing else is handed on: the program needs no key and no address of ours.
ENVIRONMENT = {"OMP_THREAD_LIMIT": "1", "LC_ALL": "C.UTF-8"}
NO_LANGUAGE = (b"Failed loading language", b"Error opening data file")


class OcrMissing(Exception):
    """The program is not installed."""


class OcrFailed(Exception):
    """This page could not be read: the program crashed or took too long."""


class Tesseract:
    """Finds the program on the PATH (or takes `program`) and runs it."""

    def __init__(
        self, language: str = "eng", program: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._language = language
        self._program = shutil.which(program or "tesseract")
        self._timeout_s = timeout_s

    def require(self) -> None:
        """Raise, with the package to install, when there is no program."""
        if self._program is None:
            raise PermanentFailure(
                "This document has no text layer and OCR is not installed. Install the Debian package "
                "tesseract-ocr where the worker runs, or set OPENAI_API_KEY so that a model reads it.",
                code="ocr_unavailable",
            )

    def read(self, jpeg: bytes) -> str:
        """The text on one page image. Raises OcrMissing, OcrFailed, or PermanentFailure for the language."""
        if self._program is None:
            raise OcrMissing
        command = [self._program, "stdin", "stdout", "-l", self._language, "--psm", "3"]
        try:
            done = subprocess.run(
                command,
                input=jpeg,
                capture_output=True,
                timeout=self._timeout_s,
                env=ENVIRONMENT,
                check=False,
            )
        except FileNotFoundError as error:
            raise OcrMissing from error
        except (subprocess.TimeoutExpired, OSError) as error:
            raise OcrFailed from error
        if done.returncode == 0:
            return done.stdout.decode("utf-8", "replace")
        if any(sign in done.stderr for sign in NO_LANGUAGE):
            raise PermanentFailure(
                f"OCR does not know the language of OCR_LANGUAGE ({self._language}). Install the Debian "
                "package tesseract-ocr-<language>, or set OCR_LANGUAGE to one that is installed.",
                code="ocr_language_missing",
            )
        raise OcrFailed
