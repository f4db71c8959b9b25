#include "work.h"

#include <algorithm>

#include "size_of.h"

namespace swirl::work {
namespace {

Work moved(const char* op, double bytes) {
  Work w;
  w.op = op;
  w.bytes = bytes;
  return w;
}

double cells(int32_t rows, int32_t width) { return double(rows) * width; }

int32_t power_of_two_from(int32_t x) {
  int32_t power = 1;
  while (power < x && power < (1 << 30)) power *= 2;
  return power;
}

// Lower bound of the keys that a call reads: its own, and those that its longest path sees.
double least_keys(const swirl_attention_shape& shape, const swirl_tree& tree) {
  int32_t path = tree.longest_path;
  if (shape.window > 0) path = std::min(path, shape.window - 1 + tree.longest_segment);
  return std::max(tree.rows, path);
}

}  // namespace

Work upload(void*, const void*, size_t bytes) { return moved("upload", 2.0 * double(bytes)); }
Work download(void*, const void*, size_t bytes) { return moved("download", 2.0 * double(bytes)); }
Work copy(void*, const void*, size_t bytes) { return moved("copy", 2.0 * double(bytes)); }
Work zero(void*, size_t bytes) { return moved("zero", double(bytes)); }

Work convert(void*, swirl_dtype to_type, const void*, swirl_dtype from_type, size_t count) {
  return moved("convert", double(count) * (size_of(to_type) + size_of(from_type)));
}

Work gemm(int transpose_a, int transpose_b, int32_t m, int32_t n, int32_t k, swirl_dtype dtype, const void*,
          int32_t, const void*, int32_t, float beta, void*, int32_t, swirl_dtype c_type) {
  Work w = moved("gemm", size_of(dtype) * (cells(m, k) + cells(k, n)) +
                             size_of(c_type) * cells(m, n) * (beta == 0 ? 1 : 2));
  w.flops = 2 * cells(m, n) * k;
  w.dtype = dtype;
  w.product = {m, n, k, transpose_a != 0, transpose_b != 0, dtype};
  int32_t& rows = transpose_a ? w.product.k : w.product.m;
  rows = power_of_two_from(rows);
  return w;
}

Work pack(int32_t n, int32_t k, swirl_dtype dtype, const void*, int32_t, void*) {
  return moved("pack", 2 * size_of(dtype) * cells(n, k));
}

Work gemm_packed(int32_t m, int32_t n, int32_t k, swirl_dtype dtype, const void* a, int32_t lda,
                 const void* packed, float beta, void* c, int32_t ldc, swirl_dtype c_type) {
  Work w = gemm(0, 1, m, n, k, dtype, a, lda, packed, k, beta, c, ldc, c_type);
  w.op = "gemm_packed";
  return w;
}

Work embedding_forward(int32_t rows, int32_t width, const int32_t*, const void*, swirl_dtype dtype, float,
                       float*) {
  return moved("embedding_forward", cells(rows, width) * (size_of(dtype) + 4));
}

Work embedding_backward(int32_t rows, int32_t width, const int32_t*, const float*, float, float*) {
  return moved("embedding_backward", cells(rows, width) * 12);
}

Work rmsnorm_forward(int32_t rows, int32_t groups, int32_t width, const void*, int32_t, swirl_dtype x_type,
                     const float*, float, float, void*, int32_t, swirl_dtype y_type, float*) {
  return moved("rmsnorm_forward", cells(rows, width) * groups * (size_of(x_type) + size_of(y_type)) +
                                      4 * cells(rows, groups) + 4.0 * width);
}

Work rmsnorm_backward(int32_t rows, int32_t groups, int32_t width, const void*, int32_t, swirl_dtype x_type,
                      const float*, float, const float*, const void*, int32_t, swirl_dtype dy_type, void*,
                      int32_t, swirl_dtype dx_type, int accumulate, float*) {
  return moved("rmsnorm_backward",
               cells(rows, width) * groups *
                       (size_of(x_type) + size_of(dy_type) + size_of(dx_type) * (accumulate ? 2 : 1)) +
                   4 * cells(rows, groups) + 12.0 * width);
}

Work rope(int32_t rows, int32_t heads, int32_t head_dim, void*, int32_t, swirl_dtype dtype, const int32_t*,
          const float*, const float*, int) {
  return moved("rope", cells(rows, heads) * head_dim * 2 * size_of(dtype));
}

Work gated_forward(swirl_activation, int32_t rows, int32_t width, const void*, void*, swirl_dtype dtype) {
  return moved("gated_forward", cells(rows, width) * 3 * size_of(dtype));
}

Work gated_backward(swirl_activation, int32_t rows, int32_t width, const void*, const void*, void*,
                    swirl_dtype dtype) {
  return moved("gated_backward", cells(rows, width) * 5 * size_of(dtype));
}

Work add(size_t count, const float*, float*) { return moved("add", double(count) * 12); }

Work bias_forward(int32_t rows, int32_t width, void*, int32_t, swirl_dtype dtype, const float*) {
  return moved("bias_forward", cells(rows, width) * 2 * size_of(dtype));
}

Work bias_backward(int32_t rows, int32_t width, const void*, int32_t, swirl_dtype dtype, float*) {
  return moved("bias_backward", cells(rows, width) * size_of(dtype));
}

Work gather_rows(int32_t rows, int32_t width, const int32_t*, const void*, int32_t, void*, int32_t,
                 swirl_dtype dtype) {
  return moved("gather_rows", cells(rows, width) * 2 * size_of(dtype));
}

Work scatter_add_rows(int32_t rows, int32_t width, const int32_t*, const float*, int32_t, float*, int32_t) {
  return moved("scatter_add_rows", cells(rows, width) * 12);
}

Work convert_rows(int32_t rows, int32_t width, const float*, int32_t, const float*, void*, int32_t,
                  swirl_dtype dtype) {
  return moved("convert_rows", cells(rows, width) * (4 + size_of(dtype)));
}

Work scatter_rows(int32_t rows, int32_t width, const int32_t*, const void*, int32_t, void*, int32_t,
                  swirl_dtype dtype) {
  return moved("scatter_rows", cells(rows, width) * 2 * size_of(dtype));
}

// Two products for every visible pair: q·k and p·v.
Work attention_forward(const swirl_attention_shape* shape, const swirl_tree* tree, const void*, int32_t,
                       const void*, int32_t, const void*, int32_t, void*, int32_t, float*,
                       swirl_dtype dtype) {
  const double query = cells(tree->rows, shape->heads) * shape->head_dim * size_of(dtype);
  const double keys = least_keys(*shape, *tree) * shape->kv_heads * shape->head_dim * size_of(dtype);
  Work w = moved("attention_forward", 2 * query + 2 * keys + 4 * cells(tree->rows, shape->heads));
  w.flops = 4 * double(tree->pairs) * shape->heads * shape->head_dim;
  w.dtype = dtype;
  return w;
}

// Five: q·k again, dout·v, and the sums of dq, dk and dv.
Work attention_backward(const swirl_attention_shape* shape, const swirl_tree* tree, const void*, int32_t,
                        const void*, int32_t, const void*, int32_t, const void*, int32_t, const float*,
                        const void*, int32_t, void*, float*, float*, swirl_dtype dtype) {
  const double query = cells(tree->rows, shape->heads) * shape->head_dim * size_of(dtype);
  const double keys = least_keys(*shape, *tree) * shape->kv_heads * shape->head_dim;
  Work w = moved("attention_backward", 4 * query + 2 * keys * (size_of(dtype) + 8));
  w.flops = 10 * double(tree->pairs) * shape->heads * shape->head_dim;
  w.dtype = dtype;
  return w;
}

Work logprob_forward(int32_t vocab, const float*, float, float, const swirl_labels* labels, float*, float*,
                     float*) {
  return moved("logprob_forward", cells(labels->rows, vocab) * 4);
}

Work logprob_backward(int32_t vocab, const float*, float, float, const swirl_labels* labels, const float*,
                      const float*, const float*, const float*, void*, swirl_dtype dtype) {
  return moved("logprob_backward", cells(labels->rows, vocab) * (4 + size_of(dtype)));
}

Work sample(int32_t rows, int32_t vocab, const float*, float, const swirl_sampling*, const float*, int32_t*,
            float*) {
  return moved("sample", cells(rows, vocab) * 4);
}

Work sum_of_squares(size_t count, const float*, double*) {
  return moved("sum_of_squares", double(count) * 4);
}

// Weight, m and v are read and written, the gradient is read, the rounded copy is written.
Work adamw(size_t count, const swirl_adamw*, float* weight, const float*, float*, float*, void* compute,
           swirl_dtype dtype) {
  const bool rounds = compute != nullptr && compute != weight;
  return moved("adamw", double(count) * (28 + (rounds ? size_of(dtype) : 0)));
}

Work adamw_check(size_t count, const swirl_adamw*, const float*, const float*, const float*, const float*,
                 int64_t*) {
  return moved("adamw_check", double(count) * 16);
}

// Weight, both moments and their scales are read and written, the gradient is read.
Work adamw_compact(size_t count, const swirl_adamw*, const swirl_rounding*, void*, const float*,
                   const swirl_compact_moments*) {
  return moved("adamw_compact", double(count) * (12 + 4.0 / SWIRL_MOMENT_BLOCK));
}

Work adamw_compact_check(size_t count, const swirl_adamw*, const void*, const float*,
                         const swirl_compact_moments*, int64_t*) {
  return moved("adamw_compact_check", double(count) * (8 + 2.0 / SWIRL_MOMENT_BLOCK));
}

}  // namespace swirl::work
