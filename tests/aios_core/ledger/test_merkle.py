"""The Merkle root: RFC 6962's own vectors, and that nothing can be changed unseen."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from aios_core.ledger.merkle import EMPTY, root

# certificate-transparency's reference inputs and roots for 1 to 8 leaves
LEAVES = [bytes.fromhex(h) for h in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def recursive(items: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, word for word."""
    if not items:
        return hashlib.sha256(b"").digest()
    if len(items) == 1:
        return hashlib.sha256(b"\x00" + items[0]).digest()
    k = 1
    while k * 2 < len(items):
        k *= 2
    return hashlib.sha256(b"\x01" + recursive(items[:k]) + recursive(items[k:])).digest()


def test_the_reference_vectors_hold() -> None:
    assert root([]) == EMPTY == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert {n: root(LEAVES[:n]) for n in ROOTS} == ROOTS


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_a_stream_gives_the_root_of_the_definition(items: list[bytes]) -> None:
    assert root(iter(items)) == recursive(items).hex()


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
def test_any_change_changes_the_root(items: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(items) - 1))
    changed = [*items[:index], items[index] + b"x", *items[index + 1 :]]
    dropped = [*items[:index], *items[index + 1 :]]
    assert len({root(items), root(changed), root(dropped), root([*items, b""])}) == 4
