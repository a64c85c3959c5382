"""A module of two functions and as many ops as asked for, in one chain, with one add behind a relu."""
import sys

count = int(sys.argv[1])
ops = ["tanh", "sigmoid", "abs", "neg", "exp", "sin", "cos", "softmax"]
print("const @w : f32[8,64] = derived full() {value = 0.5}")
print("const @b : f32[64] = derived full() {value = 0.25}")
print("func @other(%p: f32[4]) -> (f32[4]) {\n  %0 = exp(%p) : f32[4]\n  return(%0)\n}")
print("func @main(%x: f32[N,8], %z: f32[N,64]) -> (%y: f32[N,64], %u: f32[N,8]) {")
print("  %v0 = matmul(%x, @w) : f32[N,64]")
for i in range(1, count - 3):
    op, more = ops[i % 8], " {axis = 1}" if i % 8 == 7 else ""
    operands = f"%v{i - 1}"
    if i == count // 2:
        op, more = "relu", ""
    elif i == count // 2 + 1:
        op, more, operands = "add", "", f"%v{i - 1}, %z"
    elif i % 13 == 5:
        op, more, operands = "add", "", f"%v{i - 1}, @b"
    print(f"  %v{i} = {op}({operands}){more} : f32[N,64] loc(\"node{i}\")")
print("  %u = exp(%x) : f32[N,8]")
print(f"  return(%v{count - 4}, %u)\n}}")
