# lit runs the files in test/. %plugin is the plug-in: `lit -Dplugin=FILE.so .`, or @IDENT@.so in this folder.
import os
import subprocess
import sys

sys.path.append(subprocess.check_output(["adze", "--lit-path"], text=True).strip())
import adze_lit

here = os.path.dirname(os.path.abspath(__file__))
config.name = "@NAME@"
config.test_source_root = os.path.join(here, "test")
adze_lit.configure(config, lit_config)
plugin = lit_config.params.get("plugin", os.path.join(here, "@IDENT@.so"))
config.substitutions.append(("%plugin", os.path.abspath(plugin)))
