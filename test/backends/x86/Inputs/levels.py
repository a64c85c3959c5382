"""Artifacts <prefix>.{both,swap,v3}: the v3 function of the first is that of the last; order does not matter."""
import re
import sys

prefix = sys.argv[1]


def read(name):
    with open(f"{prefix}.{name}", "rb") as f:
        return f.read()


def body(text, name):
    """Text of a function from its parameters on, without its attributes."""
    at = text.index(f"func @{name}(") + len(f"func @{name}")
    return re.sub(r" \{level = .*?\}", "", text[at:text.index("\n  }\n", at)], count=1)


both, v3 = read("both.adz").decode(), read("v3.adz").decode()
assert body(both, '"k0.x86-64-v3"') == body(v3, "k0"), "the function at v3 differs from that of v3 alone"
assert body(both, "k0") != body(v3, "k0"), "both levels have one function"
assert read("both.so") == read("swap.so"), "the order of the levels changes the artifact"
more = len(read("both.so")) - len(read("v3.so"))
assert more < (400 * 400 * 4) / 2, f"{more} bytes more: are the weights there twice?"
