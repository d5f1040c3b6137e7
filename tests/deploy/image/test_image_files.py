"""What can be told of the image without an engine: from its Containerfile and the files beside it."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tools.bootstrap import locked_uv
from tools.wheelhouse import EMBEDDED, export

ROOT = Path(__file__).parents[3]
IMAGE = ROOT / "deploy" / "image"
CONTAINERFILE = (IMAGE / "Containerfile").read_text(encoding="utf-8")
# One line each, without comments.
INSTRUCTIONS = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", CONTAINERFILE, flags=re.MULTILINE)).strip().splitlines()
STAGES = [stage.splitlines() for stage in re.split(r"(?=^FROM )", "\n".join(INSTRUCTIONS), flags=re.MULTILINE)[1:]]


def of(kind: str, stage: list[str]) -> list[str]:
    return [line.removeprefix(f"{kind} ") for line in stage if line.startswith(f"{kind} ")]


def listed() -> list[str]:
    return [
        line for line in (IMAGE / "images.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]


def test_each_stage_begins_with_the_given_base_and_the_last_with_nothing() -> None:
    bases = [stage[0].split()[1] for stage in STAGES]
    assert bases == ["${BASE}", "${BASE}", "${BASE}", "scratch"]
    assert not any(line.startswith("ADD ") for line in INSTRUCTIONS)


def test_only_the_wheelhouse_may_use_a_network() -> None:
    assert [bool(of("RUN", stage)) for stage in STAGES] == [True, True, True, False]
    runs = [line for stage in STAGES[1:] for line in of("RUN", stage)]
    assert all(line.startswith("--network=none ") for line in runs)


def test_no_host_and_nothing_of_the_build_stands_in_it() -> None:
    told = "\n".join(INSTRUCTIONS)
    assert not re.search(r"https?://|PROXY|INDEX_URL|PIP_|SSL_CERT|GITHUB", told)
    assert not re.search(r":latest\b", told)


def test_what_runs_is_no_root_and_is_checked_and_stopped_in_order() -> None:
    last = STAGES[-1]
    assert of("USER", last) == ["10001:10001"]
    assert of("STOPSIGNAL", last) == ["SIGTERM"]
    assert of("ENTRYPOINT", last) == ['["governlayer"]']
    assert of("CMD", last) == ['["serve"]']
    assert of("HEALTHCHECK", last)[0].endswith('CMD ["governlayer", "healthcheck"]')


def test_the_context_has_what_is_copied_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    folders = {line.removesuffix("/*") for line in lines if line.endswith("/*") and line != "**/*"}
    allowed = {line[1:] for line in lines if line.startswith("!")} - folders
    copies = [line.split() for stage in STAGES for line in of("COPY", stage) if not line.startswith("--from=")]
    copied = {word.rstrip("/") for words in copies for word in words[:-1] if not word.startswith("--")}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied if not name.startswith("dist/"))


def test_the_wheelhouse_has_a_hash_for_each_package_and_no_embedded_server(tmp_path: Path) -> None:
    export(locked_uv(), tmp_path / "requirements.txt")
    blocks = re.split(r"\n(?=\S)", (tmp_path / "requirements.txt").read_text(encoding="utf-8").strip())
    assert len(blocks) > 50
    assert all("--hash=sha256:" in block for block in blocks)
    assert not {block.partition("==")[0] for block in blocks} & {*EMBEDDED, "pytest", "setuptools"}


def test_the_list_of_images_agrees_with_both_bundles_and_the_base() -> None:
    base = re.search(r"^ARG BASE=(\S+)$", CONTAINERFILE, re.MULTILINE)
    compose = re.findall(r"^#? ?[A-Z]+_IMAGE (\S+)", (ROOT / "deploy/compose/images.txt").read_text(), re.MULTILINE)
    values = yaml.safe_load((ROOT / "deploy/helm/governlayer/values.yaml").read_text(encoding="utf-8"))
    chart = {f"{image['registry']}/{image['repository']}:{image['tag']}" for image in images_in(values) if image["tag"]}
    assert base is not None
    needed = {base[1], *chart, *(name for name in compose if not name.startswith("governlayer/"))}
    assert set(listed()) == needed
    assert len(listed()) == len(needed)


def images_in(values: dict) -> list[dict]:
    """Return the images that *values* of the chart name, at whatever depth."""
    found = [value for value in values.values() if isinstance(value, dict) and "repository" in value]
    inner = [value for value in values.values() if isinstance(value, dict)]
    return found + [image for value in inner for image in images_in(value)]


@pytest.mark.parametrize("answer", ["", "unknown"])
def test_a_digest_is_never_made_up(tmp_path: Path, answer: str) -> None:
    skopeo = tmp_path / "skopeo"
    skopeo.write_text(f"#!/bin/sh\n{'exit 1' if not answer else 'echo ' + answer}\n")
    skopeo.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run([IMAGE / "lock-images.sh"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_digests_are_those_that_the_registry_tells(tmp_path: Path) -> None:
    skopeo = tmp_path / "skopeo"
    skopeo.write_text('#!/bin/sh\necho "sha256:$(echo "$4" | sha256sum | cut -c 1-64)"\n')
    skopeo.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run([IMAGE / "lock-images.sh"], env=environment, capture_output=True, text=True, check=True)
    assert [line.partition("@")[0] for line in done.stdout.splitlines()] == [
        name.rpartition(":")[0] for name in listed()
    ]
    assert all(re.search(r"@sha256:[0-9a-f]{64} # \S+$", line) for line in done.stdout.splitlines())


@pytest.fixture
def buildah(tmp_path: Path) -> Path:
    """A Buildah that notes what it was asked and builds nothing; build.sh ends with its 7."""
    program = tmp_path / "buildah"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >"$0.asked"\nexit 7\n')
    program.chmod(0o755)
    return program


def build(buildah: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{buildah.parent}:/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1", "REVISION": "x"}
    command = [IMAGE / "build.sh", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


PINNED = f"python@sha256:{'a1' * 32}"


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--build-arg", "BASE=python:3.11"],
        ["--build-arg=BASE=python:3.11"],
        ["--build-arg", f"BASE={PINNED[:-1]}"],
        ["--build-arg", f"BASE={PINNED}:3.11"],
        ["--build-arg", f"OTHER={PINNED}"],
        ["--annotation", f"BASE={PINNED}"],
        ["--build-arg", f"BASE={PINNED}", "--build-arg", "BASE=python:3.11"],
    ],
)
def test_a_base_without_a_digest_is_refused_before_anything_is_built(buildah: Path, options: list[str]) -> None:
    done = build(buildah, "us:1", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("build: the base has no digest: give --build-arg BASE=")
    assert not buildah.with_name("buildah.asked").exists()
    assert build(buildah, "--unpinned", "us:1", *options).returncode == 7
    assert "BASE_DIGEST=unpinned" in buildah.with_name("buildah.asked").read_text().splitlines()


@pytest.mark.parametrize(
    "options",
    [
        ["--from", "other"], ["--from=other"], ["--file", "Other"], ["--file=Other"], ["-f", "Other"], ["-fOther"],
        ["-qf", "Other"], ["--build-arg-file", "x"], ["--build-arg-file=x"], ["--build-context", "python=docker://other"],
        ["--build-context=python=docker://other"], ["--build-arg", "BASE"], ["--build-arg=BASE"], ["--target=system"],
        ["--build-arg", "BASE_DIGEST=sha256:0"], ["--build-arg=BASE_DIGEST=sha256:0"], ["--build-arg", "BASE_DIGEST"],
        ["--label", "org.opencontainers.image.base.digest=sha256:0"], ["--unsetlabel=x"], ["--", "elsewhere"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [[], ["--unpinned"]])
def test_what_would_make_the_label_untrue_is_refused(buildah: Path, first: list[str], options: list[str]) -> None:
    pinned = ["--build-arg", f"BASE={PINNED}"]
    for given in ([*pinned, *options], [*options, *pinned]):
        done = build(buildah, *first, "us:1", *given)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.endswith(
            ": the base is what --build-arg BASE=… says, and the Containerfile and the labels are ours\n"
        )
    assert not buildah.with_name("buildah.asked").exists()


def test_a_base_that_is_another_options_value_is_the_one_that_is_built(buildah: Path) -> None:
    """Buildah takes it for a note, and would take the Containerfile's own base."""
    assert build(buildah, "us:1", "--annotation", f"--build-arg=BASE={PINNED}").returncode == 7
    asked = buildah.with_name("buildah.asked").read_text().splitlines()
    assert asked[-5:-3] == ["--build-arg", f"BASE={PINNED}"]


@pytest.mark.parametrize("options", [["--build-arg", f"BASE={PINNED}"], [f"--build-arg=BASE={PINNED}"]])
@pytest.mark.parametrize("first", [[], ["--unpinned"]])
def test_the_label_has_the_digest_of_the_base(buildah: Path, first: list[str], options: list[str]) -> None:
    assert build(buildah, *first, "us:1", *options).returncode == 7
    asked = buildah.with_name("buildah.asked").read_text().splitlines()
    assert f"BASE_DIGEST=sha256:{'a1' * 32}" in asked
    ours = ["--build-arg", f"BASE={PINNED}", "--build-arg", f"BASE_DIGEST=sha256:{'a1' * 32}", "."]
    assert asked[-len(options) - len(ours) :] == [*options, *ours]
    assert of("ARG", STAGES[-1])[0].split()[:2] == ["BASE", "BASE_DIGEST=unpinned"]
    assert 'org.opencontainers.image.base.digest="${BASE_DIGEST}"' in of("LABEL", STAGES[-1])[0]
