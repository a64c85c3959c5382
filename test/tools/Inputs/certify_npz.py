"""Writes inputs for certify.adz: only element 15 is not zero; and an archive without them."""
import sys

import numpy as np

x = np.zeros(16, np.float32)
x[15] = 0.25
np.savez(sys.argv[1], x=x)
np.savez(sys.argv[2], z=x)
