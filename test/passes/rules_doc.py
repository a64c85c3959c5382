"""docs/design/rules.md names every condition and function of rules, and no others."""
import os
import re
import sys

src = sys.argv[1]
doc = open(os.path.join(src, "docs/design/rules.md")).read()
failed = False
for file, head in (("rule_predicates.c", "## Conditions"), ("rule_functions.c", "## Functions")):
    code = open(os.path.join(src, "passes", file)).read()
    names = set(re.findall(r'\{"(\w+)", \d', code))
    part = doc.split(head)[1].split("\n## ")[0]
    told = set()
    for row in re.findall(r"^\| (`.*?) \|", part, re.M):
        told |= set(re.findall(r"`(\w+)", row))
    for name in sorted(names ^ told):
        print(f"{name}: in {'the table only' if name in names else 'the page only'}")
        failed = True
print("differs" if failed else "the page is complete")
