"""README.md read by its tests: its table of settings, and the commands of its walk."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
NAME = re.compile(r"^\| `([A-Z][A-Z0-9_]*)` \| (?:`([^`]*)`|–) \| (.*) \|$", re.MULTILINE)
ENV = re.compile(r'^#?([A-Z][A-Z0-9_]*)="?(.*?)"?$', re.MULTILINE)


def settings_of_readme() -> dict[str, str]:
    """Name and default, "" where there is none."""
    return {found[1]: found[2] or "" for found in NAME.finditer(README.read_text(encoding="utf-8"))}


def settings_of_example() -> dict[str, str]:
    return {f[1]: f[2] for f in ENV.finditer((ROOT / ".env.example").read_text(encoding="utf-8"))}


def section(title: str) -> str:
    """The text of one `## title`."""
    text = README.read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def shell_blocks(text: str) -> list[str]:
    """What stands in ```bash blocks, in order."""
    return re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
