"""Plain text of pages → the Markdown a person reads, saying that rules and not a model made it."""

from collections.abc import Iterable
from typing import Final

from app.pipeline.local_rules import Contacts, Section, contacts_in, sections_in

INTRODUCTION: Final = (
    "*Read by the local reader: the document's own text, arranged by rules. It is not a model and judges "
    "nothing. For an analysis set OPENAI_API_KEY or OPENAI_BASE_URL.*"
)
NO_TEXT: Final = "*No text was found on these pages.*"
CUT: Final = "*The text goes on; it is cut here because it is too long for one result.*"
BULLETS: Final = ("•", "▪", "●", "◦", "‣", "∙", "·", "–", "*", "-")
CONTROLS: Final = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)))
INVISIBLE: Final = dict.fromkeys(
    (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF, 0xFFFE, 0xFFFF)
)
OPENS_A_BLOCK: Final = ("#", ">", "~", "|", "=", "-", "*", "!", "+ ")


def arrange(pages: list[str], unread: list[int], *, introduce: bool, limit: int) -> str:
    """Contact data, then sections; `unread` are numbers of pages without text, `limit` is in characters."""
    text = "\n".join(_clean(page) for page in pages)
    lines, cut = _lines(text[:limit]), len(text) > limit
    parts = [INTRODUCTION] if introduce else []
    parts += _contact_part(contacts_in(lines))
    sections = sections_in(lines)
    untitled = "Text" if len(sections) == 1 else "Opening"
    parts += [_section_part(section, untitled) for section in sections] or [NO_TEXT]
    if cut:
        parts.append(CUT)
    if unread:
        numbers = ", ".join(map(str, unread))
        parts.append(
            f"*Pages that could not be read: {numbers}. They have no text layer; OCR needs the Debian "
            "package tesseract-ocr and a clear scan.*"
        )
    return "\n\n".join(parts)


def _clean(page: str) -> str:
    """Without control and direction marks, and storable: no half surrogate pairs."""
    whole = page.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    return whole.translate(CONTROLS | INVISIBLE).encode("utf-8", "replace").decode("utf-8")


def _lines(text: str) -> list[str]:
    """Lines without outer blanks; several empty ones become one."""
    lines: list[str] = []
    for raw in text.split("\n"):
        line = raw.strip()
        if line or (lines and lines[-1]):
            lines.append(line)
    return lines


def _contact_part(contacts: Contacts) -> list[str]:
    rows = [
        f"- {label}: {', '.join(map(_escaped, found))}"
        for label, found in (
            ("E-mail", contacts.emails),
            ("Phone", contacts.phones),
            ("Links", contacts.links),
        )
        if found
    ]
    return ["## Contact\n\n" + "\n".join(rows)] if rows else []


def _section_part(section: Section, untitled: str) -> str:
    return f"## {section.title or untitled}\n\n" + "\n".join(_markdown(section.lines)).strip()


def _markdown(lines: Iterable[str]) -> Iterable[str]:
    """One Markdown line per line of text: bullets become list items, other lines keep their break."""
    for line in lines:
        bullet = next((mark for mark in BULLETS if line.startswith(mark + " ")), None)
        if bullet is not None:
            yield f"- {_escaped(line[len(bullet) :].strip())}"
        else:
            yield f"{_escaped(line)}  " if line else ""


def _escaped(line: str) -> str:
    """The text as text: it cannot open a heading, a tag, a fence, a link or an image."""
    safe = line.replace("\\", "\\\\").replace("<", "\\<").replace("](", "]\\(").replace("`", "\\`")
    return f"\\{safe}" if safe.startswith(OPENS_A_BLOCK) else safe
