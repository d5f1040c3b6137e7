"""A stand-in for Kubernetes' API server: what Helm 3 and Helm 4 ask of one, over HTTP, with every object checked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.deploy.helm.object_store import RESOURCES, VERSION, Key, Manifest, ObjectStore, Refused

_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: else each answer waits for an acknowledgement
    server: "ApiServer"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        try:
            with self.server.lock:
                code, answer = 200, self._route(address.path, parse_qs(address.query), body)
        except Refused as refused:
            code, answer = refused.code, _status(refused)
        content = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815  # names of the standard library

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # a name of the standard library
        """Say nothing."""

    def _route(self, path: str, query: dict[str, list[str]], body: bytes) -> Manifest:
        described = _discovery(path)
        if described is not None:
            return described
        group_version, rest = _split(path)
        if not rest:
            return _resource_list(group_version)
        namespace, rest = (rest[1], rest[2:]) if rest[0] == "namespaces" and len(rest) > 2 else ("", rest)
        plural, name = rest[0], rest[1] if len(rest) > 1 else ""
        if plural not in RESOURCES[group_version]:
            raise Refused(404, "NotFound", path)
        manifest = yaml.safe_load(body) if body else {}
        if not name and self.command == "GET":
            selector = query.get("labelSelector", [""])[0]
            items = self.server.store.list(group_version, plural, namespace, selector)
            kind = RESOURCES[group_version][plural] + "List"
            return {"kind": kind, "apiVersion": group_version, "metadata": {"resourceVersion": "1"}, "items": items}
        return self._change(Key(group_version, plural, namespace, name or manifest["metadata"]["name"]), manifest)

    def _change(self, key: Key, manifest: Manifest) -> Manifest:
        store = self.server.store
        match self.command:
            case "GET":
                return store.get(key)
            case "POST":
                return store.create(key, manifest)
            case "PUT":
                return store.put(key, manifest)
            case "PATCH":
                return store.patch(key, manifest, self.headers["Content-Type"])
            case _:
                return store.delete(key)


class ApiServer(ThreadingHTTPServer):
    """The stand-in, on a free port of loopback; ``store`` has what was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = ObjectStore()
        self.lock = threading.Lock()

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Yield a server that answers."""
        with cls() as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield server
            finally:
                server.shutdown()

    def write_kubeconfig(self, path: Path) -> Path:
        """Write the file by which clients find this server, and return its path."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "one", "cluster": {"server": f"http://127.0.0.1:{self.server_address[1]}"}}],
            "users": [{"name": "tester", "user": {}}],
            "contexts": [{"name": "one", "context": {"cluster": "one", "user": "tester"}}],
            "current-context": "one",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path


def _status(refused: Refused) -> Manifest:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": refused.reason,
        "message": str(refused),
        "code": refused.code,
    }


def _split(path: str) -> tuple[str, list[str]]:
    """Return group and version, and what follows them."""
    first, *parts = path.strip("/").split("/")
    length = 1 if first == "api" else 2
    group_version = "/".join(parts[:length])
    if group_version not in RESOURCES:
        raise Refused(404, "NotFound", path)
    return group_version, parts[length:]


def _discovery(path: str) -> Manifest | None:
    match path.strip("/").split("/", 2):
        case ["version"]:
            major, minor = VERSION.split(".")
            return {"major": major, "minor": minor, "gitVersion": f"v{VERSION}.0"}
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"]}
        case ["apis"]:
            groups = [_group(name) for name in RESOURCES if "/" in name]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["openapi", "v3"]:
            return {"paths": {_root(name): {"serverRelativeURL": f"/openapi/v3/{_root(name)}"} for name in RESOURCES}}
        case ["openapi", "v3", root]:
            return _openapi(_split(root)[0])
    return None


def _root(group_version: str) -> str:
    return f"apis/{group_version}" if "/" in group_version else f"api/{group_version}"


def _group(group_version: str) -> Manifest:
    name, _, version = group_version.partition("/")
    served = {"groupVersion": group_version, "version": version}
    return {"name": name, "versions": [served], "preferredVersion": served}


def _resource_list(group_version: str) -> Manifest:
    resources = [
        {"name": plural, "singularName": "", "kind": kind, "namespaced": kind != "Namespace", "verbs": _VERBS}
        for plural, kind in RESOURCES[group_version].items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _openapi(group_version: str) -> Manifest:
    """Describe that patches may ask for strict fields; Helm 4 looks for no more."""
    group, _, version = group_version.rpartition("/")
    paths: dict[str, Any] = {}
    for plural, kind in RESOURCES[group_version].items():
        named = {"group": group, "version": version, "kind": kind}
        patch = {"parameters": [{"name": "fieldValidation", "in": "query"}], "x-kubernetes-group-version-kind": named}
        paths[f"/{_root(group_version)}/namespaces/{{namespace}}/{plural}/{{name}}"] = {"patch": patch}
    info = {"title": "stand-in", "version": VERSION}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}
