// Matrix products against float64; a row's bits alone and among others; repeatability.
#include "check.h"

namespace {

using check::Array;
using check::Device;
using check::Reference;
using check::Rng;

struct Case {
  bool transpose_a, transpose_b;
  int m, n, k;
  swirl_dtype dtype, c_type;
  bool accumulate;
};

std::string text(const Case& c) {
  char out[160];
  std::snprintf(out, sizeof out, "gemm %s%s m %d n %d k %d %s -> %s beta %d", c.transpose_a ? "T" : "N",
                c.transpose_b ? "T" : "N", c.m, c.n, c.k, check::name(c.dtype), check::name(c.c_type),
                c.accumulate);
  return out;
}

void against_float64(Device& device, Rng& rng, const Case& c) {
  const int pad_a = check::integer(rng, 0, 5), pad_b = check::integer(rng, 0, 5),
            pad_c = check::integer(rng, 0, 5);
  const int lda = (c.transpose_a ? c.m : c.k) + pad_a, ldb = (c.transpose_b ? c.k : c.n) + pad_b,
            ldc = c.n + pad_c;
  const Array a = Array::random(rng, c.dtype, size_t(lda) * (c.transpose_a ? c.k : c.m));
  const Array b = Array::random(rng, c.dtype, size_t(ldb) * (c.transpose_b ? c.n : c.k));
  Array out = Array::random(rng, c.c_type, size_t(ldc) * c.m);
  const Array before(out);
  device.ok(device.k->gemm(device.d, c.transpose_a, c.transpose_b, c.m, c.n, c.k, c.dtype, a.data(), lda,
                           b.data(), ldb, c.accumulate ? 1.0f : 0.0f, out.data(), ldc, c.c_type),
            "gemm");
  Reference want = out.values();
  for (int i = 0; i < c.m; ++i) {
    for (int j = 0; j < ldc; ++j) {
      const size_t at = size_t(i) * ldc + j;
      if (j >= c.n) {  // the gap between rows is not ours
        check::expect(out[at] == before[at], text(c) + ": wrote between the rows of C");
        want[at] = out[at];
        continue;
      }
      double sum = c.accumulate ? before[at] : 0;
      for (int p = 0; p < c.k; ++p)
        sum += a[c.transpose_a ? size_t(p) * lda + i : size_t(i) * lda + p] *
               b[c.transpose_b ? size_t(j) * ldb + p : size_t(p) * ldb + j];
      want[at] = sum;
    }
  }
  // Tensor cores truncate when they add: 2e-6 is normal at k = 1601.
  const double tolerance = c.c_type == SWIRL_BFLOAT16 ? 4e-3 : c.dtype == SWIRL_BFLOAT16 ? 1e-5 : 2e-6;
  check::close(out, want, tolerance, text(c));
  Array again(before);
  device.ok(device.k->gemm(device.d, c.transpose_a, c.transpose_b, c.m, c.n, c.k, c.dtype, a.data(), lda,
                           b.data(), ldb, c.accumulate ? 1.0f : 0.0f, again.data(), ldc, c.c_type),
            "gemm");
  check::expect(out.same_bits(again), text(c) + ": a second call gave other bits");
}

// Rows of X · Wᵀ computed alone, in small groups and all together have the same bits. counts: of the groups.
void rows_alone(Device& device, Rng& rng, swirl_dtype dtype, swirl_dtype c_type, bool transpose_b, int n,
                int k, int m, const std::vector<int>& counts) {
  const Array a = Array::random(rng, dtype, size_t(m) * k), b = Array::random(rng, dtype, size_t(n) * k);
  const int ldb = transpose_b ? k : n;
  Array all(c_type, size_t(m) * n);
  device.ok(device.k->gemm(device.d, 0, transpose_b, m, n, k, dtype, a.data(), k, b.data(), ldb, 0,
                           all.data(), n, c_type),
            "gemm");
  for (const int count : counts) {
    const int first = check::integer(rng, 0, m - count);
    Array some(c_type, size_t(count) * n);
    device.ok(device.k->gemm(device.d, 0, transpose_b, count, n, k, dtype, a.row(size_t(first) * k), k,
                             b.data(), ldb, 0, some.data(), n, c_type),
              "gemm");
    check::expect(some.same_bits(all, size_t(first) * n),
                  "gemm: " + std::to_string(count) + " rows alone have other bits than among " +
                      std::to_string(m) + " (n " + std::to_string(n) + ", k " + std::to_string(k) + ", " +
                      check::name(dtype) + ")");
  }
}

// Packed weights give the bits of the plain product, whatever the number of rows.
void packed(Device& device, Rng& rng, swirl_dtype dtype, swirl_dtype c_type, int n, int k) {
  if (device.k->gemm_packed == nullptr) return;
  const size_t bytes = device.k->packed_bytes(device.d, n, k, dtype);
  if (bytes == 0) return;  // this matrix library has no packed form
  const int ldb = k + check::integer(rng, 0, 5);
  const Array b = Array::random(rng, dtype, size_t(ldb) * n);
  Array store(SWIRL_FLOAT32, bytes / 4);
  device.ok(device.k->pack(device.d, n, k, dtype, b.data(), ldb, store.data()), "pack");
  for (const int m : {1, 2, 15, 29, 32, 71, 150}) {
    const int lda = k + check::integer(rng, 0, 5), ldc = n + check::integer(rng, 0, 5);
    const Array a = Array::random(rng, dtype, size_t(lda) * m);
    for (const float beta : {0.0f, 1.0f}) {
      const Array before = Array::random(rng, c_type, size_t(ldc) * m);
      Array want(before), got(before);
      device.ok(device.k->gemm(device.d, 0, 1, m, n, k, dtype, a.data(), lda, b.data(), ldb, beta,
                               want.data(), ldc, c_type),
                "gemm");
      device.ok(device.k->gemm_packed(device.d, m, n, k, dtype, a.data(), lda, store.data(), beta, got.data(),
                                      ldc, c_type),
                "gemm_packed");
      check::expect(got.same_bits(want), text({false, true, m, n, k, dtype, c_type, beta == 1}) +
                                             ": packed weights give other bits");
    }
  }
}

void refusals(Device& device) {
  const Array x(SWIRL_FLOAT32, 4, 1);
  Array y(SWIRL_FLOAT32, 4, 7);
  const auto refused = [&](int32_t m, int32_t lda, float beta, swirl_dtype c_type, const std::string& why) {
    const swirl_status status = device.k->gemm(device.d, 0, 0, m, 2, 2, SWIRL_FLOAT32, x.data(), lda,
                                               x.data(), 2, beta, y.data(), 2, c_type);
    const std::string said = device.k->last_error(device.d);
    check::expect(status == SWIRL_INVALID && said == why, "not refused with \"" + why + "\": " + said);
  };
  refused(-1, 2, 0, SWIRL_FLOAT32, "gemm: m -1, n 2, k 2 must not be negative and beta 0 must be 0 or 1");
  refused(2, 2, 0.5f, SWIRL_FLOAT32, "gemm: m 2, n 2, k 2 must not be negative and beta 0.5 must be 0 or 1");
  refused(2, 1, 0, SWIRL_FLOAT32,
          "gemm: a row is longer than its stride (m 2, n 2, k 2; lda 1, ldb 2, ldc 2)");
  refused(2, 2, 0, SWIRL_BFLOAT16, "gemm: C must be float32 or of A's type");
  check::expect(y[0] == 7, "gemm: what is refused must leave C alone");
  device.ok(device.k->gemm(device.d, 0, 0, 1, 1, 0, SWIRL_FLOAT32, x.data(), 1, x.data(), 1, 0, y.data(), 1,
                           SWIRL_FLOAT32),
            "gemm k = 0");
  check::expect(y[0] == 0, "gemm: k = 0 must give zeros");
}

void run(Device& device) {
  Rng rng(7);
  for (const swirl_dtype dtype : {SWIRL_FLOAT32, SWIRL_BFLOAT16}) {
    for (int form = 0; form < 4; ++form) {
      for (const bool accumulate : {false, true}) {
        const auto once = [&](int m, int n, int k) {
          against_float64(device, rng,
                          {(form & 1) != 0, (form & 2) != 0, m, n, k, dtype, SWIRL_FLOAT32, accumulate});
          if (dtype == SWIRL_BFLOAT16)
            against_float64(device, rng,
                            {(form & 1) != 0, (form & 2) != 0, m, n, k, dtype, dtype, accumulate});
        };
        once(1, 1, 1);
        once(1, 33, 17);
        once(15, 31, 65);
        once(43, 130, 35);
        once(3, 5, 1601);
        for (int i = 0; i < 6; ++i)
          once(check::integer(rng, 1, 90), check::integer(rng, 1, 90), check::integer(rng, 1, 900));
      }
    }
    const std::vector<int> few = {1, 2, 7, 13, 14, 15, 32, 64};
    for (const int k : {31, 576, 1536}) {
      rows_alone(device, rng, dtype, SWIRL_FLOAT32, true, 97, k, 71, few);
      rows_alone(device, rng, dtype, dtype, true, 130, k, 71, few);
      rows_alone(device, rng, dtype, dtype, false, 61, k, 71, few);
    }
    // Both sides of the edges of tiles.
    const std::vector<int> edges = {1, 63, 64, 65, 127, 128, 129, 255, 256, 257};
    rows_alone(device, rng, dtype, dtype, true, 40, 96, 300, edges);
    rows_alone(device, rng, dtype, SWIRL_FLOAT32, true, 136, 24, 300, edges);
    if (!check::on_cpu() && !check::emulated()) {  // the products of Qwen2.5-0.5B and -1.5B
      const std::vector<int> real = {1, 64, 127, 128, 129, 2048, 8192};
      for (const auto& [n, k] : {std::pair{1152, 896}, {896, 896}, {9728, 896}, {896, 4864}, {1536, 8960}})
        rows_alone(device, rng, dtype, dtype, true, n, k, 8192, real);
      rows_alone(device, rng, dtype, SWIRL_FLOAT32, true, 151936, 896, 1024, {1, 64, 127, 128, 129, 1000});
    }
    for (const int k : {1, 31, 576, 1601})
      for (const int n : {1, 33, 500}) packed(device, rng, dtype, k == 31 ? dtype : SWIRL_FLOAT32, n, k);
  }
  // More than one block of C in each direction.
  against_float64(device, rng, {false, true, 1100, 50, 40, SWIRL_BFLOAT16, SWIRL_BFLOAT16, false});
  against_float64(device, rng, {false, false, 20, 900, 800, SWIRL_BFLOAT16, SWIRL_BFLOAT16, false});
  against_float64(device, rng, {true, false, 160, 450, 1000, SWIRL_BFLOAT16, SWIRL_FLOAT32, true});
  refusals(device);
}

}  // namespace

int main() { return check::test_main("gemm", run); }
