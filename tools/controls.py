"""
Write the pages of the threat model and of the control mappings from their papers (``tools/papers.py``).

    python -m tools.controls            # writes security/threat-model.md and security/controls/*.md
    python -m tools.controls --check    # writes nothing; 1 and a line for each fault if there is one
"""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tools.papers import (
    STRIDE,
    Control,
    Controls,
    Element,
    Paper,
    Shown,
    State,
    Threat,
    Threats,
    faults,
    forbidden_words,
    read,
)

ROOT = Path(__file__).parents[1]
_GENERATED = "<!-- Made of {source} by `./run docs`: change that file. -->\n"
_THREATS = """# Threat model

Who attacks what; then each part and hop on [the way of one decision](../docs/request-path.md) by the six kinds of
STRIDE. What stops a threat names the files that do it and the tests that show it: a full run is red when one
of them is missing or does not pass. Tests lie below `tests/`; `…/` stands for `server/src/governlayer_server/`.

## Attackers

| attacker | wants | stopped by | left open |
|---|---|---|---|
"""


def threats(security: Path) -> Threats:
    """Return the threat model below *security*; PaperError where it breaks its rules."""
    return _read(security / "threats.toml", Threats)


def mappings(security: Path) -> Mapping[str, Controls]:
    """Return each control mapping below *security* by its name; PaperError where one breaks its rules."""
    return {path.stem: _read(path, Controls) for path in sorted((security / "controls").glob("*.toml"))}


def all_papers(security: Path) -> Mapping[str, Threats | Controls]:
    """Return all papers below *security* by their names; PaperError where one breaks its rules."""
    return {"threats": threats(security), **mappings(security)}


def pages(root: Path = ROOT) -> dict[Path, str]:
    """Return the text of each page by its path, for the repository at *root*."""
    security = root / "security"
    found = {security / "controls" / f"{name}.md": controls_page(name, one) for name, one in mappings(security).items()}
    return {security / "threat-model.md": threats_page(threats(security)), **found}


def threats_page(model: Threats) -> str:
    """Return the page of the threat model."""
    counts = Counter("stopped" if one.stopped else "open" for element in model.element for one in element.threat)
    contents = "".join(f"- [{one.name}](#{_anchor(one.name)}): {one.what}\n" for one in model.element)
    return (
        _GENERATED.format(source="threats.toml")
        + _THREATS
        + "".join(_row([one.who, one.wants, one.stopped, one.open]) for one in model.attacker)
        + f"\n## Parts and hops\n\n{len(model.element)} of them, with {counts.total()} threats; nothing that is tested"
        + f" stops {counts['open']} of these.\n\n{contents}"
        + "".join(_element(one) for one in model.element)
    )


def controls_page(name: str, one: Controls) -> str:
    """Return the page of the mapping *name*."""
    counts = Counter(control.state for control in one.control)
    shown = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    head = (
        f"# {one.title}\n\n{one.covers}\n\n{one.count} in all: {shown}. What the words mean: [README.md](README.md).\n"
    )
    columns = _row(
        [
            "",
            "about",
            "state",
            "what the appliance does, or why it has not to",
            "what is yours",
            "what is open",
            "shown by",
        ]
    )
    return f"{_GENERATED.format(source=f'{name}.toml')}{head}\n{columns}{'|---' * 7}|\n" + "".join(
        _control(control) for control in one.control
    )


def all_faults(root: Path = ROOT) -> list[str]:
    """Return what is wrong at *root*: with what the papers name, with the pages as they lie there, and their words."""
    security = root / "security"
    found = [f"{name}: {fault}" for name, one in all_papers(security).items() for fault in faults(one, root)]
    found += [
        f"{path.relative_to(root)} is not what `./run docs` writes"
        for path, text in pages(root).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path in (root / "README.md", root / "SECURITY.md", *sorted(security.rglob("*.md"))):
        words = forbidden_words(path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(root)}: nobody may say {word!r}" for word in words]
    return found


def _read(path: Path, kind: type[Paper]) -> Paper:
    return read(path.read_text(encoding="utf-8"), kind)


def _element(one: Element) -> str:
    reasons = "".join(f"- {STRIDE[letter]}: {why}\n" for letter, why in one.none.items())
    columns = _row(["", "threat", "what stops it", "what is open", "shown by"]) + f"{'|---' * 5}|\n"
    left_out = f"\nNone of these:\n\n{reasons}" if reasons else ""
    return f"\n## {one.name}\n\n{columns}{''.join(_threat(threat) for threat in one.threat)}{left_out}"


def _threat(one: Threat) -> str:
    return _row([f"**{one.stride}**", one.threat, one.stopped, one.open, _evidence(one)])


def _control(one: Control) -> str:
    return _row([one.id, one.about, f"**{one.state}**", one.ours or one.why, one.yours, one.open, _evidence(one)])


def _evidence(one: Shown) -> str:
    return "<br>".join(f"`{_short(name)}`" for name in (*one.files, *one.all_tests))


def _short(name: str) -> str:
    return name.replace("server/src/governlayer_server/", "…/").removeprefix("tests/")


def _row(cells: list[str]) -> str:
    shown = " | ".join(cell.replace("|", r"\|") for cell in cells)
    return f"| {shown} |\n"


def _anchor(name: str) -> str:
    return "".join(one for one in name.lower().replace(" ", "-") if one.isalnum() or one in "-_")


def main() -> int:
    """Write the pages, or check all; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and name what is wrong")
    if parser.parse_args().check:
        found = all_faults()
        print("\n".join(found), file=sys.stderr)
        return 1 if found else 0
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
