#!/bin/sh
# Builds the kernels and every per-op test with plain c++ and runs them: tests/native/run.sh [op …]. No CMake needed.
# SWIRL_ONEDNN=0 leaves oneDNN out; SANITIZE=address,undefined (or thread) builds with sanitizers; EMULATE_AMX=1 puts
# memory in the place of AMX's tile registers, so that the AMX product is tested where there is no AMX. Each test runs
# once for every instruction set of the processor.
set -e
cd "$(dirname "$0")/../.."
flags="-std=c++17 -O2 -fno-math-errno -fopenmp -Wall -Wextra -Wno-unused-parameter -I."
out=build/tests
library=
if [ -n "$SANITIZE" ]; then
  flags="$flags -g -fno-omit-frame-pointer -fsanitize=$SANITIZE"
  out=build/tests-$(echo "$SANITIZE" | tr , -)
fi
if [ "$SWIRL_ONEDNN" != 0 ] && echo '#include <dnnl.h>' | c++ -E - >/dev/null 2>&1; then
  flags="$flags -DSWIRL_ONEDNN=1"
  library=-ldnnl
  out=$out-onednn
fi
if [ -n "$EMULATE_AMX" ]; then
  flags="$flags -DSWIRL_AMX_EMULATED"
  out=$out-amx
fi
mkdir -p "$out"
export ASAN_OPTIONS=allocator_may_return_null=1
objects=
for source in native/cpu/*.cc; do
  object="$out/$(basename "$source" .cc).o"
  if [ ! -e "$object" ] || [ -n "$(find native/cpu native/kernels -newer "$object" | head -n 1)" ]; then
    c++ $flags -c "$source" -o "$object"
  fi
  objects="$objects $object"
done
[ $# -gt 0 ] || set -- simd convert gemm embedding rmsnorm rope gated rows attention_forward attention_backward logprob sample adamw
failed=0
for op in "$@"; do
  c++ $flags "tests/native/${op}_test.cc" $objects $library -o "$out/${op}_test"
  "$out/${op}_test" || failed=1
done
exit $failed
