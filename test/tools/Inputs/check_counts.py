"""Counting of tools/check.py, case by case; the argument is the tools folder."""
import sys

sys.path.insert(0, sys.argv[1])
from check import Count, case_counts, ctest_counts, lit_counts  # noqa: E402


def same(got, passed, failed, skipped):
    assert got == Count(passed, failed, skipped), f"got {got}, want {Count(passed, failed, skipped)}"


def lit(*codes):
    return lit_counts({"tests": [{"name": str(i), "code": c} for i, c in enumerate(codes)]})


same(lit("PASS", "XFAIL", "FLAKYPASS"), 3, 0, 0)
same(lit("FAIL", "XPASS", "UNRESOLVED", "TIMEOUT", "PASS"), 1, 4, 0)
same(lit("UNSUPPORTED", "SKIPPED", "EXCLUDED"), 0, 0, 3)
same(lit("A NEW CODE"), 0, 1, 0)

same(case_counts("run", "fine"), 1, 0, 0)
same(case_counts("run", "a\n7 passed, 0 failed, 2 skipped\n"), 7, 0, 2)
same(case_counts("fail", "7 passed, 0 failed, 0 skipped\n==1==ERROR: LeakSanitizer"), 7, 1, 0)
same(case_counts("fail", "Segmentation fault"), 0, 1, 0)
same(case_counts("fail", "5 passed, 2 failed, 0 skipped\n"), 5, 2, 0)
same(case_counts("skipped", "skipped: no models"), 0, 0, 1)
# Only a whole line counts, and the last one.
same(case_counts("run", "said 9 passed, 9 failed, 9 skipped!\n1 passed, 0 failed, 0 skipped\n"), 1, 0, 0)


def junit(*cases):
    return "<testsuite>" + "".join(cases) + "</testsuite>"


RAN = '<testcase name="a" status="run"><system-out>2 passed, 0 failed, 0 skipped</system-out></testcase>'
FAILED = '<testcase name="b" status="fail"><failure message=""/><system-out/></testcase>'
SKIPPED = '<testcase name="c" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>'
NOT_BUILT = '<testcase name="d" status="notrun"><skipped message="Unable to find executable"/></testcase>'
same(ctest_counts(junit(RAN, FAILED, SKIPPED, NOT_BUILT)), 2, 2, 1)
same(ctest_counts(junit()), 0, 0, 0)

# Every skip has a reason: the one that was told, else who skipped.
SAID = "skipped: no models (ADZE_MODELS)\nskip   near a tie, open\n3 passed, 0 failed, 4 skipped\n"
count = case_counts("run", SAID, "unit.x")
same(count, 3, 0, 4)
assert count.reasons == {"no public models (ADZE_MODELS)": 1, "near a tie, open": 1, "by unit.x": 2}, count.reasons
count.add(lit_counts({"tests": [{"name": "m", "code": "UNSUPPORTED",
                                 "output": "Test requires the following unavailable features: models"}]}))
assert count.reasons["no public models (ADZE_MODELS)"] == 2 and sum(count.reasons.values()) == count.skipped == 5
