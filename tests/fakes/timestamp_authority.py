"""A time stamp authority (RFC 3161) made of ``openssl ts``, which is not ours."""

import asyncio
import subprocess
from pathlib import Path

_CONFIGURATION = """
[tsa]
default_tsa = settings
[settings]
serial = {directory}/serial
signer_cert = {directory}/tsa.crt
signer_key = {directory}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
tsa_name = yes
ess_cert_id_alg = sha256
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[extensions]
extendedKeyUsage = critical, timeStamping
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[req]
distinguished_name = name
[name]
"""


class OpensslAuthority:
    """An authority of its own, made in *directory*; ``ca`` is what its stamps lead to."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._configuration = directory / "ts.cnf"
        self._configuration.write_text(_CONFIGURATION.format(directory=directory))
        (directory / "serial").write_text("01\n")
        self.ca = directory / "ca.crt"
        self._make("ca", "ca", "-x509", "-days", "30", "-out", self.ca)
        self._make("tsa", "extensions", "-out", directory / "tsa.csr")
        self._openssl(
            "x509", "-req", "-in", directory / "tsa.csr", "-CA", self.ca, "-CAkey", directory / "ca.key",
            "-CAcreateserial", "-days", "20", "-extfile", self._configuration, "-extensions", "extensions",
            "-out", directory / "tsa.crt",
        )  # fmt: skip

    async def answer(self, query: bytes) -> bytes:
        """The answer to a request, DER."""
        return await asyncio.to_thread(self._answer, query)

    def verify(self, data: Path, token: Path) -> bool:
        """Whether ``openssl ts -verify`` accepts the files, as an auditor would ask it."""
        return self._run("ts", "-verify", "-data", data, "-in", token, "-CAfile", self.ca).returncode == 0

    def _answer(self, query: bytes) -> bytes:
        request, reply = self._directory / "query.tsq", self._directory / "reply.tsr"
        request.write_bytes(query)
        self._openssl("ts", "-reply", "-config", self._configuration, "-queryfile", request, "-out", reply)
        return reply.read_bytes()

    def _make(self, name: str, extensions: str, *rest: str | Path) -> None:
        self._openssl(
            "req", "-new", "-config", self._configuration, "-extensions", extensions, "-subj", f"/CN={name}", "-nodes",
            "-newkey", "rsa:2048", "-keyout", self._directory / f"{name}.key", *rest,
        )  # fmt: skip

    def _openssl(self, *arguments: str | Path) -> None:
        done = self._run(*arguments)
        assert done.returncode == 0, done.stderr.decode()

    def _run(self, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["openssl", *arguments], capture_output=True, check=False, timeout=60)
