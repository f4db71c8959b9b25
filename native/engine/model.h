// Model: the forward and the hand-written backward of one decoder, over a token tree or over a KV cache.
//
// The residual stream is float32; products read and write the compute dtype with float32 accumulation.
#ifndef SWIRL_ENGINE_MODEL_H_
#define SWIRL_ENGINE_MODEL_H_

#include <functional>
#include <vector>

#include "parameters.h"
#include "rows.h"

namespace swirl {

// Where keys and values of earlier rows lie, and where new ones go. Absent for a training tree, whose slots
// are rows.
struct CacheView {
  int64_t slots = 0;       // of each layer
  void* keys = nullptr;    // [layers, slots, kv_heads · head_dim]
  void* values = nullptr;  // [layers, slots, kv_heads · head_dim]
};

// What a layer keeps for its backward, or shares with every layer when there is none.
// T = rows. D: compute dtype. Pointers a family does not need are null.
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
};

struct Activations {
  std::vector<LayerActivations> layers;
  float* output = nullptr;  // [T, width] residual stream after the last layer
  void* normed = nullptr;   // [T, width] D, scratch: a norm's output
  void* gated = nullptr;    // [T, intermediate] D, scratch
  float* rstd = nullptr;    // [T] scratch
  float* wide = nullptr;    // [T, width] scratch
  // Backward only:
  float* gradient = nullptr;   // [T, width] of the residual stream
  void* gradient_d = nullptr;  // [T, width] D
  void* dgate_up = nullptr;    // [T, 2 · intermediate] D
  void* dgated = nullptr;      // [T, intermediate] D
  void* dqkv = nullptr;        // [T, qkv] D
  void* dattention = nullptr;  // [T, heads · head_dim] D
};

class Model {
 public:
  Model(Device&, const ModelConfig&, swirl_dtype, Parameters&);

  // Lays out activations for `rows` rows. backward: every layer keeps its own.
  Activations plan(Arena&, int32_t rows, bool backward) const;

  // Called between layers; what it throws ends the pass. Empty: nothing is called.
  using BetweenLayers = std::function<void()>;

  // Runs every layer; the residual stream ends in a.output. Rope tables must reach the highest position + 1.
  void forward(const Rows&, const Activations& a, const CacheView* cache, const BetweenLayers& = {});
  // a.gradient holds the gradient of a.output; parameter gradients accumulate.
  void backward(const Rows&, const Activations& a, const BetweenLayers& = {});

  void reach_position(int32_t positions);  // grows the rope tables

  // final norm of `rows` rows of x: y [rows, width] D
  void final_norm(int32_t rows, const float* x, void* y, float* rstd);
  // logits [rows, vocab] f32 = y · headᵀ
  void logits(int32_t rows, const void* y, float* out);

 private:
  void product(bool ta, bool tb, int32_t m, int32_t n, int32_t k, const void* a, int32_t lda, const void* b,
               int32_t ldb, float beta, void* c, int32_t ldc, swirl_dtype c_type, const char* what);
  void norm(int32_t rows, const float* x, int64_t weight, void* y, swirl_dtype y_type, float* rstd);
  void norm_backward(int32_t rows, const float* x, int64_t weight, float* rstd, const void* dy,
                     swirl_dtype dy_type, void* dx, swirl_dtype dx_type, bool accumulate);
  void attention_block(int32_t l, const Rows&, const Activations&, const CacheView*);
  void mlp_block(int32_t l, const Rows&, const Activations&, float* output);
  void attention_backward(int32_t l, const Rows&, const Activations&);
  void mlp_backward(int32_t l, const Rows&, const Activations&);
  swirl_attention_shape attention_shape(int32_t l) const;
  const float* cosine(int32_t l) const;
  const float* sine(int32_t l) const;
  void* at(void* base, int64_t elements) const;

  friend class Head;
  Device& device_;
  const ModelConfig& c_;
  swirl_dtype dtype_;
  Parameters& p_;
  Buffer rope_;  // cosine, sine, sliding cosine, sliding sine: [positions, head_dim / 2] each
  int32_t positions_ = 0;
};

}  // namespace swirl

#endif  // SWIRL_ENGINE_MODEL_H_
