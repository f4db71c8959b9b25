// Model: the forward and the hand-written backward of one decoder, over a token tree or over a KV cache.
//
// The residual stream is float32; products read and write the compute dtype with float32 accumulation.
#ifndef SWIRL_ENGINE_MODEL_H_
#define SWIRL_ENGINE_MODEL_H_

#include <array>
#include <functional>
#include <initializer_list>
#include <unordered_map>
#include <vector>

#include "adapter.h"
#include "parameters.h"
#include "rows.h"

namespace swirl {

// Where keys and values of earlier rows are stored, and where new ones go. Not used for a token tree: there, slots
// are the rows of the stack.
struct CacheView {
  std::vector<void*> keys, values;  // [layers]: [slots, kv_heads · head_dim] each
};

// What a pass keeps for later passes.
enum class Keep {
  kNothing,  // layers share memory; keys and values go to the KV cache, or only this pass uses them
  kKeys,     // keys and values of every layer, for the rows above on the stack
  // For a backward pass, which recomputes the rest to the bit: with the same kernels from the same inputs.
  kLayers,     // q, k, v and the input of every layer
  kAllButMlp,  // everything but gate_up, the largest: 2 · intermediate per row and layer
  kAll,
};
inline bool keeps_for_backward(Keep keep) { return keep >= Keep::kLayers; }

// Activations of one layer. T: rows of the pass, S: rows of the stack, D: in the compute dtype. Pointers that a model
// family does not need are null.
struct LayerActivations {
  float* input = nullptr;          // [T, width] residual stream
  float* qk_raw = nullptr;         // [T, q + k] before the head norms
  void* qkv = nullptr;             // [T, qkv] D, after rope
  float* q_rstd = nullptr;         // [T, heads]
  float* k_rstd = nullptr;         // [T, kv_heads]
  void* attention = nullptr;       // [T, heads · head_dim] D
  float* lse = nullptr;            // [T, heads]
  float* attention_out = nullptr;  // [T, width] before the post norm
  float* middle = nullptr;         // [T, width] residual stream after attention
  void* gate_up = nullptr;         // [T, 2 · intermediate] D
  float* mlp_out = nullptr;        // [T, width] before the post norm
  // By group: scale · A·x of an adapter, [T, ranks] D. Null where the adapter has none.
  std::array<void*, kGroups> low{};

  void* stack_qkv = nullptr;      // [S, qkv] D: qkv of the whole stack, where slots are rows
  float *key_gradient = nullptr,  // [S, kv_heads · head_dim] summed over all rows above on the stack
      *value_gradient = nullptr;  // [S, kv_heads · head_dim]
};

struct Activations {
  Keep keep = Keep::kNothing;
  // The adapter whose passes these are; null: the base alone. Its weights are what the backward trains.
  const Adapter* adapter = nullptr;
  std::vector<LayerActivations> layers;  // what is not kept shares one piece of memory
  float* gradient = nullptr;  // [T, width] of the residual stream, from the head down; backward only

  // Shared by all passes, one at a time.
  float* output = nullptr;     // [T, width] residual stream after the last layer
  void* normed = nullptr;      // [T, width] D: a norm's output
  void* gated = nullptr;       // [T, intermediate] D
  float* rstd = nullptr;       // [T]
  float* wide = nullptr;       // [T, width]
  float* low = nullptr;        // [T, ranks] A·x of one group, and its gradient
  void* gradient_d = nullptr;  // [T, width] D; this and the rest for the backward only
  void* dgate_up = nullptr;    // [T, 2 · intermediate] D; gate_up itself where that is not kept
  void* dgated = nullptr;      // [T, intermediate] D
  void* dqkv = nullptr;        // [T, qkv] D
  void* dattention = nullptr;  // [T, heads · head_dim] D
  void* dlow = nullptr;        // [T, ranks] D
};

class Model {
 public:
  Model(Device&, const ModelConfig&, swirl_dtype, Parameters&);

  // Lays out activations for a stack of `stack` rows and passes of at most `rows` rows, with an adapter or null. Any
  // thread.
  Activations plan(Arena&, int32_t stack, int32_t rows, Keep, const Adapter*) const;
  // The same for a pass whose first row has `base` rows of the stack below it.
  Activations above(const Activations&, int32_t base) const;

  // Called between layers; an exception from it ends the pass. May be empty.
  using BetweenLayers = std::function<void()>;

  // Runs every layer; the residual stream ends in a.output. Rope tables must reach the highest position + 1.
  void forward(const Rows&, const Activations& a, const CacheView* cache, const BetweenLayers& = {});
  // Zeroes the gradients that the head and the passes above on the stack add to.
  void begin_gradient(const Rows&, const Activations& a);
  // Requires that a.gradient holds the gradient of a.output, and that the backward of every pass above on the stack has
  // run. Gradients accumulate: those of the adapter, if there is one, and none of the base then; else the base's.
  void backward(const Rows&, const Activations& a, const BetweenLayers& = {});

  void reach_position(int32_t positions);  // grows the rope tables
  // Bytes of the rope tables: now, and once they reach a position.
  uint64_t table_bytes() const { return rope_.bytes(); }
  uint64_t table_bytes(int32_t positions) const { return table_size(grown(positions)); }
  uint64_t table_size(int32_t positions) const;  // any thread

  // Packs every matrix of the forward for products with few rows (kernels.h), if the device supports it and the result
  // fits into max_bytes. Forward passes use the copies until `drop_packed`, which must come before any change of the
  // weights.
  void pack(uint64_t max_bytes);
  void drop_packed() { packed_.resize(0); }
  uint64_t packed_bytes() const { return packed_.bytes(); }

  // final norm of `rows` rows of x: y [rows, width] D
  void final_norm(int32_t rows, const float* x, void* y, float* rstd);
  // logits [rows, vocab] f32 = y · headᵀ
  void logits(int32_t rows, const void* y, float* out);

 private:
  void product(bool ta, bool tb, int32_t m, int32_t n, int32_t k, const void* a, int32_t lda, const void* b,
               int32_t ldb, float beta, void* c, int32_t ldc, swirl_dtype c_type, const char* what);
  // y [rows, n] = x [rows, k] · Wᵀ + beta · y; W is the matrix at this offset.
  void times_weight(int32_t rows, int32_t n, int32_t k, const void* x, int64_t weight, float beta, void* y,
                    int32_t ldy, swirl_dtype y_type, const char* what);
  // visit(offset, n, k) for every matrix of the forward.
  template <class Visit>
  void each_matrix(const Visit&) const;
  void norm(int32_t rows, const float* x, int64_t weight, void* y, swirl_dtype y_type, float* rstd);
  void norm_backward(int32_t rows, const float* x, int64_t weight, float* rstd, const void* dy,
                     swirl_dtype dy_type, void* dx, swirl_dtype dx_type, bool accumulate, float* dweight);
  // The gradient of a weight of the base; null when an adapter is trained.
  float* gradient(const Activations& a, int64_t weight) const {
    return a.adapter ? nullptr : p_.gradient(weight);
  }
  // Gradient of the base's matrix [n, k] += dyᵀ · x; nothing when an adapter is trained.
  void weight_gradient(const Activations&, int32_t n, int32_t k, int32_t rows, const void* dy, const void* x,
                       int64_t weight, const char* what);

  // A group's output, from its column `first` on.
  struct Output {
    void* data;
    int32_t ld;
    swirl_dtype type;
    int32_t first = 0;
  };
  // Adds the adapter's part, scale · B·(A·x), to the group's outputs. Nothing without an adapter.
  void adapt(Group, int32_t l, const Activations&, int32_t rows, const void* x,
             std::initializer_list<Output> outputs);
  // Given dy [rows, lddy] of the group's output: adds to the gradients of A and B, and, unless dx is null, the
  // adapter's part to the gradient dx [rows, in] of x.
  void adapt_backward(Group, int32_t l, const Activations&, int32_t rows, const void* dy, int32_t lddy,
                      const void* x, void* dx, swirl_dtype dx_type);
  // Whether weights of this group are trained.
  static bool trains(const Activations& a, int32_t l, Group g) {
    return !a.adapter || a.adapter->adapts(l, g);
  }
  void attention_block(int32_t l, const Rows&, const Activations&, const CacheView*);
  void project_qkv(int32_t l, const Rows&, const Activations&);               // input to qkv
  void attend(int32_t l, const Rows&, const Activations&, const CacheView*);  // qkv to middle
  void mlp_block(int32_t l, const Rows&, const Activations&, float* output);
  void project_gate_up(int32_t l, const Rows&, const Activations&);  // middle to gate_up
  void project_down(int32_t l, const Rows&, const Activations&,
                    float* out);  // gate_up to out; accumulates without post norms
  // Recomputes what the backward of this layer needs and the forward did not keep.
  void recompute(int32_t l, const Rows&, const Activations&);
  // below: whether anything is trained below the block, so that a.gradient must become that of its input.
  void attention_backward(int32_t l, const Rows&, const Activations&, bool below);
  void mlp_backward(int32_t l, const Rows&, const Activations&, bool below);
  swirl_attention_shape attention_shape(int32_t l) const;
  const float* cosine(int32_t l) const;
  const float* sine(int32_t l) const;
  void* at(void* base, int64_t elements) const;
  int32_t grown(int32_t positions) const;  // positions that the tables cover after growing to `positions`

  friend class Head;
  Device& device_;
  const ModelConfig& c_;
  swirl_dtype dtype_;
  Parameters& p_;
  Buffer rope_;  // cosine, sine, sliding cosine, sliding sine: [positions, head_dim / 2] each
  int32_t positions_ = 0;
  Buffer packed_;                                  // empty: products read the weights directly
  std::unordered_map<int64_t, size_t> packed_at_;  // matrix offset -> bytes into packed_
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_MODEL_H_
