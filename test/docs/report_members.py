"""Members of reports: those of the table in schema.c against those of the page."""
import re
import sys

source, page = (open(path, encoding="utf-8").read() for path in sys.argv[1:3])
members = set(re.findall(r'(?:OPTIONAL|REQUIRED)\("(\w+)"|\{"(\w+)", OBJECTS?,', source))
members = {a or b for a, b in members}
rows = "\n".join(line for line in page.split("## The JSON")[1].splitlines() if line.startswith("| `"))
named = {word for code in re.findall(r"`\.?([\w.]+)`", rows) for word in code.split(".")}
reasons = {"size", "time", "memory", "energy", "agreement", "accuracy"}
prose = {"adze", "compile", "passes"}
assert not members - named, f"not in the page: {sorted(members - named)}"
assert not named - members - reasons - prose, f"not in the schema: {sorted(named - members - reasons - prose)}"
required = {key for key in re.findall(r'REQUIRED\("(\w+)"|\{"(\w+)", OBJECTS?, true', source) for key in key if key}
starred = {word for word in re.findall(r"`(\w+)`\*", rows)}
assert required == starred, (required ^ starred)
print(len(members), "members")
