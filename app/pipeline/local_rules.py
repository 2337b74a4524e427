"""Rules that find contact data and sections in plain text.

The text comes from strangers, so every rule runs in linear time: words and lines are looked at once, and
each pattern only meets a short, bounded piece.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

MAX_WORD: Final = 254
MAX_FOUND: Final = 10
MAX_HEADING: Final = 48
MAX_CONTACT_LINE: Final = 300

HEADINGS: Final[dict[str, tuple[str, ...]]] = {
    "Summary": (
        "summary",
        "professional summary",
        "executive summary",
        "profile",
        "about me",
        "about",
        "objective",
    ),
    "Experience": (
        "experience",
        "work experience",
        "professional experience",
        "employment",
        "employment history",
        "work history",
        "career history",
    ),
    "Education": ("education", "education and training", "academic background", "qualifications", "studies"),
    "Skills": (
        "skills",
        "technical skills",
        "core skills",
        "key skills",
        "skills and tools",
        "technologies",
        "competencies",
        "core competencies",
        "expertise",
    ),
    "Projects": ("projects", "selected projects", "personal projects", "key projects"),
    "Certifications": (
        "certifications",
        "certificates",
        "licenses",
        "licenses and certifications",
        "courses",
    ),
    "Languages": ("languages", "language skills"),
    "Publications": ("publications", "papers", "talks", "patents"),
    "Awards": ("awards", "honors", "honours", "awards and honors", "achievements"),
    "Volunteering": ("volunteering", "volunteer experience", "volunteer work"),
    "Interests": ("interests", "hobbies", "hobbies and interests"),
    "References": ("references",),
}
SECTION_OF: Final = {word: section for section, words in HEADINGS.items() for word in words}

EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}")
LINK_STARTS: Final = ("http://", "https://", "www.", "linkedin.com/", "github.com/", "gitlab.com/")
PHONE: Final = re.compile(r"\+?\(?\d[\d ()./\u2010-\u2013-]{5,22}\d")
PHONE_WORDS: Final = ("tel", "phone", "mobile", "cell", "fon")
YEAR: Final = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
DOTTED_DATE: Final = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}")


@dataclass(frozen=True)
class Contacts:
    """What can be used to reach the person, in the order found, each once."""

    emails: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    """Lines under one heading; `title` is "" for what stands before the first."""

    title: str
    lines: list[str]


def contacts_in(lines: Iterable[str]) -> Contacts:
    """E-mail addresses, telephone numbers and links, at most ten of each."""
    found = Contacts()
    for line in lines:
        for word in line.split():
            _note_word(word.strip("<>()[]{},;|\"'*•·"), found)
        for phone in _phones(line[:MAX_CONTACT_LINE]):
            _add(found.phones, phone)
    return found


def _note_word(word: str, found: Contacts) -> None:
    if len(word) > MAX_WORD:
        return
    bare = word.removeprefix("mailto:").rstrip(".:")
    if "@" in bare:
        address = bare.rpartition(":")[2]
        if EMAIL.fullmatch(address):
            _add(found.emails, address)
    elif word.lower().startswith(LINK_STARTS) and len(bare) > len("www.") + 3:
        _add(found.links, bare)


def _phones(line: str) -> Iterator[str]:
    lowered = line.lower()
    named = any(word in lowered for word in PHONE_WORDS)
    for match in PHONE.finditer(line):
        text = match.group().strip()
        digits = sum(map(str.isdigit, text))
        if not 7 <= digits <= 15:
            continue
        if text.startswith("+") or named or (_dialled(text) and not _date(text)):
            yield text


def _dialled(text: str) -> bool:
    """As in 030 1234567, (555) 1234567 or 555-123-4567: a leading 0 or bracket, or three groups of digits."""
    groups = re.split(r"\D+", text)
    return text.startswith(("0", "(")) or (len(groups) >= 3 and all(len(group) >= 3 for group in groups))


def _date(text: str) -> bool:
    return bool(YEAR.search(text) or DOTTED_DATE.search(text))


def _add(found: list[str], item: str) -> None:
    if item not in found and len(found) < MAX_FOUND:
        found.append(item)


def sections_in(lines: Iterable[str]) -> list[Section]:
    """The lines cut at known headings, in the order of the document; a repeated heading goes on."""
    sections = [Section("", [])]
    for line in lines:
        title = heading_of(line)
        if title is None:
            sections[-1].lines.append(line)
        elif title != sections[-1].title:
            sections.append(Section(title, []))
    return [section for section in sections if any(line.strip() for line in section.lines)]


def heading_of(line: str) -> str | None:
    """The section that this line opens, or None: a known phrase alone on its line."""
    text = line.strip()
    if not text or len(text) > MAX_HEADING:
        return None
    words = text.lower().replace("&", " and ").strip(" :.-–—_=#*|•0123456789").split()
    if len(words) > 3 and all(len(word) == 1 for word in words):  # S K I L L S
        words = ["".join(words)]
    return SECTION_OF.get(" ".join(words))
