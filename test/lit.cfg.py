"""lit: text in, text out. A test is any .adz or .test file below test/ with a RUN line.

Substitutions and features are those of tools/lit/adze_lit.py, which plug-ins use too, and
%cc, %python, %models, %src, %build, %llvm (folder of LLVM's tools);
models (the folder of public models is there), dot (Graphviz is there), sanitize.
"""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(config.adze_source_dir, "tools", "lit"))
import adze_lit

config.name = "adze"
config.excludes = ["unit", "Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.adze_build_dir, "test", "lit")
adze_lit.configure(config, lit_config, os.path.join(config.adze_bin_dir, "adze"), config.filecheck)

models = os.environ.get("ADZE_MODELS") or os.path.join(config.adze_source_dir, "..", "shared", "models")
models = os.path.realpath(models)

for name, value in [
    ("%cc", config.cc),
    ("%python", config.python),
    ("%models", models),
    ("%src", config.adze_source_dir),
    ("%build", config.adze_build_dir),
    ("%llvm", config.llvm_bin),
]:
    config.substitutions.append((name, value))

if os.path.isdir(models):
    config.available_features.add("models")
if shutil.which("dot"):
    config.available_features.add("dot")
if config.sanitize:
    config.available_features.add("sanitize")

# Kernels that several tests compile are compiled once, and again only after the backend was built anew.
config.environment["ADZE_CODE_CACHE"] = (os.environ.get("ADZE_CODE_CACHE") or
                                         os.path.join(config.adze_build_dir, "test", "code"))

for key in ("ADZE_MODELS", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
    if key in os.environ:
        config.environment[key] = os.environ[key]
