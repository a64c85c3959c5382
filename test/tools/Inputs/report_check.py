"""Holds a page of `adze report` to the reports that it shows.

    report_check.py PAGE.html REPORT.json...

Every number of the reports stands in the page with its exact digits, every string as text; elements are closed in
order; nothing is loaded from outside.
"""
import json
import re
import sys
from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "input", "hr"}
# Not shown as they are: whether something held is words, and what the page does not know is left alone.
HIDDEN = {"later"}


class Page(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.numbers, self.texts, self.tags = [], [], [], []

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), (tag, attrs)
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag == "data":
            self.numbers.append(given["value"])
        if tag not in VOID and not (tag in ("rect", "circle", "path") and self.get_starttag_text().endswith("/>")):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> at {self.getpos()} closes nothing"

    def handle_data(self, text):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.texts.append(text)


def visible(text):
    """As the page writes it: signs instead of what would not be seen."""
    def sign(c):
        code = ord(c)
        if code < 0x20 or code == 0x7f:
            return chr(0x2421 if code == 0x7f else 0x2400 + code)
        hidden = (0x80 <= code < 0xa0 or code in (0xad, 0x61c, 0xfeff) or 0x200b <= code <= 0x200f or
                  0x2028 <= code <= 0x202e or 0x2060 <= code <= 0x206f or 0xfff9 <= code <= 0xfffb or code >= 0xe0000)
        return "\ufffd" if hidden else c
    return "".join(map(sign, text))


class Number(str):
    """Digits as the report has them."""


def leaves(value, key=None):
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in HIDDEN:
                yield from leaves(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, key)
    elif value is not None and not isinstance(value, bool):
        yield key, value


def main():
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        source = file.read()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]", source), "control characters"
    page = Page()
    page.feed(source)
    page.close()
    assert not page.open, page.open
    text, numbers = "".join(page.texts), page.numbers
    wanted_numbers, n_strings = [], 0
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as file:
            report = json.load(file, parse_float=Number, parse_int=Number)
        report["original"].pop("accuracy", None)  # is shown as the "original" of the accuracy
        report.get("missing") and report["missing"].pop("x<y", None)
        measured = report["compressed"]
        for key, value in leaves(report):
            if isinstance(value, Number):
                wanted_numbers.append(value)
                continue
            n_strings += 1
            if key in ("accuracy", "memory", "energy") and measured.get("accuracy"):
                continue  # reasons for what is there after all
            if key == "memory" and measured.get("memory_bytes") is not None:
                continue
            assert visible(value) in text, f"{key}: {value!r} is not in the page"
    for digits in set(wanted_numbers):
        if len(sys.argv) > 3:  # side by side, some appear more often, those that stand for all reports once
            assert digits in numbers, f"{digits} is not in the page"
        else:
            assert numbers.count(digits) >= wanted_numbers.count(digits), f"{digits} stands too seldom"
    for tag, given in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form"), tag
        assert not any(name.startswith("on") or name == "src" for name in given), (tag, given)
        assert given.get("href", "#").startswith("#"), given
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "url(" not in source and "@import" not in source and "http" not in source.replace("http-equiv", "")
    print(f"{len(wanted_numbers)} numbers, {n_strings} strings")


main()
