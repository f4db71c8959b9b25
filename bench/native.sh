#!/bin/sh
# Builds and runs one native benchmark: bench/native.sh gemm|attention|ops [arguments]. SWIRL_ISA, SWIRL_MATRIX and
# SWIRL_ONEDNN=0 (built without oneDNN) are understood. `ops` runs on any device (ops --device cuda --json FILE), with
# the CUDA module that SWIRL_CUDA_MODULE names: a GPU's, or the emulated one that tests/native/run.sh builds.
set -e
cd "$(dirname "$0")/.."
name=$1
shift
out=build/bench
mkdir -p "$out"
flags="-std=c++17 -O3 -fno-math-errno -fopenmp -I."
library=
if [ "$SWIRL_ONEDNN" != 0 ] && echo '#include <dnnl.h>' | c++ -E - >/dev/null 2>&1; then
  flags="$flags -DSWIRL_ONEDNN=1"
  library=-ldnnl
fi
for source in native/cpu/*.cc native/kernels/*.cc; do
  object="$out/$(basename "$source" .cc).o"
  if [ ! -e "$object" ] || [ -n "$(find native/cpu native/kernels -newer "$object" | head -n 1)" ]; then
    c++ $flags -c "$source" -o "$object"
  fi
done
c++ $flags "bench/$name.cc" "$out"/*.o $library -ldl -o "$out/$name"
exec "$out/$name" "$@"
