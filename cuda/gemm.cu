// Matrix products from cuBLASLt: float32 in true float32 (never TF32), bfloat16 with float32 sums.
//
// A row of C must not depend on how many rows the call has: the sampler asks for a few, the trainer for thousands, and
// their log-probs must be the same bits. cuBLASLt's heuristic picks different kernels for different m, with different
// orders of sums. So the heuristic is asked once per kind of product (n, k, transposes, types, alignment), for a
// nominal m, and its answer is used for every m. What could still tie a row to m is a reduction across thread blocks
// (split-K, stream-K), whose partition depends on the size of the whole: those are excluded in three ways, by the
// reduction mask, by the answer's split-K number, and by giving no workspace, which partial sums would need. A tile
// kernel then sums one element of C over k in the one order of its tile. AlgoCheck tells whether an algorithm supports
// a size: one is chosen that supports few rows and many, and it is checked again for every size, the first time that a
// call has it. tests/native/gemm_test.cc checks this on the GPU at hand: rows alone have the bits they have among
// others.
//
// A weight's gradient (transpose_a) has no rows of a batch in C: there m belongs to the kind.
//
// The cost: products of few rows run with tiles for many. Nothing is allocated in a call. SWIRL_CUDA_LOG=1 prints
// each plan.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "cuda/cublaslt.h"
#include "cuda/ops.h"
#include "cuda/platform.cuh"
#include "cuda/runtime.cuh"
#include "native/kernels/gemm_arguments.h"
#include "native/kernels/size_of.h"

namespace swirl::cuda {
namespace {

using namespace cublaslt;

// The nominal m for the heuristic: rows of a training micro-batch.
constexpr int32_t kNominalRows = 2048;
// Rows of C that an algorithm must compute: a token alone, a decode step, both sides of a tile's edge, a micro-batch.
constexpr int32_t kRowsToCheck[] = {1, 64, 127, 129, kNominalRows, 8192};
// Alignment that lets every kernel load 16 bytes at once; more has no benefit.
constexpr uint32_t kFullAlignment = 16;

// A kind of product. k is the number of rows of a micro-batch in a weight's gradient (transpose_a) and takes
// any value there: then it stands for its next power of two. m is 0 where it is a number of rows.
struct Kind {
  bool transpose_a, transpose_b;
  int32_t m, n, k;
  swirl_dtype dtype, c_type;
  uint32_t align_a, align_b, align_c;
  bool operator<(const Kind& o) const {
    const auto all = [](const Kind& x) {
      return std::tie(x.transpose_a, x.transpose_b, x.m, x.n, x.k, x.dtype, x.c_type, x.align_a, x.align_b,
                      x.align_c);
    };
    return all(*this) < all(o);
  }
};

int32_t next_power_of_two(int32_t x) {
  int32_t out = 1;
  while (out < x && out < (1 << 30)) out *= 2;
  return out;
}

DataType type_of(swirl_dtype type) { return type == SWIRL_FLOAT32 ? cublaslt::kFloat32 : kBfloat16; }

// Alignment of every row of a matrix: the same for row 0 as for all of them, or a row alone would be
// another kind of product than the same row among others.
uint32_t alignment(const void* pointer, int32_t ld, swirl_dtype type) {
  const size_t bits =
      reinterpret_cast<uintptr_t>(pointer) | (static_cast<size_t>(ld) * size_of(type)) | kFullAlignment;
  return static_cast<uint32_t>(bits & (~bits + 1));
}

struct Plan {
  MatmulDesc desc = nullptr;
  Algo algo = {};
  std::set<int32_t> checked;  // numbers of rows, m or k, for which the algorithm was checked
};

}  // namespace

struct MatrixLibrary {
  const Library* library = nullptr;
  Handle handle = nullptr;
  // Layouts of the current call; their sizes are set each time.
  MatrixLayout first[2] = {}, second[2] = {}, result[2] = {};  // by dtype
  std::map<Kind, Plan> plans;
};

namespace {

// A failure of cuBLASLt, or of the device if CUDA reports one too.
swirl_status failed(swirl_device* device, const std::string& what, Status status) {
  const std::string text = "gemm: " + what + ": cuBLASLt failed with status " + std::to_string(status);
  const cudaError_t stream = cudaStreamQuery(device->stream);
  if (stream != cudaSuccess && stream != cudaErrorNotReady) return check(device, stream, text.c_str());
  return fail(device, SWIRL_DEVICE_ERROR, "%s", text.c_str());
}

std::string text(const Kind& kind, int32_t m, int32_t k) {
  const auto name = [](swirl_dtype type) { return type == SWIRL_FLOAT32 ? "float32" : "bfloat16"; };
  char out[200];
  std::snprintf(out, sizeof out, "m %d, n %d, k %d, transposes %d %d, %s -> %s, alignments %u %u %u", m,
                kind.n, k, kind.transpose_a, kind.transpose_b, name(kind.dtype), name(kind.c_type),
                kind.align_a, kind.align_b, kind.align_c);
  return out;
}

bool set_size(const Library& lt, MatrixLayout layout, uint64_t rows, uint64_t columns, int64_t ld) {
  return lt.layout_set(layout, kRows, &rows, sizeof rows) == kSuccess &&
         lt.layout_set(layout, kColumns, &columns, sizeof columns) == kSuccess &&
         lt.layout_set(layout, kStride, &ld, sizeof ld) == kSuccess;
}

// cuBLASLt is column-major, so our C is its transpose: Cᵀ[n, m] = op(B)ᵀ · op(A)ᵀ, where our B, read by columns,
// is its first operand and our A its second.
bool set_sizes(MatrixLibrary& matrix, const Kind& kind, int32_t rows, int32_t depth, int64_t lda, int64_t ldb,
               int64_t ldc) {
  const uint64_t m = static_cast<uint64_t>(rows), n = static_cast<uint64_t>(kind.n),
                 k = static_cast<uint64_t>(depth);
  return set_size(*matrix.library, matrix.first[kind.dtype], kind.transpose_b ? k : n,
                  kind.transpose_b ? n : k, ldb) &&
         set_size(*matrix.library, matrix.second[kind.dtype], kind.transpose_a ? m : k,
                  kind.transpose_a ? k : m, lda) &&
         set_size(*matrix.library, matrix.result[kind.c_type], n, m, ldc);
}

// The same with the narrowest strides that the kind's alignment allows.
bool set_narrow_sizes(MatrixLibrary& matrix, const Kind& kind, int32_t m, int32_t k) {
  const auto stride = [](int64_t width, uint32_t align, swirl_dtype type) {
    const int64_t step = align / static_cast<int64_t>(size_of(type));
    return step > 1 ? (width + step - 1) / step * step : width;
  };
  return set_sizes(matrix, kind, m, k, stride(kind.transpose_a ? m : k, kind.align_a, kind.dtype),
                   stride(kind.transpose_b ? k : kind.n, kind.align_b, kind.dtype),
                   stride(kind.n, kind.align_c, kind.c_type));
}

// Whether the algorithm computes the sizes that the layouts have, without workspace.
Status ask(MatrixLibrary& matrix, const Kind& kind, MatmulDesc desc, const Algo& algo) {
  HeuristicResult result = {};
  const Status status =
      matrix.library->algo_check(matrix.handle, desc, matrix.first[kind.dtype], matrix.second[kind.dtype],
                                 matrix.result[kind.c_type], matrix.result[kind.c_type], &algo, &result);
  return status == kSuccess && (result.state != kSuccess || result.workspace_bytes != 0) ? kNotSupported
                                                                                         : status;
}

// Whether the algorithm computes few rows and many.
bool computes_all(MatrixLibrary& matrix, const Kind& kind, MatmulDesc desc, const Algo& algo) {
  if (kind.transpose_a) {
    for (const int32_t k : {1, kind.k / 2 + 1, kind.k})
      if (!set_narrow_sizes(matrix, kind, kind.m, k) || ask(matrix, kind, desc, algo) != kSuccess)
        return false;
    return true;
  }
  for (const int32_t m : kRowsToCheck)
    if (!set_narrow_sizes(matrix, kind, m, kind.k) || ask(matrix, kind, desc, algo) != kSuccess) return false;
  return true;
}

void log_plan(const MatrixLibrary& matrix, const Kind& kind, const Algo& algo) {
  static const bool wanted = [] {
    const char* wish = std::getenv("SWIRL_CUDA_LOG");
    return wish != nullptr && *wish == '1';
  }();
  if (!wanted) return;
  int32_t id = -1;
  uint32_t tile = 0, stages = 0;
  matrix.library->algo_get(&algo, kId, &id, sizeof id, nullptr);
  matrix.library->algo_get(&algo, kTile, &tile, sizeof tile, nullptr);
  matrix.library->algo_get(&algo, kStages, &stages, sizeof stages, nullptr);
  std::fprintf(stderr, "swirl: gemm %s: algorithm %d, tile %u, stages %u\n",
               text(kind, kind.transpose_a ? kind.m : kNominalRows, kind.k).c_str(), id, tile, stages);
}

// The best algorithm that sums each element in one sequence and computes every number of rows.
swirl_status choose(swirl_device* device, const Kind& kind, MatmulDesc desc, Preference preference,
                    Algo* out) {
  MatrixLibrary& matrix = *device->matrix;
  const Library& lt = *matrix.library;
  const uint64_t no_workspace = 0;
  const uint32_t no_reduction = 0;
  lt.preference_set(preference, kMaxWorkspaceBytes, &no_workspace, sizeof no_workspace);
  lt.preference_set(preference, kReductionSchemeMask, &no_reduction, sizeof no_reduction);
  lt.preference_set(preference, kMinAlignmentA, &kind.align_b, sizeof kind.align_b);  // its A is our B
  lt.preference_set(preference, kMinAlignmentB, &kind.align_a, sizeof kind.align_a);
  lt.preference_set(preference, kMinAlignmentC, &kind.align_c, sizeof kind.align_c);
  lt.preference_set(preference, kMinAlignmentD, &kind.align_c, sizeof kind.align_c);
  constexpr int kWanted = 16;
  HeuristicResult results[kWanted] = {};
  int found = 0;
  const Status status = lt.heuristic(matrix.handle, desc, matrix.first[kind.dtype], matrix.second[kind.dtype],
                                     matrix.result[kind.c_type], matrix.result[kind.c_type], preference,
                                     kWanted, results, &found);
  for (int i = 0; status == kSuccess && i < found; ++i) {
    uint32_t split = 0, scheme = 0;
    if (results[i].state != kSuccess || results[i].workspace_bytes != 0) continue;
    if (lt.algo_get(&results[i].algo, kSplitK, &split, sizeof split, nullptr) != kSuccess || split > 1)
      continue;
    if (lt.algo_get(&results[i].algo, kReductionScheme, &scheme, sizeof scheme, nullptr) != kSuccess ||
        scheme != 0)
      continue;
    if (!computes_all(matrix, kind, desc, results[i].algo)) continue;
    *out = results[i].algo;
    return SWIRL_OK;
  }
  if (status != kSuccess && status != kNotSupported) return failed(device, "heuristic", status);
  return fail(
      device, SWIRL_UNSUPPORTED,
      "gemm: cuBLASLt has no algorithm that computes every number of rows in one order: %s (status %d, %d "
      "offered)",
      text(kind, kind.transpose_a ? kind.m : kNominalRows, kind.k).c_str(), static_cast<int>(status), found);
}

swirl_status make_plan(swirl_device* device, const Kind& kind, Plan* out) {
  MatrixLibrary& matrix = *device->matrix;
  const Library& lt = *matrix.library;
  Status status = lt.desc_create(&out->desc, kComputeFloat32, cublaslt::kFloat32);
  if (status != kSuccess) return failed(device, "descriptor", status);
  const Operation first = kind.transpose_b ? kTransposed : kPlain,
                  second = kind.transpose_a ? kTransposed : kPlain;
  if (lt.desc_set(out->desc, kTransposeA, &first, sizeof first) != kSuccess ||
      lt.desc_set(out->desc, kTransposeB, &second, sizeof second) != kSuccess)
    return fail(device, SWIRL_DEVICE_ERROR, "gemm: cuBLASLt refuses the transposes");
  Preference preference = nullptr;
  status = lt.preference_create(&preference);
  if (status != kSuccess) return failed(device, "preference", status);
  swirl_status chosen = SWIRL_OK;
  if (!set_narrow_sizes(matrix, kind, kind.transpose_a ? kind.m : kNominalRows, kind.k))
    chosen =
        fail(device, SWIRL_DEVICE_ERROR, "gemm: cuBLASLt refuses the layouts of n %d, k %d", kind.n, kind.k);
  if (chosen == SWIRL_OK) chosen = choose(device, kind, out->desc, preference, &out->algo);
  lt.preference_destroy(preference);
  if (chosen == SWIRL_OK) log_plan(matrix, kind, out->algo);
  return chosen;
}

swirl_status find_plan(swirl_device* device, const Kind& kind, Plan** out) {
  const auto at = device->matrix->plans.find(kind);
  if (at != device->matrix->plans.end()) {
    *out = &at->second;
    return SWIRL_OK;
  }
  Plan plan;
  const swirl_status status = make_plan(device, kind, &plan);
  if (status != SWIRL_OK) {
    if (plan.desc != nullptr) device->matrix->library->desc_destroy(plan.desc);
    return status;
  }
  *out = &(device->matrix->plans[kind] = plan);
  return SWIRL_OK;
}

}  // namespace

swirl_status open_matrix_library(swirl_device* device) {
  std::string reason;
  Handle handle = nullptr;
  const Library* library =
      open_library([&](const Library& candidate) { return candidate.create(&handle); }, &reason);
  if (library == nullptr) {
    // On a failed GPU no library starts: then that is the reason.
    const cudaError_t stream = cudaStreamQuery(device->stream);
    if (stream != cudaSuccess && stream != cudaErrorNotReady)
      return check(device, stream, "cuBLASLt does not start");
    return fail(device, SWIRL_UNSUPPORTED, "%s", reason.c_str());
  }
  device->matrix = new (std::nothrow) MatrixLibrary;
  if (device->matrix == nullptr) {
    library->destroy(handle);
    return fail(device, SWIRL_OUT_OF_MEMORY, "cuda: no host memory for cuBLASLt");
  }
  MatrixLibrary& matrix = *device->matrix;
  matrix.library = library;
  matrix.handle = handle;
  Status status = kSuccess;
  for (const swirl_dtype type : {SWIRL_FLOAT32, SWIRL_BFLOAT16})
    for (MatrixLayout* layout : {&matrix.first[type], &matrix.second[type], &matrix.result[type]}) {
      status = library->layout_create(layout, type_of(type), 1, 1, 1);
      if (status != kSuccess) return failed(device, "layout", status);
    }
  return SWIRL_OK;
}

void close_matrix_library(swirl_device* device) {
  if (device->matrix == nullptr) return;
  MatrixLibrary& matrix = *device->matrix;
  for (const auto& [kind, plan] : matrix.plans) matrix.library->desc_destroy(plan.desc);
  for (int type = 0; type < 2; ++type)
    for (MatrixLayout layout : {matrix.first[type], matrix.second[type], matrix.result[type]})
      if (layout != nullptr) matrix.library->layout_destroy(layout);
  if (matrix.handle != nullptr) matrix.library->destroy(matrix.handle);
  delete device->matrix;
  device->matrix = nullptr;
}

std::string matrix_library_name(const swirl_device* device) {
  const size_t version = device->matrix->library->version();  // 130100, or 12.x as 120800
  return "cuBLASLt " + std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100);
}

swirl_status gemm(swirl_device* device, int transpose_a, int transpose_b, int32_t m, int32_t n, int32_t k,
                  swirl_dtype dtype, const void* a, int32_t lda, const void* b, int32_t ldb, float beta,
                  void* c, int32_t ldc, swirl_dtype c_type) {
  if (const std::string why =
          gemm_refusal(transpose_a, transpose_b, m, n, k, dtype, lda, ldb, beta, ldc, c_type);
      !why.empty())
    return fail(device, SWIRL_INVALID, "%s", why.c_str());
  if (m == 0 || n == 0) return SWIRL_OK;
  if (k == 0) {
    if (beta == 1) return SWIRL_OK;
    const size_t width = size_of(c_type);
    return check(device,
                 cudaMemset2DAsync(c, static_cast<size_t>(ldc) * width, 0, static_cast<size_t>(n) * width,
                                   static_cast<size_t>(m), device->stream),
                 "gemm");
  }
  const Kind kind = {transpose_a != 0,
                     transpose_b != 0,
                     transpose_a ? m : 0,
                     n,
                     transpose_a ? next_power_of_two(k) : k,
                     dtype,
                     c_type,
                     alignment(a, lda, dtype),
                     alignment(b, ldb, dtype),
                     alignment(c, ldc, c_type)};
  Plan* plan = nullptr;
  const swirl_status found = find_plan(device, kind, &plan);
  if (found != SWIRL_OK) return found;
  MatrixLibrary& matrix = *device->matrix;
  if (!set_sizes(matrix, kind, m, k, lda, ldb, ldc))
    return fail(device, SWIRL_DEVICE_ERROR, "gemm: cuBLASLt refuses the layouts of %s",
                text(kind, m, k).c_str());
  if (const int32_t rows = transpose_a ? k : m; plan->checked.count(rows) == 0) {
    const Status asked = ask(matrix, kind, plan->desc, plan->algo);
    if (asked != kSuccess) return failed(device, text(kind, m, k) + ": AlgoCheck", asked);
    plan->checked.insert(rows);
  }
  const float one = 1;
  const Status status = matrix.library->matmul(
      matrix.handle, plan->desc, &one, b, matrix.first[dtype], a, matrix.second[dtype], &beta, c,
      matrix.result[c_type], c, matrix.result[c_type], &plan->algo, nullptr, 0, device->stream);
  if (status == kSuccess) return SWIRL_OK;
  return failed(device, text(kind, m, k), status);
}

}  // namespace swirl::cuda
