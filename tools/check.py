"""check: builds Adze and runs all its tests; the last line is "N passed, N failed, N skipped".

Stages: release build, lit, ctest (unit tests and drivers); a build by clang for its warnings; lit and
the unit tests in a build with address and undefined-behaviour sanitizers. A test program that prints a
line of counts is counted by its cases, any other as one. A build that fails counts as one failure.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
JOBS = str(len(os.sched_getaffinity(0)))
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)
REASONS = re.compile(r"^skip(?:ped)?\b:?\s*(.+)$", re.M)
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
    "LSAN_OPTIONS": f"suppressions={ROOT}/test/lsan.supp:print_suppressions=0",
}


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: Counter = field(default_factory=Counter, compare=False)  # of skips, as often as they came

    def skip(self, number, name, said):
        """Counts skips of a test that told their reasons, one each; the rest go by the test's name."""
        self.skipped += number
        for why in said[:number]:
            self.reasons["no public models (ADZE_MODELS)" if "ADZE_MODELS" in why else why.strip()[:120]] += 1
        if number > len(said):
            self.reasons[f"by {name}" if name else "without a reason"] += number - len(said)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.reasons.update(other.reasons)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def lit_counts(report):
    """Counts of lit's JSON report; a code that is not known counts as failed."""
    passed, skipped = {"PASS", "XFAIL", "FLAKYPASS"}, {"UNSUPPORTED", "SKIPPED", "EXCLUDED"}
    codes = [test["code"] for test in report["tests"]]
    count = Count(sum(code in passed for code in codes))
    for test in report["tests"]:
        if test["code"] in skipped:
            needs = re.search(r"unavailable features: (.*)", test.get("output", ""))
            models = needs and "models" in needs[1]
            count.skip(1, test["name"], ["ADZE_MODELS" if models else f"needs {needs[1]}"] if needs else [])
    count.failed = len(codes) - count.passed - count.skipped
    return count


def case_counts(status, output, name=None):
    """Counts of one ctest case from its status and what it printed. The last line of counts in the
    output speaks for the cases inside, but cannot hide that the program as a whole failed."""
    lines = COUNTS.findall(output)
    said = REASONS.findall(output)
    inside = None
    if lines:
        passed, failed, skipped = map(int, lines[-1])
        inside = Count(passed, failed)
        inside.skip(skipped, name, said)
    if status in ("notrun", "disabled", "skipped"):
        count = Count()
        count.skip(max(1, inside.skipped if inside else 1), name, said)
        return count
    if status == "run":
        return inside or Count(passed=1)
    if inside is None:
        return Count(failed=1)
    inside.failed = max(1, inside.failed)
    return inside


def ctest_counts(junit):
    """Counts of a JUnit report by ctest. A test that could not be started is a failure, one that
    said so (exit status 77) is skipped."""
    count = Count()
    for case in ElementTree.fromstring(junit).iter("testcase"):
        status = case.get("status", "fail")
        reason = case.find("skipped")
        if status == "notrun" and (reason is None or "SKIP_RETURN_CODE" not in reason.get("message", "")):
            status = "fail"
        count.add(case_counts(status, case.findtext("system-out") or "", case.get("name")))
    return count


def run(command, env=None):
    """Runs with the output going through; the exit status."""
    print("$ " + " ".join(map(str, command)), flush=True)
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})}).returncode


def build(preset):
    if run(["cmake", "--preset", preset, f"-DADZE_PYTHON={sys.executable}"]):
        return Count(failed=1)
    return Count(failed=1) if run(["cmake", "--build", "--preset", preset, "-j", JOBS]) else Count()


def run_lit(preset, env):
    tree = ROOT / "build" / preset
    report = tree / "lit.json"
    report.unlink(missing_ok=True)
    status = run([Path(sys.prefix) / "bin/lit", "-sv", "-j", JOBS, "--timeout=600",
                  f"--output={report}", tree / "test"], env)
    if not report.exists():
        return Count(failed=1)
    count = lit_counts(json.loads(report.read_text()))
    if status and not count.failed:
        count.failed = 1
    return count


def run_ctest(preset, env, label):
    report = ROOT / "build" / preset / "ctest.xml"
    report.unlink(missing_ok=True)
    status = run(["ctest", "--preset", preset, "-j", JOBS, "--output-junit", report, "--quiet",
                  "--test-output-size-passed", "65536", "--test-output-size-failed", "1048576",
                  "--test-output-truncation", "head", *(["-L", label] if label else [])], env)
    if not report.exists():
        return Count(failed=1)
    text = report.read_text(errors="replace")
    count = ctest_counts(text)
    for case in ElementTree.fromstring(text).iter("testcase"):
        if case.get("status") == "fail":
            print(f"--- {case.get('name')}\n{case.findtext('system-out') or ''}")
    if status and not count.failed:
        count.failed = 1
    return count


def check(preset, label=None, env=None, tests=True):
    """Builds and tests one preset; the counts."""
    total = Count()
    stages = [("build", lambda: build(preset))]
    if tests:
        stages += [("lit", lambda: run_lit(preset, env)),
                   ("ctest", lambda: run_ctest(preset, env, label))]
    for name, stage in stages:
        start = time.monotonic()
        count = stage()
        total.add(count)
        counts = "failed" if count.failed else "done"
        print(f"== {preset} {name}: {counts if name == 'build' else count} "
              f"({time.monotonic() - start:.0f} s)", flush=True)
        if name == "build" and count.failed:
            break
    return total


def main():
    parser = argparse.ArgumentParser(prog="check", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="only the release build")
    args = parser.parse_args()
    total = check("release")
    if not args.quick:
        total.add(check("clang", tests=False))
        total.add(check("asan-ubsan", label="unit", env=SANITIZER_ENV))
    for why, number in total.reasons.most_common():
        print(f"skipped: {number} x {why}")
    print(total, flush=True)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
