// The kernel interface: all a device must offer to run the engine. A C table, so that a device can be a
// separate module loaded at run time.
//
// Rules that hold for every entry:
//  - Nothing throws. An entry that can fail returns a status; `last_error` then describes the failure.
//  - Pointers are device memory unless named `host_`. The caller owns all memory. Only `allocate` allocates for
//    the caller; a device may keep scratch memory of its own, which grows to the largest call.
//  - Matrices are row-major. Shapes are in brackets. `ld…` is the distance between rows, in elements.
//  - Every output is marked "overwrites" or "accumulates". Gradients of parameters accumulate in float32.
//  - A row's result depends on that row's inputs only, never on the other rows of the call. That is why the
//    sampler's log-probs equal the trainer's, to the bit.
//  - Reductions have a fixed order: repeating a call gives the same bits.
//  - `dtype` is the compute type of activations (float32 or bfloat16); accumulation is always float32.
#ifndef SWIRL_KERNELS_H_
#define SWIRL_KERNELS_H_

#include <stddef.h>
#include <stdint.h>

#define SWIRL_KERNELS_VERSION 5

#define SWIRL_MOMENT_BLOCK 32  // elements of a tensor that share a scale in compact optimizer state

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { SWIRL_FLOAT32 = 0, SWIRL_BFLOAT16 = 1 } swirl_dtype;

typedef enum {
  SWIRL_OK = 0,
  SWIRL_INVALID = 1,      // invalid arguments, on any device
  SWIRL_UNSUPPORTED = 2,  // valid, but not implemented by this device
  SWIRL_OUT_OF_MEMORY = 3,
  SWIRL_DEVICE_ERROR = 4,  // the device or a library failed
  SWIRL_DEVICE_LOST =
      5,  // the device failed for good: every later call on it fails at once, with the first failure
} swirl_status;

typedef enum { SWIRL_SILU = 0, SWIRL_GELU_TANH = 1 } swirl_activation;

// One opened device: thread pool or stream, matrix library handles, scratch.
typedef struct swirl_device swirl_device;

typedef struct {
  char name[16];            // "cpu", "cuda:0"
  char description[128];    // the processor's or GPU's own name
  char matrix_library[64];  // "oneDNN 2.6.3", "portable avx512_bf16", "cuBLASLt 13.1"
  char isa[128];            // comma separated: "avx2,avx512,avx512_bf16,amx_bf16"
  uint64_t memory_bytes;    // in all
  uint64_t memory_free;     // now
  int32_t cores;            // threads this device runs, or multiprocessors
  int32_t batch_rows;       // rows per pass that saturate the device; more only cost memory
} swirl_device_info;

// Which keys each query sees (attends to). Keys and values are stored in slots; the queries of a call are rows
// 0 … rows - 1. The path of a row is the chain of tokens from the root of the tree to it.
//
// Queries are grouped into segments: consecutive rows that follow each other on one path. The path of a segment
// lists the key slots from the root (position 0) to its last row, as intervals [begin, end) of slots in order of
// position. A segment of n rows owns the last n of its path's L slots. So its row i is at position L - n + i and
// sees the path positions
//   max(0, position - window + 1) … position          (window = 0: from 0).
// Kernels reduce over path positions in blocks aligned to position, so a row's result does not depend on the
// tree, nor on where in the cache its keys lie.
//
// The backward pass also iterates over keys and needs their queries. A key run is a run of consecutive slots of
// one path. The rows that may see any key of a run are consecutive, because rows are in depth-first preorder;
// among them, a row sees a key exactly when 0 <= position[row] - key position, and < window if there is one.
typedef struct {
  int32_t rows;
  int32_t segments;
  int32_t longest_segment;     // rows
  int32_t longest_path;        // slots
  int64_t pairs;               // (row, key) pairs, ignoring windows: the cost of attention
  const int32_t* position;     // [rows]
  const int32_t* query_begin;  // [segments] first row
  const int32_t* query_end;    // [segments] one past the last row
  const int32_t* path_offset;  // [segments + 1] into path_begin / path_end
  const int32_t* path_begin;   // [path_offset[segments]] first slot of an interval
  const int32_t* path_end;     // [path_offset[segments]]
  const int32_t* path_length;  // [segments] slots in the path, L
  // For the backward pass only. Every slot that a row sees is in exactly one run.
  int32_t key_runs;
  int32_t longest_key_run;         // slots
  const int32_t* key_begin;        // [key_runs] first slot
  const int32_t* key_end;          // [key_runs] one past the last slot
  const int32_t* key_position;     // [key_runs] path position of key_begin
  const int32_t* key_query_begin;  // [key_runs] first row that may see the run
  const int32_t* key_query_end;    // [key_runs] one past the last
} swirl_tree;

typedef struct {
  int32_t heads, kv_heads, head_dim;
  int32_t window;  // 0 = none
  float scale;     // on q·k
  float softcap;   // 0 = none; else softcap * tanh(score / softcap)
} swirl_attention_shape;

// Labels (target tokens) of a chunk of logit rows. At a fork of the tree, a row has one label per child.
typedef struct {
  int32_t rows;
  int32_t labels;
  const int32_t* label_offset;  // [rows + 1] into target
  const int32_t* target;        // [labels] token ids
} swirl_labels;

typedef struct {
  double lr, beta1, beta2, eps, weight_decay;  // double: 1 - beta would lose five digits in float
  double bias_correction1, bias_correction2;   // 1 - beta^t
  double gradient_scale;                       // clipping factor
} swirl_adamw;

// What the random bits of a stochastic rounding depend on, besides the element's index.
typedef struct {
  uint64_t seed;
  uint64_t step;       // AdamW steps done before
  uint64_t parameter;  // index of the tensor
} swirl_rounding;

// Adam's moments of one tensor in 8 bits (compact_state.h). Codes: [count]; scales: [count / 32, rounded up]; none
// overlap. All zeros: moments of 0.
typedef struct {
  uint8_t *m, *m_scale;
  uint8_t *v, *v_scale;
} swirl_compact_moments;

typedef struct {
  float temperature;  // 0 = greedy
  int32_t top_k;      // 0 = off
  float top_p;        // 1 = off
} swirl_sampling;

typedef struct swirl_kernels {
  uint32_t version;  // SWIRL_KERNELS_VERSION
  const char* name;  // "cpu", "cuda"

  // --- device
  int32_t (*count)(void);  // devices of this kind
  swirl_status (*open)(int32_t ordinal, int32_t threads,
                       swirl_device** out);  // threads: CPU only, 0 = all cores
  void (*close)(swirl_device*);
  const char* (*last_error)(const swirl_device*);  // device may be NULL after a failed open
  swirl_status (*describe)(swirl_device*, swirl_device_info* host_out);
  // Peak floating-point operations per second: multiply-adds on registers, all threads. An upper bound for every
  // matrix product. Takes about 50 ms to measure; 0 = unknown. Optional: may be null.
  double (*register_peak)(swirl_device*, swirl_dtype);

  // --- memory
  swirl_status (*allocate)(swirl_device*, size_t bytes, void** out);  // 64-byte aligned, contents undefined
  void (*release)(swirl_device*, void*);
  swirl_status (*upload)(swirl_device*, void* to, const void* host_from, size_t bytes);
  swirl_status (*download)(swirl_device*, void* host_to, const void* from,
                           size_t bytes);  // waits for the device
  swirl_status (*copy)(swirl_device*, void* to, const void* from, size_t bytes);
  swirl_status (*zero)(swirl_device*, void* to, size_t bytes);
  swirl_status (*synchronize)(swirl_device*);
  // to[i] = from[i] rounded to nearest even; overwrites. count elements.
  swirl_status (*convert)(swirl_device*, void* to, swirl_dtype to_type, const void* from,
                          swirl_dtype from_type, size_t count);

  // --- matrix products
  // C[m, n] = op(A)[m, k] · op(B)[k, n] + beta · C, beta 0 or 1. op transposes when the flag is set. A and B
  // have one dtype; C is float32 or that dtype. With beta = 1 it accumulates.
  swirl_status (*gemm)(swirl_device*, int transpose_a, int transpose_b, int32_t m, int32_t n, int32_t k,
                       swirl_dtype dtype, const void* a, int32_t lda, const void* b, int32_t ldb, float beta,
                       void* c, int32_t ldc, swirl_dtype c_type);

  // --- packed matrices (optional: all three are null when packing does not help this device)
  // A copy of B [n, k], row-major, reordered for repeated products with it: with few rows of A, reordering B is
  // most of the work. packed_bytes: size of the copy; 0 = this device does not pack with its current settings.
  size_t (*packed_bytes)(swirl_device*, int32_t n, int32_t k, swirl_dtype dtype);
  swirl_status (*pack)(swirl_device*, int32_t n, int32_t k, swirl_dtype dtype, const void* b, int32_t ldb,
                       void* packed);
  // C = A · Bᵀ + beta · C, equal to gemm with transpose_b to the bit.
  swirl_status (*gemm_packed)(swirl_device*, int32_t m, int32_t n, int32_t k, swirl_dtype dtype,
                              const void* a, int32_t lda, const void* packed, float beta, void* c,
                              int32_t ldc, swirl_dtype c_type);

  // --- embedding
  // out[rows, width] f32 = table[token, :] * scale; overwrites.
  swirl_status (*embedding_forward)(swirl_device*, int32_t rows, int32_t width, const int32_t* tokens,
                                    const void* table, swirl_dtype dtype, float scale, float* out);
  // table_gradient[token, :] += gradient[row, :] * scale, rows in ascending order for each token. host_tokens:
  // [rows] token ids in host memory, so that rows can be divided among threads without races.
  swirl_status (*embedding_backward)(swirl_device*, int32_t rows, int32_t width, const int32_t* host_tokens,
                                     const float* gradient, float scale, float* table_gradient);

  // --- normalization
  // For each row r and group g: y = x · rstd · (weight + offset), rstd = (mean(x²) + eps)^-½, over `width`
  // elements at x + r·ld + g·width. Overwrites y and rstd [rows, groups], which the backward needs. y may be x.
  // offset is 0 or 1 (Gemma). groups: 1, or the number of heads when each head is normalized.
  swirl_status (*rmsnorm_forward)(swirl_device*, int32_t rows, int32_t groups, int32_t width, const void* x,
                                  int32_t ldx, swirl_dtype x_type, const float* weight, float offset,
                                  float eps, void* y, int32_t ldy, swirl_dtype y_type, float* rstd);
  // dx accumulates if accumulate != 0, else overwrites; dweight [width] accumulates, or is null: then it is not
  // computed, and dx has the same bits. dx may be dy. x is the input of the forward, rstd its output.
  swirl_status (*rmsnorm_backward)(swirl_device*, int32_t rows, int32_t groups, int32_t width, const void* x,
                                   int32_t ldx, swirl_dtype x_type, const float* weight, float offset,
                                   const float* rstd, const void* dy, int32_t lddy, swirl_dtype dy_type,
                                   void* dx, int32_t lddx, swirl_dtype dx_type, int accumulate,
                                   float* dweight);

  // --- rotary positions
  // In place on `heads` heads of head_dim at x + r·ld, the two halves of a head forming the pairs (i, i +
  // head_dim/2). cosine, sine: [max positions, head_dim / 2]. inverse != 0 rotates back (the gradient).
  swirl_status (*rope)(swirl_device*, int32_t rows, int32_t heads, int32_t head_dim, void* x, int32_t ld,
                       swirl_dtype dtype, const int32_t* positions, const float* cosine, const float* sine,
                       int inverse);

  // --- gated activation
  // gate_up [rows, 2 · width]: gate then up. out[rows, width] = activation(gate) · up; overwrites.
  swirl_status (*gated_forward)(swirl_device*, swirl_activation, int32_t rows, int32_t width,
                                const void* gate_up, void* out, swirl_dtype dtype);
  // Overwrites dgate_up [rows, 2 · width], which may be gate_up itself.
  swirl_status (*gated_backward)(swirl_device*, swirl_activation, int32_t rows, int32_t width,
                                 const void* gate_up, const void* dout, void* dgate_up, swirl_dtype dtype);

  // --- vectors
  // y[i] += x[i] (float32)
  swirl_status (*add)(swirl_device*, size_t count, const float* x, float* y);
  // x[rows, width] += bias[width]
  swirl_status (*bias_forward)(swirl_device*, int32_t rows, int32_t width, void* x, int32_t ld,
                               swirl_dtype dtype, const float* bias);
  // dbias[width] += sum over rows of dy
  swirl_status (*bias_backward)(swirl_device*, int32_t rows, int32_t width, const void* dy, int32_t ld,
                                swirl_dtype dtype, float* dbias);
  // to[i, :] = from[index[i], :], float32 or bfloat16, overwrites (index in device memory)
  swirl_status (*gather_rows)(swirl_device*, int32_t rows, int32_t width, const int32_t* index,
                              const void* from, int32_t ld_from, void* to, int32_t ld_to, swirl_dtype dtype);
  // to[index[i], :] += from[i, :], float32; the indices are distinct
  swirl_status (*scatter_add_rows)(swirl_device*, int32_t rows, int32_t width, const int32_t* index,
                                   const float* from, int32_t ld_from, float* to, int32_t ld_to);
  // to[i, j] = factor[j] · from[i, j] in float32, rounded to nearest even; overwrites. to is float32, and may be from,
  // or bfloat16. factor [width] is null for 1.
  swirl_status (*convert_rows)(swirl_device*, int32_t rows, int32_t width, const float* from, int32_t ld_from,
                               const float* factor, void* to, int32_t ld_to, swirl_dtype dtype);
  // to[index[i], :] = from[i, :]; the indices are distinct (new keys and values into their cache slots)
  swirl_status (*scatter_rows)(swirl_device*, int32_t rows, int32_t width, const int32_t* index,
                               const void* from, int32_t ld_from, void* to, int32_t ld_to, swirl_dtype dtype);

  // --- tree attention
  // q [rows, heads · head_dim] with ldq; k, v [slots, kv_heads · head_dim] with ldk, ldv. out [rows, heads ·
  // head_dim] and lse [rows, heads] (log of the sum of exp of scores) overwrite.
  swirl_status (*attention_forward)(swirl_device*, const swirl_attention_shape*, const swirl_tree*,
                                    const void* q, int32_t ldq, const void* k, int32_t ldk, const void* v,
                                    int32_t ldv, void* out, int32_t ldo, float* lse, swirl_dtype dtype);
  // dq [rows, heads · head_dim] with ldq overwrites, in `dtype`. dk, dv [slots, kv_heads · head_dim] float32
  // accumulate: a shared prefix receives gradients from several calls.
  swirl_status (*attention_backward)(swirl_device*, const swirl_attention_shape*, const swirl_tree*,
                                     const void* q, int32_t ldq, const void* k, int32_t ldk, const void* v,
                                     int32_t ldv, const void* out, int32_t ldo, const float* lse,
                                     const void* dout, int32_t lddo, void* dq, float* dk, float* dv,
                                     swirl_dtype dtype);

  // --- language-model head
  // logits [rows, vocab] float32, before softcap and temperature. With z = softcap(logit) / temperature:
  //   lse [rows] = log Σ exp(z),  logprob [labels] = z[target] - lse,  entropy [rows] of softmax(z), in nats.
  // All overwrite.
  swirl_status (*logprob_forward)(swirl_device*, int32_t vocab, const float* logits, float softcap,
                                  float temperature, const swirl_labels*, float* logprob, float* lse,
                                  float* entropy);
  // Overwrites dlogits [rows, vocab], in `dtype`, with the sum over the row's labels l of
  //   coefficient[l] · (onehot(target[l]) - softmax(z)) · dz/dlogit
  // and, if the loss has an entropy term,
  //   - entropy_coefficient[row] · softmax(z) · (log softmax(z) + entropy[row]) · dz/dlogit.
  // Without an entropy term, entropy and entropy_coefficient [rows] are both null. dlogits may not overlap logits
  // unless dtype is float32.
  swirl_status (*logprob_backward)(swirl_device*, int32_t vocab, const float* logits, float softcap,
                                   float temperature, const swirl_labels*, const float* coefficient,
                                   const float* lse, const float* entropy, const float* entropy_coefficient,
                                   void* dlogits, swirl_dtype dtype);

  // --- sampling
  // One token per row. z = softcap(logit) / temperature; top_k, then top_p truncate the distribution, which is then
  // renormalized. uniform [rows] in [0, 1) picks the token: the first whose cumulative probability, in token
  // order, exceeds it. host_logprob [rows] is under the truncated distribution; when greedy, under the softmax at
  // temperature 1.
  swirl_status (*sample)(swirl_device*, int32_t rows, int32_t vocab, const float* logits, float softcap,
                         const swirl_sampling*, const float* host_uniform, int32_t* host_token,
                         float* host_logprob);

  // --- optimizer
  // host_out = sum of x² in float64, in a fixed order; not finite if any x is not.
  swirl_status (*sum_of_squares)(swirl_device*, size_t count, const float* x, double* host_out);
  // One AdamW step as torch defines it, in one pass. `compute`, the copy that products read, receives the rounded
  // weight. It may be null, or, if dtype is float32, the weight itself.
  swirl_status (*adamw)(swirl_device*, size_t count, const swirl_adamw*, float* weight, const float* gradient,
                        float* m, float* v, void* compute, swirl_dtype dtype);
  // Predicts whether adamw would succeed. host_first = the lowest index at which the weight, m or v would not be
  // finite, or the weight would round to infinity in bfloat16; -1 = none. Changes nothing. Waits for the device.
  swirl_status (*adamw_check)(swirl_device*, size_t count, const swirl_adamw*, const float* weight,
                              const float* gradient, const float* m, const float* v, int64_t* host_first);
  // The same two for compact state, one tensor per call: a bfloat16 weight without a float32 copy, and moments in 8
  // bits. The step is computed in float32 from the state as stored; then weight and moments are rounded
  // stochastically, with the same random bits on every device.
  swirl_status (*adamw_compact)(swirl_device*, size_t count, const swirl_adamw*, const swirl_rounding*,
                                void* weight, const float* gradient, const swirl_compact_moments*);
  swirl_status (*adamw_compact_check)(swirl_device*, size_t count, const swirl_adamw*, const void* weight,
                                      const float* gradient, const swirl_compact_moments*,
                                      int64_t* host_first);
} swirl_kernels;

// The CPU table, always present.
const swirl_kernels* swirl_cpu_kernels(void);

// What a device module exports: `swirl_module_kernels`.
typedef const swirl_kernels* (*swirl_module_kernels_fn)(void);

#ifdef __cplusplus
}
#endif
#endif  // SWIRL_KERNELS_H_
