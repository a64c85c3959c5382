# lit runs the tests in this folder. %plugin is mish2.so here, or `lit -Dplugin=FILE.so .`
import subprocess
import sys

sys.path.append(subprocess.check_output(["adze", "--lit-path"], text=True).strip())
import adze_lit

adze_lit.configure_plugin(config, lit_config, __file__, "mish2")
