"""A certificate that anybody changed is found out: any value, its form, its signature."""

from __future__ import annotations

import base64
import copy
import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verify.leaves import changed, changes, leaves, written
from worker.contract.signature import canonical
from worker.contract.verification import Check
from worker.service.provenance import code_digest
from worker.service.signing import SigningKey
from worker.verify.document import Unreadable, read
from worker.verify.signature import check_signature
from worker.verify.verify import verify

Sign = Callable[[dict[str, Any]], bytes]


def outcomes(data: bytes, key: SigningKey) -> dict[str, Check]:
    return {check.name: check for check in verify(data, [key.public], code_digest())[0]}


def failed(data: bytes, key: SigningKey) -> list[str]:
    return [name for name, check in outcomes(data, key).items() if check.outcome == "failed"]


def found_out(data: bytes, key: SigningKey) -> bool:
    """By its form or by its signature, which is all that a stranger cannot make."""
    try:
        return check_signature(read(data), [key.public]).outcome == "failed"
    except Unreadable:
        return True


def test_as_it_was_made_everything_passes(document: dict[str, Any], key: SigningKey) -> None:
    for data in (written(document), json.dumps(document, indent=4, sort_keys=True).encode()):
        found = outcomes(data, key)
        assert {check.outcome for check in found.values()} == {"passed"}, found
    assert {"document", "signature", "counts", "agreement", "alpha", "statements", "curve"} <= found.keys()
    same = {name for name, check in found.items() if "with the same code" in check.detail}
    assert same == {"certificates/7", "certificates/8"}, "region mass and cosine have no literal form"


def test_every_changed_value_is_found(document: dict[str, Any], key: SigningKey) -> None:
    """The least change of every value, one by one. (The key id of the signature names a key that is not trusted.)"""
    tried = 0
    for path, value in leaves(document):
        for other in changes(value):
            tried += 1
            assert found_out(written(changed(document, path, other)), key), (path, value, other)
    assert tried > 500
    print(f"{tried} changed values, all found")


def test_every_removed_value_and_every_added_one_is_found(small: dict[str, Any], key: SigningKey) -> None:
    for path, _ in leaves(small):
        node = copied = copy.deepcopy(small)
        for name in path[:-1]:
            node = node[name]
        del node[path[-1]]
        assert found_out(written(copied), key), path
        if isinstance(node, dict):
            node[f"{path[-1]}_"] = 0
            assert found_out(written(copied), key), path
    assert found_out(written({**small, "more": 1}), key)


def test_a_file_that_was_cut_anywhere_is_found(document: dict[str, Any], key: SigningKey) -> None:
    data = written(document)
    for end in [*range(0, len(data), len(data) // 40), len(data) - 1]:
        assert failed(data[:end], key) == ["document"]


def test_a_document_with_one_name_twice_is_found(document: dict[str, Any], key: SigningKey) -> None:
    text = written(document).decode()
    for name in ("samples", "counts", "signature"):
        twice = text.replace(f'"{name}": ', f'"{name}": 0, "{name}": ', 1)
        assert failed(twice.encode(), key) == ["document"]


@pytest.mark.parametrize(
    "number", ["1e999", "-1e999", "NaN", "Infinity", "9" * 5000, "9" * 30, "600.0e0", "6e2", "1E3"]
)
def test_numbers_that_are_none_or_written_otherwise_are_found(
    document: dict[str, Any], key: SigningKey, number: str
) -> None:
    text = written(document).decode().replace('"samples": 600', f'"samples": {number}', 1)
    assert failed(text.encode(), key) == ["document"]
    assert text != written(document).decode()


def test_one_number_in_two_texts_is_two_documents(document: dict[str, Any], key: SigningKey) -> None:
    text = written(document).decode()
    other = text.replace('"confidence": 0.95', '"confidence": 0.950', 1)
    assert other != text and json.loads(other) == json.loads(text)
    assert failed(other.encode(), key) == ["document"]


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"1", b"\xff\xfe", b"{" * 10**5, b"[" * 10**5, b"{}", b'{"a": "\\ud800"}']
)
def test_what_is_no_certificate_is_said_to_be_none(key: SigningKey, data: bytes) -> None:
    assert failed(data, key) == ["document"]


def test_half_a_surrogate_in_a_string_is_no_text(document: dict[str, Any], key: SigningKey) -> None:
    text = json.dumps({**document, "notice": "\ud800"}).encode()
    assert failed(text, key) == ["document"]


def test_another_key_does_not_do_unless_it_is_trusted(document: dict[str, Any], key: SigningKey) -> None:
    other = SigningKey(Ed25519PrivateKey.generate())
    data = written({**document, "signature": other.sign(document).model_dump()})
    assert failed(data, key) == ["signature"]
    found, _ = verify(data, [key.public, other.public], code_digest())
    assert {check.outcome for check in found} == {"passed"}
    # The other's signature under the trusted key's name.
    borrowed = {**other.sign(document).model_dump(), "key_id": key.public.key_id}
    assert failed(written({**document, "signature": borrowed}), key) == ["signature"]


def test_without_a_key_nothing_is_said_of_the_signature(document: dict[str, Any]) -> None:
    found, _ = verify(written(document), [], code_digest())
    assert [check.name for check in found if check.outcome != "passed"] == ["signature"]
    assert found[1].outcome == "not_checked"


def test_a_bomb_is_not_unpacked(document: dict[str, Any], key: SigningKey, resigned: Sign) -> None:
    """128 MiB of zeros for 64 cells. Signed with the trusted key, so that nothing else stops it."""
    bomb = zlib.compressobj(9)
    packed = b"".join([*(bomb.compress(bytes(1 << 20)) for _ in range(128)), bomb.flush()])
    data = resigned(changed(document, ("counts", "votes_zlib_base64"), base64.b64encode(packed).decode()))
    assert "counts" in failed(data, key)


def test_a_document_of_absurd_size_is_not_computed(document: dict[str, Any], key: SigningKey, resigned: Sign) -> None:
    for path, value in [
        (("provenance", "input_shape"), [4096, 4096, 4096]),
        (("provenance", "classes"), 1 << 40),
        (("provenance", "block_size"), 0),
        (("spec", "samples"), 1 << 60),
        (("samples",), 0),
    ]:
        assert failed(resigned(changed(document, path, value)), key) == ["document"], path


# What the key holder could not claim even with the key: the arithmetic is checked, not only the seal.


def test_what_does_not_follow_from_the_counts_is_found_under_a_good_signature(
    small: dict[str, Any], key: SigningKey, resigned: Sign
) -> None:
    """Every number and word of what is claimed, made larger or other by a little, and signed by the trusted key."""
    claims = {"certificates", "alpha", "counts", "curve", "samples", "degenerate_samples", "target"}
    # Of a list the first entry is enough.
    one_each = {tuple(name for name in path if isinstance(name, str)): path for path, _ in reversed([*leaves(small)])}
    missed, tried = [], 0
    for path, value in leaves(small):
        if path[0] not in claims or path not in one_each.values():
            continue
        other = value + max(1e-6, abs(value) * 1e-6) if isinstance(value, float) else changes(value)[len(path) % 2 - 1]
        tried += 1
        if not failed(resigned(changed(small, path, other)), key):
            missed.append(path)
    assert not missed and tried > 40
    print(f"{tried} changes, all found")


def test_a_larger_largest_radius_is_found(document: dict[str, Any], key: SigningKey, resigned: Sign) -> None:
    path = ("certificates", 0, "largest_radius")
    larger = document["certificates"][0]["largest_radius"] * (1 + 1e-5)
    assert failed(resigned(changed(document, path, larger)), key) == ["certificates/0"]
    assert failed(resigned(changed(document, path, None)), key) == ["certificates/0"]


def repacked(text: str, change: Callable[[np.ndarray], None]) -> str:
    votes = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype="<i8").copy()
    change(votes)
    return base64.b64encode(zlib.compress(votes.tobytes())).decode()


def test_votes_moved_in_one_place_only_are_found(document: dict[str, Any], key: SigningKey, resigned: Sign) -> None:
    def one_more(votes: np.ndarray) -> None:
        votes[5] += 1

    for path in [("counts", "votes_zlib_base64"), ("counts", "segments", 2, "votes_zlib_base64")]:
        node: Any = document
        for name in path:
            node = node[name]
        assert "counts" in failed(resigned(changed(document, path, repacked(node, one_more))), key)


@pytest.mark.parametrize("change", ["negative", "too many", "short", "long"])
def test_integers_that_cannot_be_counts_are_found(
    document: dict[str, Any], key: SigningKey, resigned: Sign, change: str
) -> None:
    votes = np.zeros({"short": 63, "long": 65}.get(change, 64), dtype="<i8")
    votes[0] = {"negative": -1, "too many": 601}.get(change, 0)
    text = base64.b64encode(zlib.compress(votes.tobytes())).decode()
    assert "counts" in failed(resigned(changed(document, ("counts", "votes_zlib_base64"), text)), key)


def test_smaller_claims_are_no_lies_but_their_words_are_not_vouched_for(
    document: dict[str, Any], key: SigningKey, resigned: Sign
) -> None:
    at = document["certificates"][0]["radii"][0]
    less = {**at, "certified": at["certified"] - 1, "value": (at["certified"] - 1) / at["k"], "text": "Less."}
    found = outcomes(resigned(changed(document, ("certificates", 0, "radii", 0), less)), key)
    assert found["certificates/0"].outcome == "passed" and found["statements"].outcome == "not_checked"


def test_words_of_other_code_are_not_compared(document: dict[str, Any], key: SigningKey, resigned: Sign) -> None:
    other = changed(document, ("certificates", 1, "radii", 0, "text"), "In other words.")
    assert failed(resigned(other), key) == ["statements"]
    elsewhere = changed(other, ("provenance", "code_digest"), "0" * 64)
    found = outcomes(resigned(elsewhere), key)
    assert found["statements"].outcome == "not_checked"
    assert not [name for name, check in found.items() if check.outcome == "failed"]


def test_the_canonical_form_is_what_the_page_says() -> None:
    """Sorted names, no spaces, UTF-8, numbers as Python writes them, without the signature."""
    assert canonical({"b": [1, 0.1, 1e-05, True, None], "a": "é\n", "signature": 1}) == (
        b'{"a":"\xc3\xa9\\n","b":[1,0.1,1e-05,true,null]}'
    )
    with pytest.raises(ValueError, match="JSON"):
        canonical({"a": float("nan")})


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(data=st.data())
def test_whatever_is_in_it_verify_answers_with_checks(
    small: dict[str, Any], key: SigningKey, resigned: Sign, data: st.DataObject
) -> None:
    """Any values at any places, signed by the trusted key: a list of checks, never an exception."""
    odd = st.one_of(
        st.none(), st.booleans(), st.integers(-3, 1 << 62), st.floats(allow_nan=False, allow_infinity=False), st.text()
    )
    places = [path for path, _ in leaves(small)]
    mutated = small
    for _ in range(data.draw(st.integers(1, 3))):
        mutated = changed(mutated, data.draw(st.sampled_from(places)), data.draw(odd))
    try:
        file = resigned(mutated)
    except UnicodeEncodeError:
        return
    assert outcomes(file, key)["document"].outcome in ("passed", "failed")
