"""
The main job, end to end: an agent is governed, every decision is on the ledger, the verifier judges the dump.

    ./run demo            and leave the appliance running until Ctrl-C
    ./run demo --once     and end
"""

import argparse
import fcntl
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from governlayer import Action, Content, Decision, GovernLayer, Resource, Tool
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
MARKER = ".governlayer-demo"
STOP_S = 30
COLOURS = {"allow": "green", "deny": "red", "redact": "yellow", "require_approval": "magenta"}


def main() -> int:
    """Show it; return 1 if anything was not as expected."""
    parser = argparse.ArgumentParser(description="Show an agent being governed, from question to verified ledger.")
    parser.add_argument("--once", action="store_true", help="stop the appliance at the end instead of at Ctrl-C")
    parser.add_argument("--data", type=Path, default=HERE.parent / ".demo", help="folder for the demo (made anew)")
    parser.add_argument("--port", type=int, default=8600, help="port of the appliance; 0: any free one")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    data = options.data / "appliance"
    try:
        with only_demo_in(options.data):
            return 1 if run(console, options, data) else 0
    except KeyboardInterrupt:
        return 130


def run(console: Console, options: argparse.Namespace, data: Path) -> int:
    """Start, show, stop; return the number of things that were not as expected."""
    appliance = launch(data, options.port)
    try:
        failures = show(console, options.data, data, ready(appliance)["url"], once=options.once)
        if not options.once and not failures:
            console.print("\nThe appliance keeps running; Ctrl-C stops it.")
            wait_for_interrupt(appliance)
    finally:
        stop(appliance)
    return failures


def show(console: Console, folder: Path, data: Path, url: str, *, once: bool) -> int:
    """Run the demo against the appliance; return the number of things that were not as expected."""
    heading(console, "An organization and a key with the scopes govern and audit")
    org = command("orgs", "create", "--data", data, "--name", "Acme Bikes", "--plan", "pro",
                  "--owner-email", "owner@acme.example", "--json")  # fmt: skip
    key = command("keys", "create", "--data", data, "--org", org["id"], "--name", "demo", "--scopes", "govern,audit",
                  "--json")  # fmt: skip
    console.print(f"organization {org['id']}, key {key['prefix']}… ({', '.join(key['scopes'])})")

    heading(console, "What the agents asked, and what was decided")
    decisions, failures = govern(console, url, key["key"], folder / "witness")

    heading(console, "The ledger, judged by the standalone verifier")
    vkey = subprocess.run(
        [BIN / "governlayer", "ledger", "key", "--data", data], check=True, capture_output=True, text=True
    ).stdout.strip()
    dump = folder / "acme.gldump"
    written = command(
        "ledger", "dump", "--data", data, "--org", org["id"], "--payloads", "all", "--output", dump, "--json"
    )
    console.print(f"dump: {dump} ({written['records']} records)")
    failures += missing(console, dump, decisions)
    failures += verify(console, dump, vkey, expected=0)

    heading(console, "The same dump after one byte was changed")
    tampered = folder / "tampered.gldump"
    tamper(console, dump, tampered)
    failures += verify(console, tampered, vkey, expected=1)

    heading(console, "What to try next")
    lines = [
        f"export PATH={BIN}:$PATH",
        f"gl-verify {dump} --key {vkey}",
        f"governlayer policy lint {data / 'policies' / 'default.cedar'}",
    ]
    if not once:
        console.print(f"the appliance: {url}   (ready: {url}/readyz, API: {url}/openapi.json)")
        lines[0] += f" GOVERNLAYER_BASE_URL={url} GOVERNLAYER_API_KEY={key['key']}"
        lines.insert(1, f'curl -s {url}/v1/ledger -H "X-API-Key: $GOVERNLAYER_API_KEY"')
    for line in lines:
        console.print(f"  {line}", soft_wrap=True)
    return failures


def govern(console: Console, url: str, key: str, state: Path) -> tuple[list[Decision], int]:
    """Ask all questions of traffic.json as a customer would; return the decisions and the surprises."""
    table = Table(show_lines=False, header_style="bold")
    wide = console.width >= 120
    columns = ["#", "stage", "agent", "question", "decision", "risk", "record", "why"]
    for column in columns if wide else columns[:-1]:
        numeric = column in {"#", "risk", "record"}
        table.add_column(column, justify="right" if numeric else "left", no_wrap=column not in {"question", "why"})
    decisions, failures = [], 0
    with GovernLayer(key, base_url=url, timeout_s=10.0, state_dir=state) as client:
        for number, item in enumerate(json.loads((HERE / "traffic.json").read_text(encoding="utf-8")), start=1):
            decision = client.govern(**question(item["ask"]))
            decisions.append(decision)
            surprise = "" if decision.decision == item["expect"] else f" (expected {item['expect']})"
            failures += bool(surprise)
            colour = COLOURS.get(decision.decision, "white")
            shown = (
                f"[{colour}]{decision.decision}[/]" + ("" if decision.enforced else f" ({decision.mode})") + surprise
            )
            record = str(decision.ledger.seq) if decision.ledger else "none"
            row = [str(number), item["ask"]["stage"], item["ask"]["agent"], item["title"], shown,
                   str(decision.risk.score) if decision.risk else "", record, decision.reason]  # fmt: skip
            table.add_row(*row[: len(table.columns)])
    console.print(table)
    redacted = next(decision for decision in decisions if decision.decision == "redact")
    if redacted.redacted and redacted.redacted.content:
        console.print(f"what the model gets to see of a redacted prompt: {redacted.redacted.content[0].text!r}")
    return decisions, failures


def question(ask: dict) -> dict:
    """Return the arguments of ``govern`` for one entry of the file."""
    arguments = dict(ask)
    action = ask["action"]
    if isinstance(action, dict):
        tool = Tool(**action["tool"]) if "tool" in action else None
        arguments["action"] = Action(action["name"], tool=tool, arguments=action.get("arguments"))
    if "content" in ask:
        arguments["content"] = [Content(**item) for item in ask["content"]]
    if "resource" in ask:
        arguments["resource"] = Resource(**ask["resource"])
    return arguments


def missing(console: Console, dump: Path, decisions: list[Decision]) -> int:
    """Check that every recorded decision stands in the dump at the place that its answer named."""
    records = [json.loads(line) for line in dump.read_bytes().splitlines() if line.startswith(b'{"actor":')]
    recorded = [decision for decision in decisions if decision.ledger]
    lost = [
        decision
        for decision in recorded
        if records[decision.ledger.seq]["body"].get("decision_id") != decision.decision_id
    ]
    found = len(recorded) - len(lost)
    console.print(f"{found} of {len(recorded)} recorded decisions stand in the dump, each where its answer said")
    return len(lost)


def verify(console: Console, dump: Path, vkey: str, expected: int) -> int:
    """Run gl-verify and show what it says; return 1 if its verdict is not *expected*."""
    console.print(f"$ gl-verify {dump.name} --key {vkey}", style="bold", soft_wrap=True)
    result = subprocess.run([BIN / "gl-verify", dump, "--key", vkey], capture_output=True, text=True, check=False)
    console.print(result.stdout.rstrip() + result.stderr.rstrip(), markup=False, soft_wrap=True)
    console.print(f"exit status {result.returncode}")
    return int(result.returncode != expected)


def tamper(console: Console, dump: Path, tampered: Path) -> None:
    """Copy the dump with one byte of one decision changed."""
    lines = dump.read_bytes().split(b"\n")
    number = next(index for index, line in enumerate(lines) if b'"decision":"deny"' in line)
    old = lines[number]
    position = old.index(b'"score":') + len(b'"score":')
    digit = b"1" if old[position : position + 1] != b"1" else b"2"
    lines[number] = old[:position] + digit + old[position + 1 :]
    tampered.write_bytes(b"\n".join(lines))
    before, after = (json.loads(line)["body"]["risk"]["score"] for line in (old, lines[number]))
    console.print(f"record {json.loads(old)['seq']}: risk score {before} became {after}")


def launch(data: Path, port: int) -> subprocess.Popen:
    """Start the appliance, in a session of its own: Ctrl-C reaches this program, which then stops it in order."""
    process = subprocess.Popen(
        [BIN / "governlayer", "up", "--data", data, "--port", str(port), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    threading.Thread(target=pass_on, args=(process,), daemon=True).start()
    return process


def ready(process: subprocess.Popen) -> dict:
    """Return what the appliance says of itself once it serves."""
    line = process.stdout.readline()
    if not line:
        sys.exit(f"demo: the appliance did not start (status {process.wait()})")
    return json.loads(line)


def pass_on(process: subprocess.Popen) -> None:
    """Show the appliance's progress, not its access log."""
    for line in process.stderr:
        if not line.startswith("{") and "next:" not in line:
            print(line, end="", file=sys.stderr, flush=True)


def wait_for_interrupt(process: subprocess.Popen) -> None:
    """Return at Ctrl-C, at SIGTERM, or when the appliance ends."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    while process.poll() is None and not stopped.wait(0.5):
        pass


def stop(process: subprocess.Popen) -> None:
    """Stop the appliance, and with it all that it started."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()


@contextmanager
def only_demo_in(folder: Path) -> Iterator[None]:
    """Hold *folder* for this demo, without what an earlier demo left there; nothing else is ever removed."""
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / MARKER
    if not marker.exists() and any(folder.iterdir()):
        sys.exit(f"demo: {folder} holds something else; choose another folder with --data")
    with marker.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"demo: another demo runs in {folder}; stop it, or choose another folder with --data")
        for made in ("appliance", "witness"):
            shutil.rmtree(folder / made, ignore_errors=True)
        for dump in ("acme.gldump", "tampered.gldump"):
            (folder / dump).unlink(missing_ok=True)
        yield


def command(*arguments: object) -> dict:
    """Run a governlayer command and return what it says as JSON."""
    result = subprocess.run([BIN / "governlayer", *map(str, arguments)], capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"demo: governlayer {arguments[0]} {arguments[1]} failed: {result.stderr.strip()}")
    return json.loads(result.stdout)


def heading(console: Console, text: str) -> None:
    """Print *text* as a heading."""
    console.print()
    console.rule(text, align="left")


if __name__ == "__main__":
    sys.exit(main())
