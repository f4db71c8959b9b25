#!/bin/sh
# Builds the kernels and every per-op test with plain c++ and runs them: tests/native/run.sh [op …]. No CMake needed.
#
# SWIRL_TEST_DEVICE names the device: cpu (the default; each test runs once for every instruction set of the
# processor), emulated (the CUDA kernels, run on the CPU), races (the same under the race detector, once, with few shapes;
# SWIRL_TEST_SHAPES=all takes all), or cuda, cuda:1 (a GPU, with the module that SWIRL_CUDA_MODULE names, by default
# build-native/Release/swirl_cuda.so).
# SWIRL_ONEDNN=0 leaves oneDNN out; SANITIZE=address,undefined (or thread) builds with sanitizers; EMULATE_AMX=1 puts
# memory in the place of AMX's tile registers, so that the AMX product is tested where there is no AMX. JOBS compilers
# run at a time.
set -e
cd "$(dirname "$0")/../.."
flags="-std=c++17 -O2 -fno-math-errno -fopenmp -Wall -Wextra -Wno-unused-parameter -I."
out=build/tests
library=
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
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

# stale OBJECT: it is not there, or older than something it was made from (the compiler wrote down what).
stale() {
  [ ! -e "$1" ] || [ ! -e "$1.d" ] ||
    [ -n "$(find $(sed -e 's/^[^:]*://' -e 's/\\$//' "$1.d") -newer "$1" 2>&1 | head -n 1)" ]
}

# compile FOLDER FLAGS SOURCE…: an object each under $out/FOLDER.
compile() {
  into=$out/$1 with=$2
  shift 2
  mkdir -p "$into"
  for source in "$@"; do
    object=$into/$(basename "$source" | sed 's/\.[a-z]*$//').o
    if stale "$object"; then printf '%s\0%s\0' "$source" "$object"; fi
  done | xargs -0 -r -n 2 -P "$jobs" sh -c "c++ $with -MMD -MF \"\$1.d\" -c -x c++ \"\$0\" -o \"\$1\""
}

compile cpu "$flags" native/cpu/*.cc native/kernels/registry.cc
# device.cu, memory.cu, gemm.cu and cublaslt.cu talk to a real GPU; cuda/emulator has their counterparts.
kernels=$(ls cuda/*.cu | grep -v -e '/device\.cu$' -e '/memory\.cu$' -e '/gemm\.cu$' -e '/cublaslt\.cu$')
emulator=$(ls cuda/emulator/*.cc | grep -v _test)
module_flags="$flags -fPIC -fvisibility=hidden -ffp-contract=fast -march=native -DSWIRL_CUDA_EMULATED \
  -Wno-unknown-pragmas -Werror"
if [ "$SWIRL_TEST_DEVICE" = emulated ]; then
  compile emulated "$module_flags" $kernels
  compile emulator "$module_flags" $emulator
  SWIRL_CUDA_MODULE=$PWD/$out/swirl_cuda_emulated.so
  c++ $flags -shared "$out"/emulated/*.o "$out"/emulator/*.o -o "$SWIRL_CUDA_MODULE"
  SWIRL_TEST_DEVICE=cuda
  machine=$(ls "$out"/emulator/*.o | grep -v -e '/entries\.o$' -e '/gemm\.o$')
  c++ $module_flags cuda/emulator/emulator_test.cc "$out"/emulated/error.o $machine -o "$out/emulator_test"
  "$out/emulator_test" || exit 1
elif [ "$SWIRL_TEST_DEVICE" = races ]; then
  # The kernels with the sanitizer's calls, whose library is not linked: cuda/emulator/access_hooks.cc answers them.
  module_flags="$module_flags -DSWIRL_EMULATOR_RACES -g1"
  watched_flags="$module_flags -O1 -fsanitize=thread"
  compile races "$watched_flags" $kernels
  compile races-emulator "$module_flags" $emulator
  SWIRL_CUDA_MODULE=$PWD/$out/swirl_cuda_races.so
  c++ $flags -shared "$out"/races/*.o "$out"/races-emulator/*.o -o "$SWIRL_CUDA_MODULE"
  SWIRL_TEST_DEVICE=cuda
  export SWIRL_TEST_VARIANT=${SWIRL_TEST_VARIANT:-forward} SWIRL_TEST_SHAPES=${SWIRL_TEST_SHAPES:-few}
  machine=$(ls "$out"/races-emulator/*.o | grep -v -e '/entries\.o$' -e '/gemm\.o$')
  compile races-test "$watched_flags" cuda/emulator/races_test.cc
  c++ "$out/races-test/races_test.o" "$out"/races/error.o $machine -ldl -o "$out/races_test"
  "$out/races_test" || exit 1
else
  SWIRL_CUDA_MODULE=${SWIRL_CUDA_MODULE:-$PWD/build-native/Release/swirl_cuda.so}
fi
export SWIRL_TEST_DEVICE SWIRL_CUDA_MODULE

[ $# -gt 0 ] || set -- simd convert gemm embedding rmsnorm rope gated rows attention_forward attention_backward logprob sample adamw adamw_compact
failed=0
for op in "$@"; do
  c++ $flags "tests/native/${op}_test.cc" "$out"/cpu/*.o $library -ldl -o "$out/${op}_test"
  "$out/${op}_test" || failed=1
done
exit $failed
