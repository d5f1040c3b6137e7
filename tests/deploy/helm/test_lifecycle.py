"""A release's life against a stand-in API server, by both Helms: nothing that cannot be made again is ever lost."""

import base64
import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import helm_python
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.deploy.helm.api_server import ApiServer
from tests.deploy.helm.engines import CHART, NAME, NAMESPACE, Helm, Helm3, Helm4, HelmFailed, helm3
from tests.deploy.helm.object_store import Key, Manifest, Refused


class Cluster:
    """The stand-in, and a Helm that talks to it."""

    def __init__(self, server: ApiServer, helm: Helm) -> None:
        self.server = server
        self.helm = helm

    @property
    def deployment(self) -> Manifest:
        return self.server.store.objects[Key("apps/v1", "deployments", NAMESPACE, NAME)]

    @property
    def kept(self) -> dict[Key, Manifest]:
        """What must outlive the release: Secrets, as they are stored, but for certificates."""
        return {
            key: copy.deepcopy(item["data"])
            for key, item in self.server.store.objects.items()
            if key.plural == "secrets" and key.name in {f"{NAME}-secrets", f"{NAME}-ca"}
        }

    def secret(self, suffix: str) -> dict[str, bytes]:
        """Return what a Secret of the release holds."""
        stored = self.server.store.objects[Key("v1", "secrets", NAMESPACE, f"{NAME}-{suffix}")]
        return {key: base64.b64decode(value) for key, value in stored["data"].items()}

    @property
    def names(self) -> set[str]:
        return {f"{key.plural}/{key.name}" for key in self.server.store.objects}


@contextmanager
def _helm3(server: ApiServer, home: Path) -> Iterator[Helm]:
    yield Helm3(helm3(), server.write_kubeconfig(home / "config"), home)


@contextmanager
def _helm4(server: ApiServer, home: Path) -> Iterator[Helm]:
    # Releases are kept in memory: Helm 4 sends their Secrets as protobuf, which the stand-in does not speak.
    with helm_python.Config(
        kubeconfig_path=server.write_kubeconfig(home / "config"), namespace=NAMESPACE, storage_driver="memory"
    ) as config:
        yield Helm4(config)


@pytest.fixture(params=[_helm3, _helm4], ids=["helm3", "helm4"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    opened: Callable[[ApiServer, Path], Iterator[Helm]] = request.param
    with ApiServer.running() as server, opened(server, tmp_path) as helm:
        yield Cluster(server, helm)
        assert server.store.invalid == []


def test_a_release_lives_and_its_secrets_outlive_it(cluster: Cluster) -> None:
    cluster.helm.install(CHART, {"replicas": 1})
    made = cluster.kept
    assert len(made) == 2
    assert all(data for data in made.values())

    cluster.helm.upgrade(CHART, {"replicas": 3})
    assert cluster.deployment["spec"]["replicas"] == 3
    assert cluster.kept == made
    cluster.helm.rollback(1)
    assert cluster.deployment["spec"]["replicas"] == 1
    assert cluster.kept == made

    cluster.helm.uninstall()
    assert cluster.names == {f"secrets/{NAME}-secrets", f"secrets/{NAME}-ca"}
    assert cluster.kept == made
    cluster.helm.install(CHART, {"replicas": 1})
    assert cluster.kept == made


def test_an_upgrade_without_a_secret_or_one_of_its_keys_is_refused_and_changes_nothing(cluster: Cluster) -> None:
    cluster.helm.install(CHART, {"replicas": 1})
    whole = copy.deepcopy(cluster.server.store.objects)
    lost = [(key, name) for key in cluster.kept for name in (None, *cluster.kept[key])]
    assert len(lost) > 10
    for key, name in lost:
        objects = cluster.server.store.objects
        objects.clear()
        objects.update(copy.deepcopy(whole))
        if name is None:
            del objects[key]
        else:
            del objects[key]["data"][name]
        before = copy.deepcopy(objects)
        with pytest.raises(HelmFailed, match=key.name if name is None else f"{key.name} .*{name}"):
            cluster.helm.upgrade(CHART, {"replicas": 3})
        assert _without_releases(objects) == _without_releases(before), f"{key.name} {name}"


def test_a_secret_without_any_data_is_refused_in_plain_words(cluster: Cluster) -> None:
    cluster.helm.install(CHART, {})
    del cluster.server.store.objects[Key("v1", "secrets", NAMESPACE, f"{NAME}-secrets")]["data"]
    with pytest.raises(HelmFailed, match=r"has no key \S+\. It is not made anew"):
        cluster.helm.upgrade(CHART, {})


def test_the_operators_own_secrets_are_never_touched(cluster: Cluster) -> None:
    own = {"secrets": {"create": False, "existingSecret": "mine"}}
    cluster.helm.install(CHART, own)
    cluster.helm.upgrade(CHART, {**own, "replicas": 3})
    assert f"secrets/{NAME}-secrets" not in cluster.names
    assert "secrets/mine" not in cluster.names


def test_no_rollback_brings_back_a_key_that_was_rotated(cluster: Cluster) -> None:
    cluster.helm.install(CHART, {})
    made = cluster.kept
    key = Key("v1", "secrets", NAMESPACE, f"{NAME}-secrets")
    exchanged = copy.deepcopy(cluster.server.store.objects[key])
    exchanged["data"]["key-encryption-key"] = base64.b64encode(b"another").decode()
    with pytest.raises(Refused, match="immutable"):
        cluster.server.store.put(key, exchanged)
    cluster.helm.upgrade(CHART, {"secrets": {"keyEncryptionKey": {"existingSecret": "mine"}}})
    assert cluster.kept == made
    cluster.helm.rollback(1)
    assert cluster.kept == made


def _without_releases(objects: dict[Key, Manifest]) -> dict[Key, Manifest]:
    """Return all but Helm's own record of what it did, in which a refused upgrade may stand."""
    return {key: item for key, item in objects.items() if not key.name.startswith("sh.helm.release.")}


def test_certificates_stay_until_they_are_renewed_and_the_authority_stays_for_good(cluster: Cluster) -> None:
    cluster.helm.install(CHART, {})
    first = certificates(cluster)
    assert len(first) == 3
    cluster.helm.upgrade(CHART, {"replicas": 1})
    assert certificates(cluster) == first
    cluster.helm.upgrade(CHART, {"tls": {"names": ["govern.example.com"]}})
    named = certificates(cluster)
    assert {part for part, one in named.items() if one != first[part]} == {"server"}
    cluster.helm.upgrade(CHART, {"tls": {"names": ["govern.example.com"], "generate": {"renewal": 1}}})
    renewed = certificates(cluster)
    assert all(one != named[part] for part, one in renewed.items())
    authority = x509.load_pem_x509_certificate(cluster.secret("ca")["tls.crt"])
    for one in map(x509.load_pem_x509_certificate, [*first.values(), *renewed.values()]):
        one.verify_directly_issued_by(authority)
    assert b"govern.example.com" in x509.load_pem_x509_certificate(renewed["server"]).public_bytes(Encoding.DER)


def certificates(cluster: Cluster) -> dict[str, bytes]:
    """The certificates that the chart has made, by their part."""
    return {part: cluster.secret(f"{part}-tls")["tls.crt"] for part in ("server", "postgresql", "redis")}
