"""Every command line of the runbooks and how-tos is one that the commands of this version take."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
from governlayer_server.cli.commands import governlayer
from governlayer_server.settings import PREFIX

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / "docs" / "runbooks").glob("*.md"),
        *(ROOT / "docs" / "how-to").glob("*.md"),
        *(ROOT / "deploy").glob("**/*.md"),
    ]
)
_FENCED = re.compile(r"^ *```(?:sh|console|shell)?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^(?: {4}|\t)[^\n]*\n)+", re.MULTILINE)
_INLINE = re.compile(r"`((?:docker compose [^`]*? |kubectl [^`]*? )?governlayer [a-z][^`]*)`")
_ENDS = {"|", ">", "<", ";", "&&", "||", "&", "<<", ">>"}
# What stands for a value.
_VALUES = {"ID": "01a2174c-485e-76b7-bb09-9b756d462efe", "SECONDS": "60", "N": "7", "D": "7"}


def lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield commands in code blocks, and those that are mentioned in running text (True), often without arguments."""
    without_fences = _FENCED.sub("\n", text)
    blocks = [*_FENCED.findall(text), *_INDENTED.findall(without_fences)]
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            if re.search(r"(^|[\s\"(])governlayer [a-z-]", line):
                yield line.strip().removeprefix("$ "), False
    yield from ((line.replace("\n", " "), True) for line in _INLINE.findall(without_fences))


def arguments(line: str) -> Sequence[str]:
    """Return the arguments of `governlayer` in *line*; empty where the name is another thing, such as a release."""
    inner = re.search(r'"\$\((governlayer [^)]*)\)"', line)
    words = shlex.split(inner[1] if inner else line, comments=True)
    starts = [place for place, word in enumerate(words) if word == "governlayer" and _begins(words[:place])]
    if not starts:
        return []
    found = words[starts[0] + 1 :]
    ends = [place for place, word in enumerate(found) if word in _ENDS]
    return found[: ends[0]] if ends else found


def _begins(before: Sequence[str]) -> bool:
    """Return whether a command may begin after these words: at the start, after settings, or inside a container."""
    if all("=" in word for word in before):
        return True
    is_compose = before[:2] == ["docker", "compose"] and before[-1] in {"server", "backup"}
    return is_compose or (before[0] == "kubectl" and before[-1] == "--")


def takes(given: Sequence[str]) -> None:
    """Parse *given* up to where the command would run."""
    command: click.Command = governlayer
    context = command.make_context("governlayer", list(given))
    while isinstance(command, click.Group) and (rest := [*context._protected_args, *context.args]):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None, name
        command = found
        if isinstance(command, click.Group) and not command.invoke_without_command and not rest:
            raise click.MissingParameter("a subcommand", context, param_type="argument")
        context = command.make_context(name, rest, parent=context)


def documented() -> Iterator[tuple[str, str, bool]]:
    for page in PAGES:
        for line, mentioned in dict.fromkeys(lines(page.read_text(encoding="utf-8"))):
            if "…" not in line and "[" not in line and arguments(line):
                yield str(page.relative_to(ROOT)), line, mentioned


DOCUMENTED = list(documented())


@pytest.fixture
def anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that commands name exist where this runs; nothing of the environment fills gaps but where backups go."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PREFIX + "BACKUP_TO", "/mnt/backups")
    monkeypatch.setattr(click.Path, "convert", lambda _self, value, _parameter, _context: Path(value))


@pytest.mark.parametrize(
    ("page", "line", "mentioned"), DOCUMENTED, ids=[f"{page}: {line}" for page, line, _ in DOCUMENTED]
)
def test_every_documented_command_line_is_taken(anywhere: None, page: str, line: str, mentioned: bool) -> None:
    try:
        takes([_VALUES.get(word, word) for word in arguments(line)])
    except click.MissingParameter:
        assert mentioned, "something is missing"


def test_lines_are_found_wherever_they_stand() -> None:
    text = (
        "`governlayer doctor` and `docker compose exec backup governlayer backup`\n\n    governlayer up\n\n"
        "```sh\nX=1 governlayer keys list \\\n  --org A | less\nkubectl exec a -c b -- governlayer orgs list > f\n"
        "helm test governlayer -n governlayer\n```\n"
    )
    found = [arguments(line) for line, _ in lines(text)]
    assert sorted(one for one in found if one) == [
        ["backup"], ["doctor"], ["keys", "list", "--org", "A"], ["orgs", "list"], ["up"],
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["docter", "keys list", "orgs create --nmae A", "ledger", "backup --keep none", ""])
def test_what_the_commands_do_not_take_is_seen(anywhere: None, line: str) -> None:
    with pytest.raises(click.UsageError):
        takes(shlex.split(line))


def test_pages_have_commands_and_runbooks_have_most() -> None:
    runbooks = [line for page, line, _ in DOCUMENTED if page.startswith("docs/runbooks")]
    assert len(runbooks) >= 60
    assert len(DOCUMENTED) >= 120


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "runbooks").glob("*.md")), ids=lambda page: page.name)
def test_links_of_runbooks_lead_somewhere(page: Path) -> None:
    for target, part in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
        file = page.parent / target if target else page
        assert file.exists(), target
        if part:
            titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert part in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, part


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "runbooks").glob("*.md")), ids=lambda page: page.name)
def test_every_runbook_has_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name != "README.md":
        parts = re.findall(r"^(## .*|\*\*You see\*\*|\*\*It means)", text, re.MULTILINE)
        assert parts[:2] == ["**You see**", "**It means"]
