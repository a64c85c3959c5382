"""includes.py SOURCE: built-in passes, frontends and backends are built from the headers that plug-ins have.

A pass is a file of passes/ that ends in an adze_pass literal, or lies in one of the folders of passes. It includes
<adze/...> and, in quotes, only the headers of its own folder (outside of them: of any), those of passes/weights, and
the embedded texts of examples. Frontends and backends include in quotes only their own. What runs passes and rules, and
the tools, keep out of ir/, but for the tokens that rules share with IR text.
"""
import re
import sys
from pathlib import Path

SOURCE = Path(sys.argv[1])
WEIGHTS = "passes/weights/"
FOLDERS = ("passes/gate/", "passes/integer/", "passes/lowrank/", "passes/prune/", "passes/quant/", "passes/recover/",
           "passes/tile/", "passes/widen/", WEIGHTS)
EXAMPLES = "passes/examples_embedded.h"
ALLOWED = {("passes/rule_lex.h", "ir/lex.h")}


def quoted(path):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M)


def files(folder):
    return sorted(p for p in (SOURCE / folder).rglob("*") if p.suffix in (".c", ".h", ".inc"))


def own(included, folder):
    """Beside the file, generated, or below the folder."""
    return included.startswith(folder + "/") or "/" not in included


faults, passes = [], 0
for path in files("passes") + files("tools"):
    name = path.relative_to(SOURCE).as_posix()
    is_pass = re.search(r"^const adze_pass adze_pass_\w+ = {", path.read_text(), re.M) or name.startswith(FOLDERS)
    passes += bool(is_pass)
    mine = (EXAMPLES, WEIGHTS, *([f for f in FOLDERS if name.startswith(f)] or FOLDERS))
    for included in quoted(path):
        private = included.startswith("ir/") and (name, included) not in ALLOWED
        if private or (is_pass and not included.startswith(mine)):
            faults.append(f"{name} includes \"{included}\"")
folders = [p for parent in ("frontend", "backends") for p in (SOURCE / parent).iterdir() if p.is_dir()]
for folder in (p.relative_to(SOURCE).as_posix() for p in sorted(folders)):
    for path in files(folder):
        for included in quoted(path):
            if not own(included, folder):
                faults.append(f"{path.relative_to(SOURCE)} includes \"{included}\"")
print("\n".join(faults))
print(f"{passes} files of passes, {len(faults)} faults")
sys.exit(1 if faults or passes < 11 else 0)
