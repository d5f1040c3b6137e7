"""One credential, in one of two headers."""

import pytest
from governlayer_server.domain.errors import AmbiguousCredentials, NotAuthenticated
from governlayer_server.web.authenticate import credential

KEY = b"gl_0000000000000000000000000000001bh4Mj"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer " + KEY)],
        [(b"authorization", b"bearer " + KEY)],
        [(b"authorization", b"BEARER  " + KEY + b" ")],
        [(b"x-api-key", KEY)],
        [(b"x-api-key", b" " + KEY + b" ")],
        [(b"x-api-key", KEY), (b"authorization", b"Bearer " + KEY)],
        [(b"x-api-key", KEY), (b"x-api-key", KEY)],
        [(b"host", b"x"), (b"x-api-key", KEY), (b"cookie", b"Bearer other")],
    ],
)
def test_one_credential_is_found(headers: list[tuple[bytes, bytes]]) -> None:
    assert credential(headers) == KEY.decode()


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-api-key", KEY), (b"authorization", b"Bearer other")],
        [(b"x-api-key", KEY), (b"x-api-key", b"other")],
        [(b"x-api-key", KEY), (b"authorization", b"Bearer ")],
        [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
    ],
)
def test_two_different_credentials_are_ambiguous(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(AmbiguousCredentials) as refused:
        credential(headers)
    assert KEY.decode() not in str(refused.value)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"cookie", KEY)],
        [(b"authorization", b"Basic " + KEY)],
        [(b"authorization", KEY)],
        [(b"authorization", b"")],
        [(b"authorization", b"Basic x"), (b"x-api-key", KEY)],
        [(b"x-api-key", b"\xff\xfe")],
        [(b"authorization", "Bearer gl_é".encode())],
        [(b"x-api-keys", KEY)],
    ],
)
def test_none_that_can_be_read_is_no_authentication(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(NotAuthenticated):
        credential(headers)
