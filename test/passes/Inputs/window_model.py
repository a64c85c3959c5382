"""window_model.py FOLDER: m.adz, an attention of three heads: the first looks at what stands two ahead, the second
everywhere, the third at itself. A hard mask hides the last key, whose query then looks everywhere. x.npz, held.npz:
samples."""
import sys
from pathlib import Path

import numpy as np

folder, length, depth = Path(sys.argv[1]), 16, 16
rng = np.random.default_rng(5)
(folder / "m.adz").write_text("""
func @main(%q: f32[1,3,16,16], %k: f32[1,3,16,16], %v: f32[1,3,16,4], %soft: f32[1,1,1,16], %hard: f32[1,1,1,16]) ->
          (f32[1,3,16,4], f32[1,3,16,4], f32[1,3,16,4]) {
  %y = attention(%q, %k, %v) {scale = 0.5} : f32[1,3,16,4]
  %z = attention(%q, %k, %v, %soft) {scale = 0.5} : f32[1,3,16,4]
  %n = attention(%q, %k, %v, %hard) {scale = 0.5} : f32[1,3,16,4]
  return(%y, %z, %n)
}
""")
for name, n in (("x", 12), ("held", 12)):
    k = np.broadcast_to(np.eye(length), (n, 1, 3, length, depth)) + 0.01 * rng.normal(size=(n, 1, 3, length, depth))
    q = 40 * k.copy()
    q[:, :, 0, :-2] = 40 * k[:, :, 0, 2:]
    q[:, :, 1] = 0
    m = np.zeros((n, 1, 1, 1, length))
    m[..., 15] = -1
    np.savez(folder / f"{name}.npz", q=q.astype(np.float32), k=k.astype(np.float32),
             v=rng.normal(size=(n, 1, 3, length, 4)).astype(np.float32), soft=m.astype(np.float32),
             hard=(1e9 * m).astype(np.float32))
