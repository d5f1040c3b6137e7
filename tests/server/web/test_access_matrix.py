"""
Every cell of docs/reference/access.md, asked of the application: method × path × credential (claim 7).

What a cell expects is read from the reviewed page, not from the rules in the code. Each request is one that succeeds
for whoever may make it, by a principal made for that cell.
"""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from governlayer_server.web.access_table import access_rules

from tests.server.web.access_world import CREDENTIALS, Credential, Place, ask, new_world
from tests.server.web.conftest import METRICS_TOKEN, Site, assert_problem, bearer

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "access.md"
OWN_TOKENS = {"`metrics_token`": METRICS_TOKEN}


def page_cells() -> dict[Place, dict[str, str]]:
    """The table of the page: place → column → cell."""
    rows = [line[2:-2].split(" | ") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    head = next(row for row in rows if row[0] == "method")
    table = [row for row in rows if row[0].isupper()]
    return {
        (row[0], row[1].strip("`")): dict(zip(head[2:], (one.strip() for one in row[2:]), strict=True)) for row in table
    }


def expected(cells: dict[str, str], credential: Credential) -> tuple[int, str] | None:
    """Return status and code of the refusal that the page promises, or None: admitted."""
    cell = cells[credential.role.value if credential.role else "API key"]
    if cell == "public":
        return None
    if cell in OWN_TOKENS or not (credential.role or credential.scope):
        return 401, "not_authenticated"
    if credential.role:
        refusals = {"yes": None, "again": None if credential.lately else (403, "step_up_required")}
        return refusals.get(cell, (403, "forbidden"))
    if cell.startswith("`"):
        return None if f"`{credential.scope}`" in cell.split(" or ") else (403, "missing_scope")
    return None if cell == "yes" else (403, "forbidden")


def fault(answer: httpx.Response, refusal: tuple[int, str] | None) -> str:
    """Return what is wrong with *answer*, or nothing."""
    if refusal is None:
        return "" if answer.is_success else f"not admitted: {answer.status_code} {answer.text}"
    try:
        assert_problem(answer, *refusal)
    except AssertionError as error:
        return f"not {refusal}: {answer.status_code} {str(error)[:200]}"
    return ""


def test_the_page_lists_exactly_the_routes_and_none_is_without_a_rule() -> None:
    rules = {(method, path): rule for method, path, rule in access_rules(Site().app._app)}
    assert set(page_cells()) == set(rules)
    assert None not in rules.values()
    assert {"no rule"} & {cell for cells in page_cells().values() for cell in cells.values()} == set()


def test_the_page_is_what_the_routes_say() -> None:
    reference = pytest.importorskip("tools.reference", reason="the tools come with a checkout")
    for path, text in reference.pages().items():
        assert path.read_text("utf-8") == text, f"{path.name} is not what `./run docs` writes"


async def test_every_cell_is_answered_as_the_page_says(record_property: Callable[[str, object], None]) -> None:
    wrong, counts = [], {None: 0, 401: 0, 403: 0}
    for place, cells in page_cells().items():
        async with new_world() as world:
            for credential in CREDENTIALS:
                headers, user = await world.headers(credential)
                refusal = expected(cells, credential)
                counts[refusal and refusal[0]] += 1
                if found := fault(await ask(world, place, headers, user), refusal):
                    wrong.append(f"{place} {credential.name}: {found}")
                await world.site.appliance.later.now()
    print(f"\naccess matrix: {sum(counts.values())} cells, of which {counts[None]} admit, {counts}")
    record_property("cells", sum(counts.values()))
    assert not wrong, "\n".join(wrong)


async def test_a_token_of_its_own_opens_one_route_and_no_other() -> None:
    for place, cells in page_cells().items():
        async with new_world() as world:
            for cell, token in OWN_TOKENS.items():
                refusal = (401, "not_authenticated") if cells["API key"] not in {"public", cell} else None
                assert not fault(await ask(world, place, bearer(token), None), refusal), place
            await world.site.appliance.later.now()
