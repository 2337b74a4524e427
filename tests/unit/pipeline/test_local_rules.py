"""Rules on plain text: what they find, what they leave alone, and that hostile text cannot slow them."""

import pytest

from app.pipeline.local_rules import contacts_in, heading_of, sections_in


@pytest.mark.parametrize(
    ("line", "emails"),
    [
        ("jane.doe@example.com", ["jane.doe@example.com"]),
        ("E-mail: jane+cv@mail.example.co.uk,", ["jane+cv@mail.example.co.uk"]),
        ("Email:jane@example.com | (joe@example.org)", ["jane@example.com", "joe@example.org"]),
        ("<mailto:jane@example.com>", ["jane@example.com"]),
        ("jane@example.com jane@example.com", ["jane@example.com"]),
        ("jane@localhost @handle a@b jane@@example.com", []),
    ],
)
def test_mail_addresses(line: str, emails: list[str]) -> None:
    assert contacts_in([line]).emails == emails


@pytest.mark.parametrize(
    ("line", "phones"),
    [
        ("+49 30 1234567", ["+49 30 1234567"]),
        ("Tel. 030/1234567", ["030/1234567"]),
        ("(555) 123-4567 home", ["(555) 123-4567"]),
        ("555-123-4567", ["555-123-4567"]),
        ("Phone: 1234567", ["1234567"]),
        ("2019 - 2021", []),
        ("01/2019 - 03/2021", []),
        ("01.02.2019 – 03.04.2020", []),
        ("Revenue 1 234 567", []),
        ("12345678901234567890", []),
    ],
)
def test_telephone_numbers_are_not_dates_or_amounts(line: str, phones: list[str]) -> None:
    assert contacts_in([line]).phones == phones


@pytest.mark.parametrize(
    ("line", "links"),
    [
        ("https://example.com/cv.", ["https://example.com/cv"]),
        ("linkedin.com/in/jane | github.com/jane", ["linkedin.com/in/jane", "github.com/jane"]),
        ("WWW.Example.org", ["WWW.Example.org"]),
        ("www. example", []),
    ],
)
def test_links(line: str, links: list[str]) -> None:
    assert contacts_in([line]).links == links


def test_no_more_than_ten_of_a_kind_are_kept() -> None:
    found = contacts_in(f"p{n}@example.com" for n in range(50))
    assert len(found.emails) == 10


@pytest.mark.parametrize(
    ("line", "section"),
    [
        ("EXPERIENCE", "Experience"),
        ("Work Experience:", "Experience"),
        ("3. Skills & Tools", "Skills"),
        ("— Education —", "Education"),
        ("S K I L L S", "Skills"),
        ("Experience with Python and Go", None),
        ("I have skills", None),
        ("", None),
        ("skills " * 100, None),
    ],
)
def test_heading_is_a_known_phrase_alone_on_its_line(line: str, section: str | None) -> None:
    assert heading_of(line) == section


def test_text_is_cut_at_headings_and_a_repeated_heading_goes_on() -> None:
    lines = ["Jane", "Experience", "Acme", "Experience", "Initech", "References", "", "Skills", "Go"]
    assert [(section.title, section.lines) for section in sections_in(lines)] == [
        ("", ["Jane"]),
        ("Experience", ["Acme", "Initech"]),
        ("Skills", ["Go"]),
    ]


@pytest.mark.parametrize(
    "piece",
    ["a", "1", "1 ", "@", "a@", "a.", "a@a.", "+", "(", "0-", " ", "https://", "www.", ":", "•", "skills "],
)
def test_hostile_text_is_read_in_linear_time(piece: str) -> None:
    """Half a million characters on one line and on as many lines; quadratic rules would run for hours."""
    text = piece * (500_000 // len(piece))
    contacts_in([text])
    sections_in([text])
    contacts_in(text[n : n + 4] for n in range(0, len(text), 4))
