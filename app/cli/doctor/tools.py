"""Programs of the operating system that a worker may call."""

import shutil
import subprocess
from typing import Final

from app.cli.doctor.finding import Finding, Findings, fail, ok, warn
from app.config import WorkerSettings

POPPLER: Final = ("pdfinfo", "pdftotext", "pdftoppm")
PATIENCE_S: Final = 20.0


def look(settings: WorkerSettings) -> Findings:
    yield _poppler(settings)
    yield _tesseract(settings)
    yield ok("libreoffice", "not needed: documents are PDFs")


def _poppler(settings: WorkerSettings) -> Finding:
    missing = [program for program in POPPLER if shutil.which(program) is None]
    if not missing:
        return ok("poppler", "installed")
    found, fix = f"not installed: {', '.join(missing)}", "Install the Debian package poppler-utils."
    if settings.pdf_renderer == "poppler":
        return fail("poppler", f"PDF_RENDERER=poppler, but {found}", f"{fix} Or set PDF_RENDERER=pdfium.")
    return warn("poppler", f"{found}: damaged PDFs have no second try", fix)


def _tesseract(settings: WorkerSettings) -> Finding:
    if settings.uses_openai:
        return ok("tesseract", "not needed: a model reads the pages")
    if shutil.which("tesseract") is None:
        return warn(
            "tesseract",
            "not installed: the local reader cannot read scanned pages",
            "Install the Debian package tesseract-ocr, or let a model read (OPENAI_API_KEY).",
        )
    missing = [one for one in settings.ocr_language.split("+") if one not in _languages()]
    if missing:
        return fail(
            "tesseract",
            f"OCR_LANGUAGE names what is not installed: {', '.join(missing)}",
            f"Install tesseract-ocr-{missing[0].replace('_', '-')}, or correct OCR_LANGUAGE.",
        )
    return ok("tesseract", f"installed, with {settings.ocr_language}")


def _languages() -> set[str]:
    try:
        done = subprocess.run(
            ["tesseract", "--list-langs"], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return set((done.stdout + done.stderr).split())
