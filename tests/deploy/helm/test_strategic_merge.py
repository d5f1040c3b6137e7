"""Strategic merge patches, as Kubernetes' documentation has them ("Update API Objects in Place Using kubectl patch")."""

import pytest

from tests.deploy.helm.strategic_merge import merge


def test_elements_are_merged_by_their_key_in_the_order_asked_for() -> None:
    current = {"containers": [{"name": "a", "image": "one:1", "tty": True}, {"name": "b", "image": "two:1"}]}
    patch = {"containers": [{"name": "a", "image": "one:2"}, {"name": "c", "image": "three:1"}],
             "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}, {"name": "b"}]}  # fmt: skip
    merged = merge(current, patch)
    assert merged["containers"] == [
        {"name": "c", "image": "three:1"}, {"name": "a", "image": "one:2", "tty": True}, {"name": "b", "image": "two:1"},
    ]  # fmt: skip
    assert current["containers"][0]["image"] == "one:1"


def test_what_is_null_or_deleted_goes() -> None:
    current = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "data": {"x": "1", "y": "2"}}
    merged = merge(current, {"env": [{"name": "A", "$patch": "delete"}], "data": {"x": None}})
    assert merged == {"env": [{"name": "B", "value": "2"}], "data": {"y": "2"}}


def test_other_lists_are_replaced() -> None:
    assert merge({"args": ["a", "b"]}, {"args": ["c"]}) == {"args": ["c"]}
    assert merge({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}) == {"finalizers": ["b"]}


def test_only_retained_keys_stay() -> None:
    patch = {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
    assert merge({"strategy": {"type": "RollingUpdate", "rollingUpdate": {}}}, patch) == {
        "strategy": {"type": "Recreate"}
    }


def test_an_unknown_directive_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\$patch"):
        merge({}, {"$patch": "replace"})
