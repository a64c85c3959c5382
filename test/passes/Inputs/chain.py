"""chain.py N: a module with N relus, one behind the other."""
import sys

n = int(sys.argv[1])
print("func @main(%x: f32[4]) -> (f32[4]) {")
for i in range(n):
    print(f"  %v{i} = relu(%{f'v{i - 1}' if i else 'x'}) : f32[4]")
print(f"  return(%v{n - 1})\n}}")
