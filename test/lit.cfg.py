"""lit: text in, text out. A test is any .adz, .test or .py file below test/ with a RUN line.

Substitutions: %adze, %FileCheck (also plain `adze` and `FileCheck`), %not (status must be 1 or 2,
never a signal), %cc, %python, %models, %src, %build, %llvm (folder of LLVM's tools).
Features for REQUIRES: x86, models (the folder of public models is there), sanitize.
"""
import os

import lit.formats

config.name = "adze"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".adz", ".test"]
config.excludes = ["unit", "Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.adze_build_dir, "test", "lit")

adze = os.path.join(config.adze_bin_dir, "adze")
models = os.environ.get("ADZE_MODELS") or os.path.join(config.adze_source_dir, "..", "shared", "models")
models = os.path.realpath(models)

for name, value in [
    ("%adze", adze),
    ("%FileCheck", config.filecheck + " --dump-input-filter=error"),
    ("%not", f"{config.python} {config.test_source_root}/not.py"),
    ("%cc", config.cc),
    ("%python", config.python),
    ("%models", models),
    ("%src", config.adze_source_dir),
    ("%build", config.adze_build_dir),
    ("%llvm", config.llvm_bin),
    (r"(?<![\w/.%-])adze(?= )", adze),
    (r"(?<![\w/.%-])FileCheck(?= )", config.filecheck),
]:
    config.substitutions.append((name, value))

if config.has_x86:
    config.available_features.add("x86")
if os.path.isdir(models):
    config.available_features.add("models")
if config.sanitize:
    config.available_features.add("sanitize")

for key in ("ADZE_MODELS", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
    if key in os.environ:
        config.environment[key] = os.environ[key]
config.environment["LC_ALL"] = "C"
