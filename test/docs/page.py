"""Runs a page as its reader would: page.py PAGE.md [SECTION], or page.py FOLDER/

In code blocks, fenced or indented, `$ ` begins a command, a line that ends in `\\` goes on, and the lines below a
command are what it prints: all of it, but for `...`, which stands for any lines, or for any part of one. Without such
lines the output does not matter. A fence with a file name behind its language (```c my_pass.c) is that file, which is
written. All runs in one bash in the current folder. With SECTION only that heading's part of the page. A folder is
copied to a temporary place, outside of this repository, and its README.md runs there.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

MARK = "\x01page"


def blocks(text):
    """(file name or None, line number, lines) of each code block."""
    lines, at = text.split("\n"), 0
    while at < len(lines):
        fence = re.match(r"```(\S*) ?(\S*)$", lines[at])
        first = at + 1 if fence else at
        at = first
        if fence:
            while lines[at] != "```":
                at += 1
            yield fence[2] or None, first + 1, lines[first:at]
        else:
            while at < len(lines) and (lines[at].startswith("    ") or (at > first and not lines[at])):
                at += 1
            if at > first:
                yield None, first + 1, [line[4:] for line in lines[first:at]]
        at += at == first or bool(fence)


def commands(lines):
    """(index of the first line, command, expected lines) of each command of a block."""
    at = 0
    while at < len(lines):
        start, expected = at, []
        at += 1
        if not lines[start].startswith("$ "):
            continue
        command = lines[start][2:]
        while command.endswith("\\"):
            command += "\n" + lines[at]
            at += 1
        while at < len(lines) and not lines[at].startswith("$ "):
            expected.append(lines[at])
            at += 1
        while expected and not expected[-1]:
            expected.pop()
        yield start, command, expected


def matches(expected, actual):
    pattern = "".join(r"(?:.*\n)*" if line == "..." else
                      ".*".join(re.escape(part) for part in line.rstrip().split("...")) + "\n" for line in expected)
    return re.fullmatch(pattern, "".join(line.rstrip() + "\n" for line in actual))


def run_page(page, section=None):
    text = open(page).read()
    first = 1
    if section:
        found = re.search(rf"^#+ {re.escape(section)}\n(?:(?!#).*\n?)*", text, re.M)
        assert found, f"{page} has no section '{section}'"
        first, text = text[:found.start()].count("\n") + 1, found[0]
    script, steps = "exec 2>&1\n", []
    for file, line, lines in blocks(text):
        if file:
            body = "\n".join(lines) + "\n"
            script += f"mkdir -p \"$(dirname '{file}')\" && "
            script += f"cat > '{file}' <<'END_OF_PAGE_FILE'\n{body}END_OF_PAGE_FILE\n"
            continue
        for start, command, expected in commands(lines):
            script += f"{command}\nprintf '%s %d\\n' '{MARK}' $?\n"
            steps.append((first - 1 + line + start, command, expected))
    assert steps, f"{page} has no command"
    said = subprocess.run(["bash"], input=script, capture_output=True, text=True).stdout
    parts = re.split(rf"{MARK} (\d+)\n", said)
    failed = 0
    for i, (line, command, expected) in enumerate(steps):
        output, status = (parts[2 * i], parts[2 * i + 1]) if 2 * i + 1 < len(parts) else (parts[-1], "none")
        if status == "0" and (not expected or matches(expected, output.split("\n")[:-1])):
            continue
        failed += 1
        print(f"{page}:{line}: $ {command}\nexit status {status}, printed:\n{output}")
        if expected:
            print("expected:\n" + "\n".join(expected))
    print(f"{len(steps) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


def main(page, section=None):
    if not page.endswith("/"):
        return run_page(page, section)
    with tempfile.TemporaryDirectory(prefix="adze-page-") as copy:
        shutil.copytree(page, copy, dirs_exist_ok=True)
        os.chdir(copy)
        return run_page("README.md")


sys.exit(main(*sys.argv[1:]))
