"""The sets of values that the chart is tested with: its presets, and what operators combine."""

from dataclasses import dataclass
from typing import Any

import yaml

from tests.deploy.helm.engines import CHART, Values

PRESETS = sorted(path.stem.removeprefix("values-") for path in (CHART / "presets").glob("values-*.yaml"))
_DIGEST = "sha256:" + "5" * 64


@dataclass(frozen=True)
class ValueSet:
    """Values, and the set that the snapshot of what they render is compared to (none: it is kept whole)."""

    values: Values
    base: str = ""

    @property
    def texts(self) -> set[str]:
        """All texts among the values: names that may be the operator's own objects."""
        return set(_texts(self.values))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def merged(*layers: Values) -> Values:
    """Return the values as Helm merges several files: maps are merged, all else is replaced by the later one."""
    whole: Values = {}
    for layer in layers:
        for name, value in layer.items():
            old = whole.get(name)
            whole[name] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return whole


def preset(name: str) -> Values:
    """Return the values of a preset that the chart brings."""
    values: Values = yaml.safe_load((CHART / "presets" / f"values-{name}.yaml").read_text())
    return values


_PRODUCTION = preset("production")
_OWN_SECRETS = {
    name: {"existingSecret": f"own-{name.lower()}", "key": "value"}
    for name in (
        "keyEncryptionKey", "keyEncryptionKeyNext", "pepper", "jwtSecret", "jwtSecretPrevious", "metricsToken",
        "databaseAppPassword", "databaseOwnerPassword", "redisPassword", "backupPassphrase", "smtpPassword",
    )
}  # fmt: skip

# What operators combine, and the set that each is compared to.
_COMBINED: dict[str, tuple[str, Values]] = {
    "external-postgresql": ("defaults", {
        "trial": {"postgresql": {"enabled": False}},
        "database": {"host": "db-1.example.com,db-2.example.com:5433", "ca": {"secret": "database-authority"}},
        "secrets": {
            "databaseAppPassword": {"existingSecret": "database-login"},
            "databaseOwnerPassword": {"existingSecret": "database-owner"},
        },
        "networkPolicy": {"databaseTo": [{"ipBlock": {"cidr": "10.20.0.0/24"}}]},
    }),
    "redis-cluster": ("production", merged(_PRODUCTION, {
        "redis": {"mode": "cluster", "host": "", "nodes": ["cache-1.example.com:6379"], "user": "governlayer"},
    })),
    "migrations-in-pods": ("production", merged(_PRODUCTION, {"migrations": {"mode": "init"}})),
    "given-certificates": ("defaults", {
        "tls": {"mode": "existing", "existingSecret": "server-certificate"},
        "trial": {"postgresql": {"tlsSecret": "pg-certificate"}, "redis": {"tlsSecret": "redis-certificate"}},
    }),
    "client-certificates": ("defaults", {
        "tls": {"clients": {"ca": {"configMap": "clients-authority"}, "probeSecret": "probe-certificate"}},
    }),
    "every-secret-of-its-own": ("production", merged(_PRODUCTION, {
        "secrets": {"existingSecret": "", **_OWN_SECRETS}, "settings": {"GOVERNLAYER_SMTP_URL": "smtps://mail.example.com"},
    })),
    "passthrough": ("gateway", merged(preset("gateway"), {"gateway": {"mode": "passthrough"}})),
    "mirror-and-digests": ("defaults", {
        "global": {"imageRegistry": "mirror.example.com:5000", "imagePullSecrets": ["mirror-login"]},
        "image": {"digest": _DIGEST},
        "trial": {"postgresql": {"image": {"digest": _DIGEST}}, "redis": {"image": {"digest": _DIGEST}}},
    }),
    "backup-and-erasure-on-claims": ("defaults", {
        "backup": {"enabled": True, "claim": {"accessMode": "ReadWriteMany"}},
        "sharedDirectory": {"enabled": True, "storageClass": "shared"},
        "retention": {"cronJob": {"enabled": True}}, "replicas": 1,
    }),
    "restore": ("production", merged(_PRODUCTION, {"restore": {"enabled": True, "backup": "20260101T000000Z"}})),
    "placed": ("defaults", {
        "clusterDomain": "corp.example", "openshift": True,
        "nodeSelector": {"disk": "fast"}, "tolerations": [{"key": "only", "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": "important", "podLabels": {"team": "risk"}, "podAnnotations": {"example.com/owner": "risk"},
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "extraVolumes": [{"name": "roots", "configMap": {"name": "extra-roots"}}],
        "extraVolumeMounts": [{"name": "roots", "mountPath": "/run/roots", "readOnly": True}],
        "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra-roots"}, "data": {"a": "b"}}],
        "policies": {"existingConfigMap": "own-policies", "key": "ours.cedar"},
        "settings": {"GOVERNLAYER_REGISTRATION": "closed"},
    }),
    "dual-stack-autoscaled": ("defaults", {
        "listenAddress": "::", "autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 4},
        "service": {"type": "LoadBalancer", "port": 443, "annotations": {"example.com/pool": "internal"}},
    }),
}  # fmt: skip

_BASES = {"production": "", "ha": "production", "cnpg": "production", "openshift": "production"}
VALUE_SETS: dict[str, ValueSet] = {
    "defaults": ValueSet({}),
    **{name: ValueSet(preset(name), _BASES.get(name, "defaults")) for name in PRESETS},
    **{name: ValueSet(values, base) for name, (base, values) in _COMBINED.items()},
}
