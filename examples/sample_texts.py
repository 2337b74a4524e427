"""What stands in the sample documents; persons and companies are invented."""

from typing import Final

CONTACT: Final = (
    "nadia.ferreira@example.com | +1 415 555 0142 | Portland, Oregon | linkedin.com/in/nadia-ferreira-demo"
)
SUMMARY: Final = (
    "Backend engineer with nine years of experience with document and payment platforms in Python and Go. "
    "Led a team of six through the move of a monolith to services that process 4 million documents a month. "
    "Cares about data that is never lost, about short feedback loops, and about writing things down."
)
JOBS: Final = [
    (
        "Staff Software Engineer",
        "Mar 2021 - Present",
        "Larkfield Systems, Portland, Oregon",
        [
            "Designed the intake pipeline for scanned contracts: 4 million a month, 99.95 % available.",
            "Cut the median time from upload to answer from 41 s to 6 s by streaming pages instead of files.",
            "Introduced leases and idempotent workers; duplicate charges fell from 0.8 % to zero.",
            "Leads a team of six engineers; two of them were promoted to senior in 2023.",
        ],
    ),
    (
        "Senior Backend Engineer",
        "Jul 2018 - Feb 2021",
        "Quillmark Payments, Seattle, Washington",
        [
            "Owned the settlement service (Go, PostgreSQL), which moved 1.2 billion dollars in 2020.",
            "Replaced nightly batches by an event stream, so that merchants see balances within a minute.",
            "Wrote the incident guide that three teams still use; on-call pages per week went from 19 to 5.",
        ],
    ),
    (
        "Software Engineer",
        "Sep 2015 - Jun 2018",
        "Harbor & Pine Logistics, Oakland, California",
        [
            "Built the first public API for shipment tracking (Django, Redis), used by 140 customers.",
            "Moved the test suite from 52 to 9 minutes by running it in parallel against real databases.",
            "Mentored four interns, three of whom joined as full-time engineers.",
        ],
    ),
]
SKILLS: Final = [
    ("Languages", "Python, Go, SQL, TypeScript, Bash"),
    ("Platforms", "FastAPI, Django, Kafka, Redis, MongoDB, PostgreSQL"),
    ("Infrastructure", "AWS (EC2, S3, RDS), Docker, Kubernetes, Terraform, GitHub Actions"),
    ("Practices", "system design, incident response, load testing, technical writing, mentoring"),
]
PROJECTS: Final = [
    "<b>pagequeue</b> - an open-source library for fair scheduling of long documents; 1,900 stars on GitHub.",
    "<b>Ledger Lab</b> - a free workshop on double-entry bookkeeping for engineers, held eleven times.",
]
EDUCATION: Final = [
    (
        "M.S. Computer Science",
        "2013 - 2015",
        "Oregon State University, Corvallis; thesis on crash-safe work queues",
    ),
    ("B.S. Mathematics", "2009 - 2013", "University of Lisbon; exchange year in Gothenburg"),
]
CERTIFICATES: Final = [
    "AWS Certified Solutions Architect - Professional (2022)",
    "Certified Kubernetes Application Developer (2020)",
]
LANGUAGES: Final = "English (fluent), Portuguese (native), Swedish (conversational)"

CHAPTERS: Final = [
    (
        "The year at a glance",
        "orders",
        "In its ninth year Brightwater Instruments sold more sensors than ever before",
    ),
    ("Markets", "customers", "Utilities in the north remained the largest group of customers"),
    ("Products", "units", "The second generation of the flow sensor left the laboratory in March"),
    ("Operations", "deliveries", "Both plants worked in two shifts from April to October"),
    ("People", "employees", "The company grew by 41 people, most of them in service"),
    ("Research", "projects", "Three research projects ended and two began"),
    ("Environment", "tonnes", "Emissions per unit fell for the fourth year in a row"),
    ("Finance", "thousand euros", "Revenue rose faster than cost, and the debt of the new plant was halved"),
    ("Outlook", "forecast", "The board expects a calmer year with growth of six to eight per cent"),
]
SENTENCES: Final = [
    "The figures were reviewed by the audit committee and are compared with those of the year before.",
    "A detailed breakdown by quarter follows in the table below.",
    "Where estimates were used, the method is the one described in the notes to the accounts.",
    "Weather had less influence than feared, while transport cost more than planned.",
    "Customers named reliability and quick answers as the two reasons for which they stayed.",
    "Two suppliers were replaced, which shortened the average lead time from nine to five weeks.",
    "The measures agreed last year were completed on time with one exception, explained under risks.",
]
