// The part of cuBLASLt that gemm.cu uses, declared here because the library is opened at run time: the module
// builds and loads without it. Names and numbers follow NVIDIA's cublasLt.h, whose binary interface is the same
// in versions 11, 12 and 13.
#ifndef SWIRL_CUDA_CUBLASLT_H_
#define SWIRL_CUDA_CUBLASLT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

struct CUstream_st;

namespace swirl::cuda::cublaslt {

using Handle = struct OpaqueHandle*;
using MatmulDesc = struct OpaqueMatmulDesc*;
using MatrixLayout = struct OpaqueMatrixLayout*;
using Preference = struct OpaquePreference*;

enum Status : int32_t { kSuccess = 0, kNotSupported = 15 };
enum DataType : int32_t { kFloat32 = 0, kBfloat16 = 14 };  // cudaDataType_t
enum ComputeType : int32_t { kComputeFloat32 = 68 };       // CUBLAS_COMPUTE_32F: never TF32
enum Operation : int32_t { kPlain = 0, kTransposed = 1 };  // cublasOperation_t
enum DescAttribute : int32_t { kTransposeA = 3, kTransposeB = 4 };
enum PreferenceAttribute : int32_t {
  kMaxWorkspaceBytes = 1,    // uint64_t
  kReductionSchemeMask = 3,  // uint32_t; 0 allows only products without a reduction
  kMinAlignmentA = 5,        // uint32_t, bytes; B, C, D follow
  kMinAlignmentB = 6,
  kMinAlignmentC = 7,
  kMinAlignmentD = 8,
};
enum AlgoAttribute : int32_t { kId = 0, kTile = 1, kSplitK = 2, kReductionScheme = 3, kStages = 6 };
enum LayoutAttribute : int32_t { kRows = 2, kColumns = 3, kStride = 4 };  // uint64_t, uint64_t, int64_t

struct Algo {
  uint64_t data[8];
};
struct HeuristicResult {
  Algo algo;
  size_t workspace_bytes;
  Status state;
  float waves;
  int32_t reserved[4];
};

// The opened library. Every pointer is set.
struct Library {
  std::string file;
  size_t (*version)();  // 130100 for 13.1.0
  Status (*create)(Handle*);
  Status (*destroy)(Handle);
  Status (*desc_create)(MatmulDesc*, ComputeType, DataType scale);
  Status (*desc_destroy)(MatmulDesc);
  Status (*desc_set)(MatmulDesc, DescAttribute, const void*, size_t);
  Status (*layout_create)(MatrixLayout*, DataType, uint64_t rows, uint64_t columns, int64_t ld);
  Status (*layout_destroy)(MatrixLayout);
  Status (*layout_set)(MatrixLayout, LayoutAttribute, const void*, size_t);
  Status (*preference_create)(Preference*);
  Status (*preference_destroy)(Preference);
  Status (*preference_set)(Preference, PreferenceAttribute, const void*, size_t);
  Status (*heuristic)(Handle, MatmulDesc, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d,
                      Preference, int wanted, HeuristicResult*, int* found);
  Status (*algo_check)(Handle, MatmulDesc, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d,
                       const Algo*, HeuristicResult*);
  Status (*algo_get)(const Algo*, AlgoAttribute, void*, size_t, size_t* written);
  Status (*matmul)(Handle, MatmulDesc, const void* alpha, const void* a, MatrixLayout, const void* b,
                   MatrixLayout, const void* beta, const void* c, MatrixLayout, void* d, MatrixLayout,
                   const Algo*, void* workspace, size_t workspace_bytes, CUstream_st*);
};

// Files to try, in this order: SWIRL_CUBLASLT alone where it is set; else, of versions 13, 12 and 11 in turn, what the
// loader finds (LD_LIBRARY_PATH, ldconfig), the toolkit's, and those that pip installed for the Pythons of this
// environment.
std::vector<std::string> candidates();

// The first of them that loads and that `starts` accepts: a library newer than the driver loads but does not start,
// while an older one may. Kept for the process. Null when there is none; `reason` then lists what was tried, and how
// to install it. `starts` returns cublasLtCreate's status.
const Library* open_library(const std::function<Status(const Library&)>& starts, std::string* reason);

}  // namespace swirl::cuda::cublaslt

#endif  // SWIRL_CUDA_CUBLASLT_H_
