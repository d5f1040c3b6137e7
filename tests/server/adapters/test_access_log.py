"""The log: an allow-list, whatever is thrown at it."""

import json
import subprocess
import sys

from governlayer_server.adapters.logs.access import FIELDS, keep_allowed_fields
from hypothesis import given
from hypothesis import strategies as st

PROGRAM = """
import logging, structlog
from governlayer_server.adapters.logs.access import access_logger, configure_logs
configure_logs()
log = access_logger()
log("request", status=200, route="/v1/govern", body="CANARY", query="CANARY", authorization="CANARY", key="CANARY")
log("request", error="ValueError", exc_info=ValueError("CANARY"), stack_info=True, status=500)
try:
    raise ValueError("CANARY")
except ValueError:
    log("request", exc_info=True)
    logging.getLogger("uvicorn.error").exception("CANARY")
    logging.getLogger("asyncio").error("CANARY %s", "CANARY")
    logging.getLogger("piccolo").critical("CANARY")
    logging.critical("CANARY")
    logging.warning("CANARY")
"""


@given(st.dictionaries(st.text() | st.sampled_from(sorted(FIELDS)), st.text(), max_size=10))
def test_only_fields_of_the_allow_list_are_kept(event: dict[str, object]) -> None:
    kept = keep_allowed_fields(None, "info", dict(event))
    assert kept == {name: value for name, value in event.items() if name in FIELDS}


def test_no_field_of_the_allow_list_can_hold_content() -> None:
    words = {word for field in FIELDS for word in field.split("_")}
    assert words.isdisjoint(
        {"body", "query", "header", "headers", "token", "text", "content", "path", "message", "url"}
    )


def test_a_process_logs_json_lines_without_bodies_keys_or_texts_of_errors() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["request"] * 3
    assert (lines[0]["status"], lines[0]["route"], lines[1]["error"]) == (200, "/v1/govern", "ValueError")
    assert all(set(line) <= FIELDS for line in lines)
    assert "CANARY" not in done.stderr + done.stdout
