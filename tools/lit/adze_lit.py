"""lit for Adze: one call in a lit.cfg.py, for this repository and for plug-ins of others.

    import subprocess, sys
    sys.path.append(subprocess.check_output(["adze", "--lit-path"], text=True).strip())
    import adze_lit
    adze_lit.configure_plugin(config, lit_config, __file__, "my_pass")

A test is an .adz or .test file with RUN lines; other files are left alone. They know
    %plugin                   my_pass.so in the folder of lit.cfg.py, or another: lit -Dplugin=FILE.so
    %adze, %FileCheck, %not   (also plain `adze` and `FileCheck`); %not COMMAND succeeds when COMMAND fails with exit
                              status 1 or 2, never by a signal; %not --status=N asks for exactly N
and, for REQUIRES, a feature for each backend that is there (x86), each level that this CPU has (x86-64-v3), and each of
the Python packages numpy and onnx that %python has.
"""
import glob
import importlib.util
import os
import re
import shutil
import subprocess
import sys

import lit.formats


def find_filecheck():
    """FileCheck of the newest LLVM: from FILECHECK, from PATH, or where Debian puts it; None if there is none."""
    given = os.environ.get("FILECHECK") or shutil.which("FileCheck")
    folders = sorted(glob.glob("/usr/lib/llvm-*/bin/FileCheck"), key=lambda p: int(re.search(r"llvm-(\d+)", p)[1]))
    return given or (folders[-1] if folders else None)


def features(adze):
    """Backends that are there and levels that run here, as `adze info --targets` tells them."""
    said = subprocess.run([adze, "info", "--targets"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^backend +([^ :]+)", said, re.M)
    return set(found + re.findall(r"^level +[^ :]+:(\S+) \(runs here\)", said, re.M))


def configure(config, lit_config, adze=None, filecheck=None):
    """Sets format, suffixes, substitutions and features; what is not there ends lit with one line."""
    adze = adze or shutil.which("adze")
    if not adze or not os.access(adze, os.X_OK):
        lit_config.fatal(f"{adze or 'adze'} is not there; is its folder in PATH?")
    filecheck = filecheck or find_filecheck()
    if not filecheck:
        lit_config.fatal("FileCheck is not there; it is one of LLVM's tools (Debian: llvm-22-tools)")
    config.test_format = lit.formats.ShTest(execute_external=False)
    config.suffixes = [".adz", ".test"]
    config.substitutions += [
        ("%adze", adze),
        ("%FileCheck", filecheck + " --dump-input-filter=error"),
        ("%not", f"{sys.executable} {os.path.dirname(os.path.abspath(__file__))}/not.py"),
        (r"(?<![\w/.%-])adze(?= )", adze),
        (r"(?<![\w/.%-])FileCheck(?= )", filecheck),
    ]
    config.available_features |= features(adze)
    config.environment["LC_ALL"] = "C"


class PluginTests(lit.formats.ShTest):
    """Models, and what a crash left, may lie beside the tests: without a RUN line they are none."""

    def getTestsInDirectory(self, *args):
        for test in super().getTestsInDirectory(*args):
            with open(test.getSourcePath(), errors="replace") as file:
                if "RUN:" in file.read():
                    yield test


def configure_plugin(config, lit_config, file, name):
    """For the folder of a plug-in: `file` is its lit.cfg.py, NAME.so the plug-in."""
    folder = os.path.dirname(os.path.abspath(file))
    configure(config, lit_config)
    config.name = name
    config.test_format = PluginTests(execute_external=False)
    config.available_features |= {name for name in ("numpy", "onnx") if importlib.util.find_spec(name)}
    config.excludes = ["Inputs", "build"]
    plugin = lit_config.params.get("plugin") or os.path.join(folder, name + ".so")
    config.substitutions += [("%plugin", os.path.abspath(plugin)), ("%python", sys.executable)]
