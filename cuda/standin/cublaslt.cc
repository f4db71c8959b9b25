// A cuBLASLt without a GPU: found by the same search, called through the same interface. It refuses what the real one
// refuses: unknown attributes and types, sizes that do not fit together, strides narrower than a column, unaligned
// pointers, workspace that an algorithm was not given, and an algorithm that was not checked for its shape.
//
// gemm.cu can use only the last of its algorithms: the others split k, reduce across blocks, need workspace, or need at
// least 64 columns (our rows). SWIRL_STANDIN_CUBLASLT=create makes cublasLtCreate fail, as a library newer than the
// driver does; a name after a colon restricts it to one file: create:libcublasLt.so.13.
#include "cuda/cublaslt.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "cuda/standin/stream.h"
#include "native/cpu/bfloat16.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace {

using namespace swirl::cuda::cublaslt;

constexpr Status kNotInitialized = Status(1), kInvalid = Status(7), kExecutionFailed = Status(13);

struct Desc {
  int32_t transposes[2] = {0, 0};
};
struct Layout {
  int32_t type;
  uint64_t rows, columns;
  int64_t ld;
};
struct Wish {
  uint64_t workspace = 0;
  uint32_t reductions = 0xffffffffu;
  uint32_t align[4] = {256, 256, 256, 256};
};
// Content of an Algo's words.
struct Chosen {
  uint64_t magic;
  uint32_t id, split, scheme, least_columns;
  uint32_t align[4];
  uint64_t workspace;
};
static_assert(sizeof(Chosen) <= sizeof(Algo), "an algorithm is 64 bytes");
constexpr uint64_t kMagic = 0x5357495257495257u;

using Shape = std::tuple<uint32_t, uint64_t, uint64_t, uint64_t, int32_t, int32_t, int32_t, int32_t>;
std::set<Shape>& checked() {
  static auto* all = new std::set<Shape>;
  return *all;
}

int64_t calls_left = -1;  // until one fails
int32_t fail_with = 0;
int64_t objects = 0, products = 0, all_calls = 0;

Status begin() {
  ++all_calls;
  if (calls_left < 0 || calls_left-- > 0) return kSuccess;
  return Status(fail_with);
}
#define BEGIN() \
  if (const Status broken = begin(); broken != kSuccess) return broken

Desc* of(MatmulDesc x) { return reinterpret_cast<Desc*>(x); }
Layout* of(MatrixLayout x) { return reinterpret_cast<Layout*>(x); }
Wish* of(Preference x) { return reinterpret_cast<Wish*>(x); }

template <class T>
Status set(T* to, const void* from, size_t bytes) {
  if (bytes != sizeof(T)) return kInvalid;
  std::memcpy(to, from, bytes);
  return kSuccess;
}

size_t width(int32_t type) { return type == 0 ? 4 : 2; }

// m, n, k of D[m, n] = op(A)[m, k] · op(B)[k, n], columns contiguous. False when the sizes do not fit.
bool sizes(const Desc& d, const Layout& a, const Layout& b, const Layout& c, const Layout& to, uint64_t* m,
           uint64_t* n, uint64_t* k) {
  *m = d.transposes[0] ? a.columns : a.rows;
  *k = d.transposes[0] ? a.rows : a.columns;
  *n = d.transposes[1] ? b.rows : b.columns;
  for (const Layout* each : {&a, &b, &c, &to})
    if (each->rows == 0 || each->columns == 0 || each->ld < static_cast<int64_t>(each->rows)) return false;
  return (d.transposes[1] ? b.columns : b.rows) == *k && c.rows == *m && c.columns == *n && to.rows == *m &&
         to.columns == *n && a.type == b.type && c.type == to.type && (c.type == 0 || c.type == a.type);
}

Shape shape(const Desc& d, const Chosen& algo, uint64_t m, uint64_t n, uint64_t k, int32_t in, int32_t out) {
  return {algo.id, m, n, k, d.transposes[0], d.transposes[1], in, out};
}

bool aligned(const void* pointer, const Layout& layout, uint32_t to) {
  return reinterpret_cast<uintptr_t>(pointer) % to == 0 &&
         static_cast<size_t>(layout.ld) * width(layout.type) % to == 0;
}

float read(const void* from, size_t at, int32_t type) {
  return type == 0 ? static_cast<const float*>(from)[at]
                   : swirl::to_float(static_cast<const swirl::bfloat16*>(from)[at]);
}

Status state_of(const Chosen& algo, uint64_t n) { return n < algo.least_columns ? kNotSupported : kSuccess; }

}  // namespace

// --- for tests
EXPORTED void swirl_standin_cublaslt_fail(int64_t number, int32_t status) {
  calls_left = number;
  fail_with = status;
}
EXPORTED int64_t swirl_standin_cublaslt_objects() { return objects; }
EXPORTED int64_t swirl_standin_cublaslt_products() { return products; }
EXPORTED int64_t swirl_standin_cublaslt_calls() { return all_calls; }

// --- the library
EXPORTED size_t cublasLtGetVersion() { return 130100; }

EXPORTED Status cublasLtCreate(Handle* out) {
  BEGIN();
  if (const char* broken = std::getenv("SWIRL_STANDIN_CUBLASLT"); broken != nullptr) {
    Dl_info own = {};
    dladdr(reinterpret_cast<const void*>(&cublasLtCreate), &own);
    const std::string wish = broken, file = own.dli_fname != nullptr ? own.dli_fname : "";
    if (wish == "create" || (wish.rfind("create:", 0) == 0 && file.find(wish.substr(7)) != std::string::npos))
      return kNotInitialized;
  }
  ++objects;
  *out = reinterpret_cast<Handle>(new int(0));
  return kSuccess;
}
EXPORTED Status cublasLtDestroy(Handle handle) {
  --objects;
  delete reinterpret_cast<int*>(handle);
  return kSuccess;
}
EXPORTED Status cublasLtMatmulDescCreate(MatmulDesc* out, int32_t compute, int32_t scale) {
  BEGIN();
  if (compute != kComputeFloat32 || scale != 0) return kInvalid;
  ++objects;
  *out = reinterpret_cast<MatmulDesc>(new Desc);
  return kSuccess;
}
EXPORTED Status cublasLtMatmulDescDestroy(MatmulDesc desc) {
  --objects;
  delete of(desc);
  return kSuccess;
}
EXPORTED Status cublasLtMatmulDescSetAttribute(MatmulDesc desc, int32_t attribute, const void* from,
                                               size_t bytes) {
  BEGIN();
  if (attribute != kTransposeA && attribute != kTransposeB) return kInvalid;
  int32_t value = -1;
  if (set(&value, from, bytes) != kSuccess || value < 0 || value > 1) return kInvalid;
  of(desc)->transposes[attribute == kTransposeB] = value;
  return kSuccess;
}
EXPORTED Status cublasLtMatrixLayoutCreate(MatrixLayout* out, int32_t type, uint64_t rows, uint64_t columns,
                                           int64_t ld) {
  BEGIN();
  if (type != kFloat32 && type != kBfloat16) return kInvalid;
  ++objects;
  *out = reinterpret_cast<MatrixLayout>(new Layout{type, rows, columns, ld});
  return kSuccess;
}
EXPORTED Status cublasLtMatrixLayoutDestroy(MatrixLayout layout) {
  --objects;
  delete of(layout);
  return kSuccess;
}
EXPORTED Status cublasLtMatrixLayoutSetAttribute(MatrixLayout layout, int32_t attribute, const void* from,
                                                 size_t bytes) {
  BEGIN();
  if (attribute == kRows) return set(&of(layout)->rows, from, bytes);
  if (attribute == kColumns) return set(&of(layout)->columns, from, bytes);
  if (attribute == kStride) return set(&of(layout)->ld, from, bytes);
  return kInvalid;
}
EXPORTED Status cublasLtMatmulPreferenceCreate(Preference* out) {
  BEGIN();
  ++objects;
  *out = reinterpret_cast<Preference>(new Wish);
  return kSuccess;
}
EXPORTED Status cublasLtMatmulPreferenceDestroy(Preference preference) {
  --objects;
  delete of(preference);
  return kSuccess;
}
EXPORTED Status cublasLtMatmulPreferenceSetAttribute(Preference preference, int32_t attribute,
                                                     const void* from, size_t bytes) {
  BEGIN();
  if (attribute == kMaxWorkspaceBytes) return set(&of(preference)->workspace, from, bytes);
  if (attribute == kReductionSchemeMask) return set(&of(preference)->reductions, from, bytes);
  if (attribute >= kMinAlignmentA && attribute <= kMinAlignmentD)
    return set(&of(preference)->align[attribute - kMinAlignmentA], from, bytes);
  return kInvalid;
}

EXPORTED Status cublasLtMatmulAlgoGetHeuristic(Handle, MatmulDesc desc, MatrixLayout a, MatrixLayout b,
                                               MatrixLayout c, MatrixLayout d, Preference preference,
                                               int wanted, HeuristicResult* results, int* found) {
  BEGIN();
  *found = 0;
  uint64_t m, n, k;
  if (!sizes(*of(desc), *of(a), *of(b), *of(c), *of(d), &m, &n, &k)) return kInvalid;
  const Wish& wish = *of(preference);
  for (const uint32_t align : wish.align)
    if (align == 0 || (align & (align - 1)) != 0) return kInvalid;
  const auto offer = [&](Chosen algo) {
    if (*found == wanted || algo.workspace > wish.workspace || (algo.scheme & ~wish.reductions) != 0 ||
        n < algo.least_columns)
      return;
    HeuristicResult& result = results[(*found)++];
    result = {};
    std::memcpy(&result.algo, &algo, sizeof algo);
    result.workspace_bytes = algo.workspace;
    checked().insert(shape(*of(desc), algo, m, n, k, of(a)->type, of(c)->type));
  };
  const auto algorithm = [&](uint32_t id, uint32_t split, uint32_t scheme, uint32_t least,
                             uint64_t workspace) {
    Chosen out = {kMagic, id, split, scheme, least, {}, workspace};
    std::memcpy(out.align, wish.align, sizeof out.align);
    return out;
  };
  offer(algorithm(1, 4, 2, 0, 1 << 20));
  offer(algorithm(2, 2, 0, 0, 0));
  offer(algorithm(3, 1, 1, 0, 0));
  offer(algorithm(4, 1, 0, 64, 0));
  offer(algorithm(5, 1, 0, 0, 0));
  return *found > 0 ? kSuccess : kNotSupported;
}

EXPORTED Status cublasLtMatmulAlgoCheck(Handle, MatmulDesc desc, MatrixLayout a, MatrixLayout b,
                                        MatrixLayout c, MatrixLayout d, const Algo* algo,
                                        HeuristicResult* result) {
  BEGIN();
  Chosen chosen = {};
  std::memcpy(&chosen, algo, sizeof chosen);
  uint64_t m, n, k;
  if (chosen.magic != kMagic || !sizes(*of(desc), *of(a), *of(b), *of(c), *of(d), &m, &n, &k))
    return kInvalid;
  *result = {};
  result->state = state_of(chosen, n);
  result->workspace_bytes = chosen.workspace;
  if (result->state == kSuccess)
    checked().insert(shape(*of(desc), chosen, m, n, k, of(a)->type, of(c)->type));
  return result->state;
}

EXPORTED Status cublasLtMatmulAlgoConfigGetAttribute(const Algo* algo, int32_t attribute, void* to,
                                                     size_t bytes, size_t* written) {
  BEGIN();
  Chosen chosen = {};
  std::memcpy(&chosen, algo, sizeof chosen);
  if (bytes != 4) return kInvalid;
  const uint32_t value = attribute == kId                ? chosen.id
                         : attribute == kSplitK          ? chosen.split
                         : attribute == kReductionScheme ? chosen.scheme
                                                         : 0;
  if (attribute < 0 || attribute > 8) return kInvalid;
  std::memcpy(to, &value, 4);
  if (written != nullptr) *written = 4;
  return kSuccess;
}

EXPORTED Status cublasLtMatmul(Handle handle, MatmulDesc desc, const void* alpha, const void* a,
                               MatrixLayout la, const void* b, MatrixLayout lb, const void* beta,
                               const void* c, MatrixLayout lc, void* d, MatrixLayout ld, const Algo* algo,
                               void* workspace, size_t workspace_bytes, CUstream_st* stream) {
  BEGIN();
  const Layout &A = *of(la), &B = *of(lb), &C = *of(lc), &D = *of(ld);
  Chosen chosen = {};
  std::memcpy(&chosen, algo, sizeof chosen);
  uint64_t m, n, k;
  if (handle == nullptr || stream == nullptr || chosen.magic != kMagic ||
      !sizes(*of(desc), A, B, C, D, &m, &n, &k) || workspace_bytes < chosen.workspace ||
      (workspace == nullptr && workspace_bytes > 0) || (c == d && C.ld != D.ld))
    return kInvalid;
  if (checked().count(shape(*of(desc), chosen, m, n, k, A.type, C.type)) == 0) return kNotSupported;
  if (!aligned(a, A, chosen.align[0]) || !aligned(b, B, chosen.align[1]) || !aligned(c, C, chosen.align[2]) ||
      !aligned(d, D, chosen.align[3]))
    return kInvalid;
  auto* shown = reinterpret_cast<swirl_standin_stream*>(stream);
  const auto extent = [](const Layout& l) {
    return (static_cast<size_t>(l.ld) * (l.columns - 1) + l.rows) * width(l.type);
  };
  if (!shown->is_memory(a, extent(A)) || !shown->is_memory(b, extent(B)) || !shown->is_memory(d, extent(D)))
    return kExecutionFailed;
  shown->finish(shown);
  ++products;
  float scale, keep;
  std::memcpy(&scale, alpha, 4);
  std::memcpy(&keep, beta, 4);
  const bool turned_a = of(desc)->transposes[0] != 0, turned_b = of(desc)->transposes[1] != 0;
  std::vector<float> first(k * m), sum(m);  // op(A)ᵀ [k, m]
  for (size_t p = 0; p < k; ++p)
    for (size_t i = 0; i < m; ++i)
      first[p * m + i] =
          read(a, turned_a ? i * static_cast<size_t>(A.ld) + p : p * static_cast<size_t>(A.ld) + i, A.type);
  for (size_t j = 0; j < n; ++j) {
    std::fill(sum.begin(), sum.end(), 0.0f);
    for (size_t p = 0; p < k; ++p) {
      const float x =
          read(b, turned_b ? p * static_cast<size_t>(B.ld) + j : j * static_cast<size_t>(B.ld) + p, B.type);
      for (size_t i = 0; i < m; ++i) sum[i] += x * first[p * m + i];
    }
    for (size_t i = 0; i < m; ++i) {
      float value = scale * sum[i];
      if (keep != 0) value += keep * read(c, j * static_cast<size_t>(C.ld) + i, C.type);
      const size_t at = j * static_cast<size_t>(D.ld) + i;
      if (D.type == 0) {
        static_cast<float*>(d)[at] = value;
      } else {
        static_cast<swirl::bfloat16*>(d)[at] = swirl::to_bfloat16(value);
      }
    }
  }
  return kSuccess;
}
