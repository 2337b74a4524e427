"""Makes the sample documents of this folder: the same bytes on every run.

    python examples/make_samples.py [FOLDER]

resume.pdf is a two-page text resume of an invented person, resume-scanned.pdf the same as images only,
report-10-pages.pdf an invented company's yearly report. Needs requirements-dev.txt (reportlab).
"""

import io
import random
import sys
from pathlib import Path
from typing import Final

import pypdfium2
from PIL import Image, ImageChops, ImageFilter
from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib.colors import HexColor, white
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    HRFlowable,
    KeepTogether,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)
from sample_texts import (
    CERTIFICATES,
    CHAPTERS,
    CONTACT,
    EDUCATION,
    JOBS,
    LANGUAGES,
    PROJECTS,
    SENTENCES,
    SKILLS,
    SUMMARY,
)

INK: Final = HexColor("#22303c")
ACCENT: Final = HexColor("#1f6f78")
SOFT: Final = HexColor("#5c6b76")
LINE: Final = HexColor("#c9d4d8")

BODY: Final = ParagraphStyle("body", fontName="Helvetica", fontSize=10.5, leading=16, textColor=INK)
NAME: Final = ParagraphStyle("name", parent=BODY, fontName="Helvetica-Bold", fontSize=25, leading=30)
ROLE: Final = ParagraphStyle("role", parent=BODY, fontSize=12.5, leading=17, textColor=ACCENT)
HEAD: Final = ParagraphStyle(
    "head",
    parent=BODY,
    fontName="Helvetica-Bold",
    fontSize=11.5,
    leading=15,
    textColor=ACCENT,
    spaceBefore=13,
)
HEAD.spaceBefore = 13
JOB: Final = ParagraphStyle("job", parent=BODY, fontName="Helvetica-Bold", fontSize=11)
WHEN: Final = ParagraphStyle("when", parent=BODY, textColor=SOFT, alignment=TA_RIGHT)
PLACE: Final = ParagraphStyle("place", parent=BODY, textColor=SOFT, spaceAfter=2)
POINT: Final = ParagraphStyle("point", parent=BODY, leftIndent=11, bulletIndent=2, spaceAfter=1.5)
TITLE: Final = ParagraphStyle("title", parent=NAME, fontSize=28, leading=35)
CHAPTER: Final = ParagraphStyle(
    "chapter", parent=NAME, fontSize=18, leading=24, textColor=ACCENT, spaceAfter=8
)
PROSE: Final = ParagraphStyle("prose", parent=BODY, fontSize=10.5, leading=15.5, spaceAfter=8)


class Document(BaseDocTemplate):
    """A4 with one frame and a footer; `invariant` leaves out dates and random ids."""

    def __init__(self, target: io.BytesIO, title: str, author: str) -> None:
        super().__init__(
            target,
            pagesize=A4,
            leftMargin=20 * mm,
            rightMargin=20 * mm,
            topMargin=17 * mm,
            bottomMargin=17 * mm,
            title=title,
            author=author,
            invariant=1,
        )
        frame = Frame(self.leftMargin, self.bottomMargin, self.width, self.height, 0, 0, 0, 0)
        self.addPageTemplates(PageTemplate(frames=[frame], onPageEnd=self._footer))

    def _footer(self, canvas: Canvas, _document: BaseDocTemplate) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.setFillColor(SOFT)
        canvas.drawString(20 * mm, 10 * mm, f"{self.author} - {self.title}")
        canvas.drawRightString(A4[0] - 20 * mm, 10 * mm, f"Page {canvas.getPageNumber()}")


def build(title: str, author: str, story: list[Flowable]) -> bytes:
    target = io.BytesIO()
    Document(target, title, author).build(story)
    return target.getvalue()


def heading(text: str) -> list[Flowable]:
    return [Paragraph(text.upper(), HEAD), HRFlowable(width="100%", thickness=0.7, color=LINE, spaceAfter=5)]


def dated(left: str, right: str) -> Table:
    row = Table([[Paragraph(left, JOB), Paragraph(right, WHEN)]], colWidths=[120 * mm, 50 * mm])
    row.setStyle(TableStyle([("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 0)]))
    return row


def points(lines: list[str]) -> list[Flowable]:
    return [Paragraph(line, POINT, bulletText="\u2022") for line in lines]


def resume() -> bytes:
    story: list[Flowable] = [
        Paragraph("Nadia Ferreira", NAME),
        Paragraph("Staff Software Engineer, document and payment platforms", ROLE),
        Paragraph(CONTACT, PLACE),
        *heading("Summary"),
        Paragraph(SUMMARY, BODY),
        *heading("Experience"),
    ]
    for title, when, place, lines in JOBS:
        story += [KeepTogether([dated(title, when), Paragraph(place, PLACE), *points(lines), Spacer(1, 11)])]
    story += [PageBreak(), *heading("Skills")]
    story += [Paragraph(f"<b>{kind}:</b> {names}", POINT) for kind, names in SKILLS]
    story += [*heading("Projects"), *points(PROJECTS), *heading("Education")]
    for degree, when, place in EDUCATION:
        story += [dated(degree, when), Paragraph(place, PLACE)]
    story += [
        *heading("Certifications"),
        *points(CERTIFICATES),
        *heading("Languages"),
        Paragraph(LANGUAGES, BODY),
    ]
    return build("Resume", "Nadia Ferreira", story)


def scanned(pdf: bytes) -> bytes:
    """Each page as a gray photograph: a little turned, a little blurred, with the noise of a scanner."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4, invariant=1)
    canvas.setTitle("Scan")
    chance = random.Random(7)
    for page in pypdfium2.PdfDocument(pdf):
        image = page.render(scale=150 / 72, grayscale=True).to_pil().convert("L")
        angle = chance.choice([-0.5, 0.4, 0.6])
        image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=255).filter(
            ImageFilter.GaussianBlur(0.5)
        )
        noise = Image.frombytes("L", (64, 64), bytes(chance.randrange(244, 256) for _ in range(64 * 64)))
        image = ImageChops.multiply(image, noise.resize(image.size, Image.Resampling.BILINEAR))
        jpeg = io.BytesIO()
        image.save(jpeg, "JPEG", quality=50)
        canvas.drawImage(ImageReader(jpeg), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def quarters(chance: random.Random, unit: str) -> tuple[list[int], list[int], Table]:
    before = [chance.randrange(400, 900) for _ in range(4)]
    now = [round(value * chance.uniform(1.02, 1.25)) for value in before]
    rows = [["", "Q1", "Q2", "Q3", "Q4", "Year"]]
    rows += [["2023", *map(str, before), str(sum(before))], ["2024", *map(str, now), str(sum(now))]]
    rows[0][0] = unit.capitalize()
    table = Table(rows, colWidths=[45 * mm] + [25 * mm] * 5)
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), "Helvetica", 10),
                ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 10),
                ("BACKGROUND", (0, 0), (-1, 0), ACCENT),
                ("TEXTCOLOR", (0, 0), (-1, 0), white),
                ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
                ("LINEBELOW", (0, 0), (-1, -1), 0.5, LINE),
            ]
        )
    )
    return before, now, table


def chart(before: list[int], now: list[int]) -> Drawing:
    drawing = Drawing(170 * mm, 62 * mm)
    bars = VerticalBarChart()
    bars.x, bars.y, bars.width, bars.height = 25, 20, 150 * mm, 50 * mm
    bars.data = [before, now]
    bars.categoryAxis.categoryNames = ["Q1", "Q2", "Q3", "Q4"]
    bars.valueAxis.valueMin = 0
    bars.bars[0].fillColor, bars.bars[1].fillColor = LINE, ACCENT
    drawing.add(bars)
    return drawing


def report() -> bytes:
    chance = random.Random(2024)
    contents = [Paragraph(f"{number}. {title}", PROSE) for number, (title, _, _) in enumerate(CHAPTERS, 1)]
    story: list[Flowable] = [
        Spacer(1, 60 * mm),
        Paragraph("Annual Report 2024", TITLE),
        Paragraph("Brightwater Instruments, Rotterdam", ROLE),
        Spacer(1, 15 * mm),
        *heading("Contents"),
        *contents,
    ]
    for number, (title, unit, opening) in enumerate(CHAPTERS, 1):
        before, now, table = quarters(chance, unit)
        prose = [f"{opening}. {' '.join(chance.sample(SENTENCES, 4))}", " ".join(chance.sample(SENTENCES, 3))]
        story += [PageBreak(), Paragraph(f"{number}. {title}", CHAPTER)]
        story += [*(Paragraph(text, PROSE) for text in prose), Spacer(1, 4 * mm), table, Spacer(1, 8 * mm)]
        story += [
            chart(before, now),
            Spacer(1, 6 * mm),
            Paragraph(" ".join(chance.sample(SENTENCES, 4)), PROSE),
        ]
    return build("Annual Report 2024", "Brightwater Instruments", story)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = resume()
    samples = {"resume.pdf": text, "resume-scanned.pdf": scanned(text), "report-10-pages.pdf": report()}
    for name, content in samples.items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
