"""
Jobs. They run in .venv, which `./run` keeps at what uv.lock says.

    ./run demo [--once]      the main job, end to end
    ./run test               all that a clean checkout must pass
"""

import hashlib
import os
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["test"]
ROOT = Path(__file__).parent
PYTHON = sys.executable
# Real engines of the sessions that CI does not run: tools/engines makes them there.
ENGINES = os.environ.get("GOVERNLAYER_ENGINES", str(ROOT / ".tools" / "engines"))
SOURCES = ("server", "sdk", "verifier", "tests", "bench", "demo", "deploy", "tools", "noxfile.py")
PACKAGES = {"server": "governlayer-server", "sdk": "governlayer", "verifier": "governlayer-verifier"}
# The wheel's own tests, and what they need besides it. Of the server's those that go through all that is installed; the
# session `tests` runs the others.
_ALONE = ("app", "ledger_proofs", "metrics", "observe", "openapi", "security_headers", "sign_in_routes")
ALONE_PAGES = " ".join(f"tests/server/web/test_{name}.py" for name in _ALONE)
ALONE = {
    "verifier": ("tests/verifier", ["cryptography", "rfc3161-client", "rfc8785", "zstandard"]),
    "sdk": ("tests/sdk", []),
    "server": (f"{ALONE_PAGES} tests/contract", ["aiosmtpd", "flask", "flask-cors", "moto[s3]", "rfc8785"]),
}
# Folders whose docstrings have examples.
DOCTESTS = [
    "server/src/governlayer_server/console",
    "server/src/governlayer_server/domain",
    "server/src/governlayer_server/web",
    "tools/claims.py",
    "tools/papers.py",
]
TEST_TOOLS = ["hypothesis", "pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist"]
# These settings alone: a file of settings beside pyproject.toml, or in a folder, would replace them.
PYTEST = ["-m", "pytest", "-c", "pyproject.toml"]
# One process more than there are cores: much of the time is spent on waiting for clocks and disks.
PROCESSES = min(4, len(os.sched_getaffinity(0)) + 1)
SPREAD = ["-n", str(PROCESSES), "--dist", "loadfile", "--no-loadscope-reorder"]


@nox.session
def demo(session: nox.Session) -> None:
    """The main job, end to end; `--once` ends by itself."""
    # At Ctrl-C the demo stops the appliance in order; nox has to give it the time.
    session.run(PYTHON, "demo/run.py", *session.posargs, interrupt_timeout=60, terminate_timeout=60)


@nox.session
def test(session: nox.Session) -> None:
    """All that a clean checkout must pass."""
    for job in ("lint", "types", "imports", "audit", "installs", "dependencies", "sbom", "vectors", "tests", "alone"):
        session.notify(job)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and common mistakes."""
    # These settings alone: a file of settings in a folder would replace them there.
    ours = ["--config", "pyproject.toml"]
    session.run(PYTHON, "-m", "ruff", "format", "--check", *ours, *SOURCES)
    session.run(PYTHON, "-m", "ruff", "check", *ours, *SOURCES)


@nox.session
def types(session: nox.Session) -> None:
    """Types, strict."""
    session.run(PYTHON, "-m", "mypy", "--config-file", "pyproject.toml")


@nox.session
def imports(session: nox.Session) -> None:
    """Who may know whom."""
    session.run(tool("lint-imports"), "--no-cache", "--config", "pyproject.toml")


@nox.session
def audit(session: nox.Session) -> None:
    """Known-dangerous code."""
    # These settings alone: else a file .bandit beside the sources could skip checks.
    ours = ["--ini", "security/bandit.ini", "-c", "security/bandit.toml"]
    session.run(PYTHON, "-m", "bandit", "-q", *ours, "-r", "server/src", "sdk/src", "verifier/src")


@nox.session
def installs(session: nox.Session) -> None:
    """The lock is what is asked for, and nothing is installed without its hash."""
    uv(session, "lock", "--check", "--quiet")
    session.run(PYTHON, "-m", "tools.installs")
    rules = "{extends: default, rules: {line-length: {max: 120}, document-start: disable, truthy: {check-keys: false}}}"
    session.run(PYTHON, "-m", "yamllint", "--strict", "-d", rules, ".github")


@nox.session
def dependencies(session: nox.Session) -> None:
    """Known vulnerabilities of what is installed; says what could not be audited (`--release` fails then)."""
    session.run(PYTHON, "-m", "tools.audit", *session.posargs)


@nox.session
def sbom(session: nox.Session) -> None:
    """Write the bill of materials of each distribution into dist/."""
    for folder, name in PACKAGES.items():
        session.run(PYTHON, "-m", "tools.sbom", folder, "-o", f"dist/{name}.cdx.json")


@nox.session
def vectors(session: nox.Session) -> None:
    """Recompute the vectors' hashes with coreutils alone."""
    session.run("bash", "tests/vectors/check.sh", external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """
    All tests, and the examples in docstrings; a full run holds the claims against them (security/claims.toml).

    A full run uses up to four processes; the tests of a file run in one of them, with the servers started for it.
    """
    chosen = session.posargs or [
        *SPREAD,
        "-p",
        "tools.claims",
        "--claims",
        "security/claims.toml",
        "--papers",
        "security",
    ]
    session.run(PYTHON, *PYTEST, "--doctest-modules", *DOCTESTS, "tests", "--ignore=tests/engines", *chosen)


@nox.session
def crosscheck(session: nox.Session) -> None:
    """The server writes, the verifier judges."""
    session.run(PYTHON, *PYTEST, "tests/crosscheck", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """The pages in a real browser; needs Debian's chromium and chromium-driver."""
    session.run(PYTHON, *PYTEST, "tests/browser", *session.posargs)


@nox.session
def cluster(session: nox.Session) -> None:
    """The chart on a real Kubernetes, made from Debian's source; needs root and half an hour the first time."""
    session.run("tools/helm.sh", external=True)
    session.run("tools/engines/kubernetes.sh", f"{ENGINES}/k8sbin", external=True)
    session.run(PYTHON, *PYTEST, "-s", "tests/engines/cluster", *session.posargs)


@nox.session
def compose(session: nox.Session) -> None:
    """The Compose bundle on a real engine; needs root, and the images that the session `image` makes."""
    session.run(PYTHON, *PYTEST, "-q", "tests/engines/compose", *session.posargs)


@nox.session
def image(session: nox.Session) -> None:
    """The image built twice, and hardened on a real engine; needs root and Debian's mmdebstrap."""
    hadolint = ROOT / ".tools" / "hadolint"
    exact = ["--require-hashes", "-r", "tools/engines/hadolint.txt"]
    uv(session, "pip", "install", "--quiet", "--python", PYTHON, "--target", str(hadolint), *exact)
    files = ["deploy/image/Containerfile", *sorted(map(str, Path("tools/engines/images").glob("*.Containerfile")))]
    session.run(str(hadolint / "bin" / "hadolint"), *files, external=True)
    session.run(PYTHON, *PYTEST, "tests/engines/image", *session.posargs)


@nox.session
def airgap(session: nox.Session) -> None:
    """The appliance where nothing else can be reached: what it sends elsewhere is counted; needs what `image` needs."""
    session.run(PYTHON, *PYTEST, "tests/engines/airgap", *session.posargs)


@nox.session
def failover(session: nox.Session) -> None:
    """Primaries of PostgreSQL and masters of Redis killed under load, KILLS times each (20); needs root and an hour."""
    session.run("tools/engines/tree.sh", f"{ENGINES}/trixie", external=True)
    alone = ["unshare", "--pid", "--fork", "--mount-proc", "--net", "--mount", "--propagation", "private"]
    # The shell reaps what was killed: Patroni waits for a process that is a zombie.
    reaping = ["bash", "-c", '"$@"; exit $?', "failover"]
    tested = [*PYTEST, "-s", "tests/engines/failover"]
    session.run(*alone, *reaping, PYTHON, *tested, *session.posargs, external=True)


@nox.session
def alone(session: nox.Session) -> None:
    """Each wheel installs into an empty environment and passes its tests there."""
    with tempfile.TemporaryDirectory(prefix="governlayer-alone-") as scratch:
        # Servers that root starts run as another user, who must be able to reach the environments made here.
        Path(scratch).chmod(0o755)
        pins = Path(scratch) / "pins.txt"
        uv(session, "export", "--quiet", "--frozen", "--all-packages", "--no-emit-workspace", "-o", str(pins))
        for name, (paths, needs) in ALONE.items():
            test_alone(session, name, Path(scratch), pins, paths.split(), needs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated pages of docs/reference."""
    session.run(PYTHON, "-m", "tools.reference")


@nox.session
def pyz(session: nox.Session) -> None:
    """Write dist/gl-verify.pyz, the verifier in one file, the same bytes every time."""
    session.run(PYTHON, "-m", "tools.pyz", *session.posargs)


@nox.session
def dist(session: nox.Session) -> None:
    """Write all that a release consists of into dist/, the same bytes every time."""
    session.run(PYTHON, "-m", "tools.dist", *session.posargs)


@nox.session(name="release-check")
def release_check(session: nox.Session) -> None:
    """What a release needs besides `test`: a committed tree, and an answer about every dependency."""
    session.run(PYTHON, "-m", "tools.dist", "--release")
    session.run(PYTHON, "-m", "tools.audit", "--release")


@nox.session
def bench(session: nox.Session) -> None:
    """Print figures: all programs in bench/, or those named."""
    for program in sorted((ROOT / "bench").glob("*.py")):
        if not session.posargs or program.stem in session.posargs:
            session.run(PYTHON, str(program))


def test_alone(session: nox.Session, name: str, scratch: Path, pins: Path, paths: list[str], needs: list[str]) -> None:
    wheels, environment = scratch / f"{name}-wheel", scratch / f"{name}-venv"
    uv(session, "build", "--quiet", "--wheel", "--package", PACKAGES[name], "-o", str(wheels))
    wheel = next(wheels.glob("*.whl"))
    uv(session, "venv", "--quiet", "--python", PYTHON, str(environment))
    python = str(environment / "bin" / "python")
    exact = ["--require-hashes", "-c", str(pins)]
    ours = f"{PACKAGES[name]} @ {wheel.as_uri()}#sha256={hashlib.sha256(wheel.read_bytes()).hexdigest()}"
    uv(session, "pip", "install", "--quiet", "--python", python, *exact, ours)
    if name == "verifier":
        require_no_dependency(session, wheel)
        session.run(str(environment / "bin" / "gl-verify"), "--self-test", external=True)
    uv(session, "pip", "install", "--quiet", "--python", python, *exact, *pinned(pins, [*TEST_TOOLS, *needs]))
    # Tests are copied out of the repository, so that nothing but the wheel can be imported.
    tests_copy = scratch / f"{name}-tests"
    shutil.copytree(ROOT / "tests", tests_copy / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tests_copy)
    shutil.copytree(ROOT / "docs" / "reference", tests_copy / "docs" / "reference")
    (tests_copy / name).mkdir()
    shutil.copy(ROOT / name / "README.md", tests_copy / name)  # its snippet is a test
    with session.chdir(tests_copy):
        session.run(python, *PYTEST, "-q", *SPREAD, *paths, external=True)


def pinned(pins: Path, names: list[str]) -> list[str]:
    """Return *names* with their versions in *pins*; one that is not locked ends it."""
    versions = dict(re.findall(r"^([\w.-]+)==(\S+)", pins.read_text(encoding="utf-8"), flags=re.MULTILINE))
    return [f"{name}=={versions[name.partition('[')[0]]}" for name in names]


def require_no_dependency(session: nox.Session, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        needed = re.findall(r"^Requires-Dist: .*$", archive.read(metadata).decode(), flags=re.MULTILINE)
    if needed:
        session.error(f"the verifier's wheel has dependencies: {needed}")


def uv(session: nox.Session, *arguments: str) -> None:
    cache = str(ROOT / ".tools" / "cache")
    session.run(
        tool("uv"), *arguments, external=True, env={**os.environ, "UV_SYSTEM_CERTS": "1", "UV_CACHE_DIR": cache}
    )


def tool(name: str) -> str:
    return str(Path(PYTHON).parent / name)
