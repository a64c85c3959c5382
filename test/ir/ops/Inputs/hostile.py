"""Ops whose operands are wrong in their values: each is refused with its message, on the reference, and nothing
crashes.

    hostile.py ADZE FOLDER
"""
import subprocess
import sys

CASES = [
    ("scatter: index out of range", "%y = scatter_elements(@x, @far, @u) : f32[3,4]"),
    ("scatter: index out of range", "%y = scatter_nd(@x, @tuple, @row) : f32[3,4]"),
    ("reverse_sequence: a length is out of range", "%y = reverse_sequence(@x, @four) : f32[3,4]"),
    ("compress: the condition is longer than the axis", "%y = compress(@x, @five) {axis = 0} : f32[?,4]"),
    ("non_max_suppression: a bound is not one number",
     "%y = non_max_suppression(@boxes, @scores, @four) : i64[?,3]"),
    ("image_decode: the bytes are no image in", "%y = image_decode(@bytes) : u8[?,?,3]"),
    ("roi_align: a batch index is out of range", "%y = roi_align(@image, @region, @batch) : f32[1,1,1,1]"),
    ("max_roi_pool: a batch index is out of range",
     "%y = max_roi_pool(@image, @regions) {pooled_shape = [1, 1]} : f32[1,1,1,1]"),
    ("max_unpool: index out of range", "%y = max_unpool(@image, @places) {kernel_shape = [2, 2]} : f32[1,1,3,3]"),
    ("col2im: the columns do not fit the windows", "%y = col2im(@columns, @dims, @window) : f32[1,1,5,5]"),
    ("mel_weight_matrix: absurd operands",
     "%y = mel_weight_matrix(@one, @one, @zero, @low, @low) : f32[1,1]"),
    ("a recurrent layer's sequence is longer than the operand", "%y = rnn(@seq, @w, @r, _, @long) : f32[2,1,1,1]"),
    ("a recurrent layer's activations are not known, or too many",
     "%y = rnn(@seq, @w, @r) {activations = \"Wobble\"} : f32[2,1,1,1]"),
    ("a recurrent layer has too few activations",
     "%y = lstm(@seq, @w4, @r4) {activations = \"Tanh Tanh\"} : f32[2,1,1,1]"),
    ("tfidf_vectorizer: the pool does not fit its counts",
     "%y = tfidf_vectorizer(@grams) {max_gram_length = 2, max_skip_count = 0, min_gram_length = 1, mode = \"TF\", "
     "ngram_counts = [0, 9], ngram_indexes = [0], pool_int64s = [1]} : f32[1]"),
    ("lookup: an element is no key", "%y = lookup(@four, @grams, @grams) : i64[4]"),
    *(("tree_ensemble: an entry of its tables is out of range",
       f"%y = tree_ensemble(@x, @{roots}, @{nodes}, @splits, @{leaves}, @{targets}, @weights) {{n_targets = 1}} "
       ": f32[3,1]")
      for roots, nodes, leaves, targets in (
          ("far_root", "nodes", "leaves", "targets"), ("root", "loop", "leaves", "targets"),
          ("root", "feature", "leaves", "targets"), ("root", "mode", "leaves", "targets"),
          ("root", "leaf", "leaves", "targets"), ("root", "nodes", "starts", "targets"),
          ("root", "nodes", "leaves", "far_targets"))),
]

MODULE = """module @hostile {
  const @x : f32[3,4] = derived full() {value = 1}
  const @u : f32[1,1] = dense[1.0]
  const @far : i64[1,1] = dense[3]
  const @tuple : i64[1,1] = dense[-4]
  const @row : f32[1,4] = derived full() {value = 1}
  const @four : i64[4] = dense[1, 2, 3, 4]
  const @five : bool[5] = dense[false, false, false, false, true]
  const @boxes : f32[1,2,4] = derived full() {value = 1}
  const @scores : f32[1,1,2] = derived full() {value = 1}
  const @bytes : u8[3] = dense[71, 73, 70]
  const @image : f32[1,1,2,2] = derived full() {value = 1}
  const @region : f32[1,4] = derived full() {value = 1}
  const @regions : f32[1,5] = derived full() {value = 1}
  const @batch : i64[1] = dense[-1]
  const @places : i64[1,1,2,2] = dense[0, 1, 2, 9]
  const @columns : f32[1,4,5] = derived full() {value = 1}
  const @dims : i64[2] = dense[5, 5]
  const @window : i64[2] = dense[2, 2]
  const @zero : i64[] = dense[0]
  const @one : i64[] = dense[1]
  const @low : f32[] = dense[1.0]
  const @seq : f32[2,1,1] = derived full() {value = 1}
  const @w : f32[1,1,1] = derived full() {value = 1}
  const @r : f32[1,1,1] = derived full() {value = 1}
  const @w4 : f32[1,4,1] = derived full() {value = 1}
  const @r4 : f32[1,4,1] = derived full() {value = 1}
  const @long : i32[1] = dense[3]
  const @grams : i64[1] = dense[1]
  const @root : i64[1] = dense[0]
  const @far_root : i64[1] = dense[7]
  const @nodes : i64[1,5] = dense[0, 0, 0, -1, -2]
  const @loop : i64[1,5] = dense[0, 0, 0, 0, 0]
  const @feature : i64[1,5] = dense[4, 0, 0, -1, -2]
  const @mode : i64[1,5] = dense[0, 6, 0, -1, -2]
  const @leaf : i64[1,5] = dense[0, 0, 0, -9, -9]
  const @splits : f32[1] = dense[0.5]
  const @leaves : i64[3] = dense[0, 1, 2]
  const @starts : i64[3] = dense[-5, 900, 900]
  const @targets : i64[2] = dense[0, 0]
  const @far_targets : i64[2] = dense[1, -1]
  const @weights : f32[2] = dense[1.0, 2.0]
  func @main(%x: i64[]) -> (%y: TYPE) {
    OP
    return(%y)
  }
}
"""


def main():
    adze, folder = sys.argv[1:]
    failed = 0
    for i, (want, op) in enumerate(CASES):
        path = f"{folder}.{i}.adz"
        text = MODULE.replace("TYPE", op.rsplit(" : ", 1)[1]).replace("OP", op)
        with open(path, "w") as file:
            file.write(text)
        done = subprocess.run([adze, "run", path, "--target=reference", "--seed=1"], capture_output=True, text=True)
        if done.returncode != 1 or want not in done.stderr:
            failed += 1
            print(f"{op}\n  status {done.returncode}, want: {want}\n{done.stderr}")
    print(f"{len(CASES) - failed} refused, {failed} not")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
