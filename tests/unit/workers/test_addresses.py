"""The addresses by which a migration list may name a host."""

from pathlib import Path

from workers.addresses import addresses

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.0.0/24 2 0 2
        |-- 10.0.0.0
           /24 link UNICAST
        |-- 10.0.0.7
           /32 host LOCAL
        |-- 10.0.0.255
           /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
Local:
        |-- 10.0.0.7
           /32 host LOCAL
     |-- 192.0.2.20
        /32 host LOCAL
"""
IF_INET6 = """\
00000000000000000000000000000001 01 80 10 80       lo
fe80000000000000025056fffe000001 02 40 20 80     eth0
20010db8000000000000000000000007 02 40 00 80     eth0
"""


def test_every_address_but_those_of_loopback_and_one_link_is_found_once(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(FIB_TRIE)
    (tmp_path / "if_inet6").write_text(IF_INET6)

    assert addresses(tmp_path) == ("10.0.0.7", "192.0.2.20", "2001:db8::7")


def test_a_kernel_that_says_nothing_means_no_addresses(tmp_path: Path) -> None:
    assert addresses(tmp_path) == ()


def test_this_host_has_none_of_loopback() -> None:
    assert not {"127.0.0.1", "::1"} & set(addresses())
