"""The Compose files, as a current Compose implementation reads them: each combination, each service, each hardening."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.compose.bundle import BUNDLE, DIGEST, FILES, SETTINGS, compose_config

COMBINATIONS = [(FILES[0], *more) for count in range(len(FILES)) for more in itertools.combinations(FILES[1:], count)]
ALL = COMBINATIONS[-1]
ONCE = {"init", "migrate", "restore"}
ROOT_WITH_ONE_RIGHT = "init"
# Made at the installation, not part of the bundle.
MADE = {"config/policies.cedar", "config/tls", "backups"}
Parse = Callable[[tuple[str, ...]], dict[str, Any]]


@pytest.fixture(scope="module")
def parsed() -> Parse:
    """Return what Compose makes of a combination of files; each is asked for once."""
    known = dict[tuple[str, ...], dict[str, Any]]()

    def parse(files: tuple[str, ...]) -> dict[str, Any]:
        if files not in known:
            done = compose_config(files)
            assert (done.returncode, done.stderr) == (0, "")
            known[files] = json.loads(done.stdout)
        return known[files]

    return parse


@pytest.mark.parametrize("files", COMBINATIONS, ids=" + ".join)
def test_each_combination_is_accepted_without_a_warning(parsed: Parse, files: tuple[str, ...]) -> None:
    assert set(parsed(files)["services"]) >= {"init", "migrate", "postgres", "redis", "server", "backup", "restore"}


@pytest.mark.parametrize(
    ("written", "instead", "named"),
    [
        ("read_only: true\n  cap_drop", "read_onlyy: true\n  cap_drop", "read_onlyy"),
        ("    stop_signal: SIGINT", "    stop_signal: SIGINT\n    pids_limit: 5", "pids_limit"),
        ("condition: service_healthy", "condition: service_is_fine", "condition"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, written: str, instead: str, named: str) -> None:
    text = (BUNDLE / FILES[0]).read_text("utf-8")
    assert written in text
    bad = tmp_path / "compose.yaml"
    bad.write_text(text.replace(written, instead, 1), "utf-8")
    done = compose_config([bad])
    assert done.returncode != 0
    assert named in done.stderr


@pytest.mark.parametrize("name", ["GOVERNLAYER_IMAGE", "POSTGRES_IMAGE", "REDIS_IMAGE", "DEPLOYMENT", "SERVER_NAMES"])
def test_without_what_install_writes_nothing_starts(name: str) -> None:
    done = compose_config(settings={key: value for key, value in SETTINGS.items() if key != name})
    assert done.returncode != 0
    assert name in done.stderr
    assert "./install.sh" in done.stderr


def services(parsed: Parse, files: tuple[str, ...] = ALL) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from parsed(files)["services"].items()


def test_every_service_is_hardened(parsed: Parse) -> None:
    for name, one in services(parsed):
        assert one["read_only"], name
        assert one["cap_drop"] == ["ALL"], name
        assert one.get("cap_add", []) == (["CHOWN"] if name == ROOT_WITH_ONE_RIGHT else []), name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert re.fullmatch(r"[0-9]+:[0-9]+", one["user"]), name
        assert (one["user"] == "0:0") is (name == ROOT_WITH_ONE_RIGHT), name
        assert any(mount.startswith("/tmp:") and "noexec" in mount for mount in one["tmpfs"]), name
        assert set(one["deploy"]["resources"]["limits"]) == {"memory", "cpus", "pids"}, name
        assert one["ulimits"] == {"core": {}}, name  # nought is left out
        assert "stop_grace_period" in one, name
        assert one["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}, name
        assert not {"privileged", "pid", "ipc", "devices", "userns_mode", "pids_limit"} & set(one), name


def test_what_serves_is_watched_and_what_ends_is_not_started_again(parsed: Parse) -> None:
    for name, one in services(parsed):
        check = one["healthcheck"]
        assert one["restart"] == ("no" if name in ONCE else "unless-stopped"), name
        assert check.get("disable", False) is (name in ONCE), name
        assert name in ONCE or check["test"][0] in {"CMD", "CMD-SHELL"}, name


def test_images_are_pinned_and_fetched_from_nowhere(parsed: Parse) -> None:
    for name, one in services(parsed):
        assert one["image"] == DIGEST, name
        assert one["pull_policy"] == "never", name
        assert "build" not in one, name
    images = (BUNDLE / "images.txt").read_text("utf-8")
    assert "latest" not in images
    named = re.findall(r"^([A-Z]+_IMAGE) \S+:[0-9][0-9.]*(?: optional)?$", images, flags=re.MULTILINE)
    assert sorted(named) == ["GOVERNLAYER_IMAGE", "POSTGRES_IMAGE", "PROXY_IMAGE", "REDIS_IMAGE"]


def test_what_starts_waits_for_what_it_needs(parsed: Parse) -> None:
    waits = {
        name: {other: how["condition"] for other, how in one.get("depends_on", {}).items()}
        for name, one in services(parsed)
    }
    done, healthy = "service_completed_successfully", "service_healthy"
    assert waits["postgres"] == waits["redis"] == {"init": done}
    assert waits["migrate"] == {"init": done, "postgres": healthy}
    assert waits["server"] == waits["backup"] == {"migrate": done, "postgres": healthy, "redis": healthy}
    assert waits["proxy"] == {"server": healthy}


def test_data_is_reached_from_inside_only(parsed: Parse) -> None:
    whole = parsed(ALL)
    assert whole["networks"]["data"]["internal"] is True
    reached = {name: set(one.get("networks", {})) for name, one in services(parsed)}
    assert reached.pop("server") == {"edge", "data"}
    assert reached.pop("proxy") == {"edge"}
    assert reached.pop("init") == set()
    assert whole["services"]["init"]["network_mode"] == "none"
    assert set(map(frozenset, reached.values())) == {frozenset({"data"})}


@pytest.mark.parametrize(("files", "published"), [(FILES[:1], "server"), (FILES[:2], "proxy")])
def test_one_port_is_open_on_loopback_only(parsed: Parse, files: tuple[str, ...], published: str) -> None:
    for name, one in services(parsed, files):
        ports = [(port["host_ip"], port["published"], port["target"]) for port in one.get("ports", [])]
        assert ports == ([("127.0.0.1", "8600", 8600)] if name == published else []), name


def test_no_secret_is_in_a_file_or_an_environment(parsed: Parse) -> None:
    whole = parsed(ALL)
    assert "secrets" not in whole
    assert "configs" not in whole
    for name, one in services(parsed):
        assert not one.get("env_file"), name
        for setting, value in one.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|PASSPHRASE|TOKEN|PEPPER|KEY_ENCRYPTION_KEY|TLS_KEY", setting):
                assert setting.endswith("_FILE") or setting == "GOVERNLAYER_TLS_KEY", (name, setting)
                assert value.startswith("/run/governlayer/"), (name, setting)
    assert not re.search(r"(PASSWORD|SECRET|KEY|PASSPHRASE|TOKEN)=", (BUNDLE / "install.sh").read_text("utf-8"))


def test_the_owner_of_the_tables_is_known_to_few(parsed: Parse) -> None:
    """Who serves clients has neither the owner's password nor the passphrase, and reaches no backup."""
    may = {"init", "migrate", "backup", "restore"}
    for name, one in services(parsed):
        sources = {mount["source"] for mount in one["volumes"]}
        assert ("owner" in sources) is (name in may), name
        assert ("authority" in sources) is (name == "init"), name
        assert (str(BUNDLE / "backups") in sources) is (name in {"init", "backup", "restore"}), name


def test_every_mount_leads_somewhere_and_files_are_read_only(parsed: Parse) -> None:
    whole = parsed(ALL)
    used = set[str]()
    for name, one in services(parsed):
        for mount in one["volumes"]:
            source = mount["source"]
            if mount["type"] == "volume":
                used.add(source)
                assert source in whole["volumes"], (name, source)
                continue
            relative = str(Path(source).relative_to(BUNDLE))
            assert relative in MADE or (BUNDLE / relative).is_file(), (name, source)
            assert mount.get("read_only") or relative == "backups", (name, source)
    assert used == set(whole["volumes"])


def test_secrets_are_written_by_init_and_restore_alone(parsed: Parse) -> None:
    for name, one in services(parsed):
        for mount in one["volumes"]:
            if mount["source"] in {"secrets", "tls", "owner", "postgres-files", "redis-files", "proxy-files"}:
                writes = name == "init" or (name, mount["source"]) == ("restore", "secrets")
                assert bool(mount.get("read_only")) is not writes, (name, mount["source"])


def test_every_file_that_a_setting_names_is_made_by_init(parsed: Parse) -> None:
    """What is mounted under /run/governlayer is known from init.py; later keys are rotated into place."""
    init = (BUNDLE / "files" / "init.py").read_text("utf-8")
    for name, one in services(parsed):
        for setting, value in one.get("environment", {}).items():
            if value.startswith("/run/governlayer/") and "/own/" not in value and not setting.endswith("_NEXT_FILE"):
                assert f'"{Path(value).name}"' in init, (name, setting)


def test_postgresql_admits_tls_and_passwords_only() -> None:
    rules = [
        line.split() for line in (BUNDLE / "files/pg_hba.conf").read_text().splitlines() if line and line[0] != "#"
    ]
    assert [(rule[0], rule[-1]) for rule in rules] == [("local", "peer"), ("hostssl", "scram-sha-256")]
    settings = (BUNDLE / "files/postgresql.conf").read_text()
    for line in ("ssl = on", "fsync = on", "full_page_writes = on", "synchronous_commit = on", "wal_recycle = off"):
        assert f"\n{line}\n" in settings


def test_redis_is_deaf_to_plain_text_forgets_and_evicts_nothing() -> None:
    lines = (BUNDLE / "files/redis.conf").read_text().splitlines()
    assert {"port 0", "tls-port 6379", 'save ""', "appendonly no", "maxmemory-policy noeviction"} <= set(lines)


def test_a_replica_that_lacks_redis_alone_is_not_taken_out() -> None:
    lines = (BUNDLE / "files/haproxy.cfg").read_text().splitlines()
    asked = [line.split()[4:6] for line in lines if line.strip().startswith("http-check send")]
    assert asked == [["uri", "/readyz?exclude=redis"]]


def test_the_mark_is_kept_by_what_always_runs_and_made_and_removed_by_the_scripts_alone(parsed: Parse) -> None:
    """A volume that no container has is removed by `docker volume prune --all`."""
    mark = parsed(ALL)["volumes"]["installation"]
    assert (mark["name"], mark["external"]) == ("governlayer_installation", True)
    has = [(name, mount.get("read_only")) for name, one in services(parsed) for mount in one["volumes"]
           if mount["source"] == "installation"]  # fmt: skip
    assert has == [("postgres", True)]
