"""Values that would be a mistake are refused before anything is installed, with the field that is wrong."""

import pytest

from tests.deploy.helm.engines import CHART, HelmFailed, Values, helm3, template3, template4
from tests.deploy.helm.value_sets import merged, preset

_PRODUCTION = preset("production")


def _production(changed: Values) -> Values:
    return merged(_PRODUCTION, changed)


REFUSED: dict[str, tuple[str, Values]] = {
    "a typo at the top": ("replica", {"replica": 3}),
    "a typo further in": ("tags", {"image": {"tags": "1.0"}}),
    "the tag latest": ("image.tag", {"image": {"tag": "latest"}}),
    "the tag latest of another image": ("trial.redis.image.tag", {"trial": {"redis": {"image": {"tag": "latest"}}}}),
    "half a digest": ("image.digest", {"image": {"digest": "sha256:12ab"}}),
    "fewer than no replicas": ("replicas", {"replicas": -1}),
    "no TLS": ("tls.mode", {"tls": {"mode": "off"}}),
    "TLS without verification": ("database.sslmode", {"database": {"sslmode": "require"}}),
    "a certificate that is not named": ("tls.existingSecret", {"tls": {"mode": "existing"}}),
    "a certificate that is not used": ("tls.existingSecret", {"tls": {"existingSecret": "mine"}}),
    "an issuer that is not named": ("issuerRef", {"tls": {"mode": "cert-manager"}}),
    "secrets given and made": ("secrets.existingSecret", {"secrets": {"existingSecret": "mine"}}),
    "secrets neither given nor made": ("secrets.keyEncryptionKey", {"secrets": {"create": False}}),
    "two PostgreSQL": ("database.host", {"database": {"host": "db.example.com"}}),
    "no PostgreSQL": ("database.host", {"trial": {"postgresql": {"enabled": False}}}),
    "two Redis": ("redis.host", {"redis": {"host": "cache.example.com"}}),
    "a login that cannot be made": ("secrets.databaseAppPassword", {
        "trial": {"postgresql": {"enabled": False}}, "database": {"host": "db.example.com"},
        "networkPolicy": {"databaseTo": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
    }),
    "a database beyond the network policy": ("networkPolicy.databaseTo", _production({"networkPolicy": {"databaseTo": []}})),
    "Sentinel without a master": ("redis.master", _production({"redis": {"mode": "sentinel", "host": "", "nodes": ["a:26379"]}})),
    "a cluster without nodes": ("redis.nodes", _production({"redis": {"mode": "cluster", "host": ""}})),
    "a hook before its PostgreSQL": ("trial.postgresql.enabled", {"migrations": {"mode": "hook"}}),
    "a backup to nowhere": ("backup.s3.endpoint", _production({"backup": {"s3": {"endpoint": ""}}})),
    "a claim for backups that nothing would bind": ("backup.claim.existingClaim", {"backup": {"enabled": True}}),
    "a backup over plain HTTP": ("backup.s3.endpoint", _production({"backup": {"s3": {"endpoint": "http://storage.example.com"}}})),
    "a backup without a passphrase": ("secrets.backupPassphrase", _production({
        "secrets": {"existingSecret": "", **{name: {"existingSecret": "a"} for name in (
            "keyEncryptionKey", "pepper", "jwtSecret", "metricsToken", "databaseAppPassword", "databaseOwnerPassword",
            "redisPassword",
        )}},
    })),
    "autoscaling from nothing": ("autoscaling.minReplicas", {"autoscaling": {"enabled": True, "minReplicas": 0}}),
    "autoscaling backwards": ("autoscaling.minReplicas", {"autoscaling": {"enabled": True, "minReplicas": 9}}),
    "a port that is none": ("service.port", {"service": {"port": 99999}}),
    "a schedule that is none": ("backup.schedule", {"backup": {"schedule": "daily"}}),
    "a secret among the settings": ("GOVERNLAYER_PEPPER", {"settings": {"GOVERNLAYER_PEPPER": "secret"}}),
    "a setting by the back door": ("extraEnv.0.name", {"extraEnv": [{"name": "GOVERNLAYER_DATABASE_TLS", "value": "off"}]}),
    "a directory of the node": ("extraVolumes.0", {"extraVolumes": [{"name": "a", "hostPath": {"path": "/"}}]}),
    "a label that selectors need": ("app.kubernetes.io.name", {"podLabels": {"app.kubernetes.io/name": "other"}}),
    "no limits": ("resources", {"resources": {"limits": {"memory": None, "cpu": None}}}),
    "an Ingress without a host": ("ingress.hosts", {"ingress": {"enabled": True}}),
    "an Ingress without TLS": ("ingress.tlsSecret", {"ingress": {"enabled": True, "hosts": ["a.example.com"]}}),
    "a gateway's listener that has no TLS": (
        "gateway.parentRefs",
        {"gateway": {"enabled": True, "hostnames": ["a.example.com"], "parentRefs": [{"name": "public"}]}},
    ),
    "a deployment without a name": ("deployment", {"deployment": None}),
    "a server without limits": ("resources", {"resources": None}),
    "an address in place of a registry": ("imageRegistry", {"global": {"imageRegistry": "https://mirror.example.com"}}),
    "a network of IPv4 with too many bits": ("trustedProxies", {"trustedProxies": ["10.0.0.0/40"]}),
    "everybody as a proxy": ("trustedProxies", {"trustedProxies": ["0.0.0.0/0"]}),
    "a gateway without a parent": ("gateway.parentRefs", {"gateway": {"enabled": True, "hostnames": ["a.example.com"]}}),
    "a public address without TLS": ("publicUrl", {"publicUrl": "http://govern.example.com"}),
    "a name too long": ("fullnameOverride", {"fullnameOverride": "a" * 39}),
}  # fmt: skip


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_mistake_is_refused_and_the_field_is_named(mistake: str) -> None:
    field, values = REFUSED[mistake]
    with pytest.raises(HelmFailed) as refused:
        template4(CHART, values)
    assert field in _words(refused)


def test_helm_3_refuses_them_all_too() -> None:
    helm3()
    for mistake, (field, values) in REFUSED.items():
        with pytest.raises(HelmFailed) as refused:
            template3(CHART, values)
        assert field in _words(refused), mistake


def _words(refused: pytest.ExceptionInfo[HelmFailed]) -> str:
    """Return Helm's message with one spelling of places: /image/tag, and image.tag of Helm 3."""
    return str(refused.value).replace("/", ".").replace("'", "")
