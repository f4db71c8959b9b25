#include "bindings/results.h"

#include <sstream>

#include "bindings/addon_data.h"
#include "native/engine/error.h"

namespace swirl {

Napi::ArrayBuffer array_buffer(Napi::Env env, size_t bytes) {
  try {
    const auto size = Napi::Number::New(env, static_cast<double>(bytes));
    return env.GetInstanceData<AddonData>()->array_buffer.New({size}).As<Napi::ArrayBuffer>();
  } catch (const Napi::Error&) {
    throw Error("MEMORY", "",
                "the system has no memory left for a result of " + std::to_string(bytes) + " bytes",
                "free memory on this machine, or ask for less at once");
  }
}

Napi::Value to_js(Napi::Env env, const std::vector<std::vector<float>>& logprobs) {
  Napi::Array list = Napi::Array::New(env, logprobs.size());
  for (uint32_t i = 0; i < logprobs.size(); ++i)
    list.Set(i, typed_array<Napi::Float32Array>(env, logprobs[i]));
  return list;
}

Napi::Value to_js(Napi::Env env, const std::vector<ParameterInfo>& parameters) {
  Napi::Array list = Napi::Array::New(env, parameters.size());
  for (uint32_t i = 0; i < parameters.size(); ++i) {
    Napi::Array shape = Napi::Array::New(env, parameters[i].shape.size());
    for (uint32_t d = 0; d < parameters[i].shape.size(); ++d)
      shape.Set(d, number(env, parameters[i].shape[d]));
    Napi::Object parameter = Napi::Object::New(env);
    parameter.Set("name", parameters[i].name);
    parameter.Set("shape", shape);
    list.Set(i, parameter);
  }
  return list;
}

namespace {

void set(Napi::Env env, Napi::Object js, const GradientMetrics& m) {
  js.Set("loss", number(env, m.loss));
  js.Set("tokens", number(env, m.tokens));
  js.Set("treeTokens", number(env, m.tree_tokens));
  js.Set("microBatches", number(env, m.micro_batches));
  js.Set("labels", number(env, m.labels));
  js.Set("leftOut", number(env, m.left_out));
  js.Set("entropy", number(env, m.entropy));
  js.Set("kl", number(env, m.kl));
  js.Set("clipRatio", number(env, m.clip_ratio));
  js.Set("meanLogprob", number(env, m.mean_logprob));
  js.Set("peakBytes", number(env, m.peak_bytes));
  js.Set("milliseconds", number(env, m.milliseconds));
}

// After the gradient's: the step's peak and time cover both.
void set(Napi::Env env, Napi::Object js, const StepMetrics& m) {
  js.Set("gradNorm", number(env, m.grad_norm));
  js.Set("groupGradNorms", typed_array<Napi::Float64Array>(env, m.group_grad_norms));
  js.Set("skipped", !m.skip_reason.empty());
  if (!m.skip_reason.empty()) js.Set("skipReason", m.skip_reason);
  js.Set("peakBytes", number(env, m.peak_bytes));
  js.Set("milliseconds", number(env, m.milliseconds));
}

}  // namespace

Napi::Value to_js(Napi::Env env, const GradientMetrics& m) {
  Napi::Object js = Napi::Object::New(env);
  set(env, js, m);
  return js;
}

Napi::Value to_js(Napi::Env env, const StepMetrics& m) {
  Napi::Object js = Napi::Object::New(env);
  set(env, js, m);
  return js;
}

Napi::Value to_js(Napi::Env env, const UpdateMetrics& m) {
  Napi::Object js = Napi::Object::New(env);
  set(env, js, m.gradient);
  set(env, js, m.step);
  return js;
}

Napi::Value to_js(Napi::Env env, const std::vector<std::vector<Completion>>& completions,
                  const GenerateStats& stats) {
  const auto finish = [](Finish reason) {
    switch (reason) {
      case Finish::kStop:
        return "stop";
      case Finish::kEos:
        return "eos";
      case Finish::kLength:
        break;
    }
    return "length";
  };
  Napi::Array prompts = Napi::Array::New(env, completions.size());
  for (uint32_t i = 0; i < completions.size(); ++i) {
    Napi::Array list = Napi::Array::New(env, completions[i].size());
    for (uint32_t j = 0; j < completions[i].size(); ++j) {
      const Completion& completion = completions[i][j];
      Napi::Object js = Napi::Object::New(env);
      js.Set("tokens", typed_array<Napi::Int32Array>(env, completion.tokens));
      js.Set("logprobs", typed_array<Napi::Float32Array>(env, completion.logprobs));
      js.Set("finishReason", finish(completion.finish));
      list.Set(j, js);
    }
    prompts.Set(i, list);
  }
  Napi::Object counts = Napi::Object::New(env);
  counts.Set("prefillTokens", number(env, stats.prefill_tokens));
  counts.Set("cachedTokens", number(env, stats.cached_tokens));
  counts.Set("decodedTokens", number(env, stats.decoded_tokens));
  Napi::Object result = Napi::Object::New(env);
  result.Set("completions", prompts);
  result.Set("stats", counts);
  return result;
}

Napi::Value to_js(Napi::Env env, const swirl_device_info& info) {
  Napi::Array isa = Napi::Array::New(env);
  std::istringstream names(info.isa);
  for (std::string name; std::getline(names, name, ',');) {
    if (!name.empty()) isa.Set(isa.Length(), name);
  }
  Napi::Object js = Napi::Object::New(env);
  js.Set("name", info.name);
  js.Set("description", info.description);
  js.Set("matrixLibrary", info.matrix_library);
  js.Set("isa", isa);
  js.Set("memoryBytes", number(env, info.memory_bytes));
  js.Set("cores", Napi::Number::New(env, info.cores));
  return js;
}

namespace {

void set_cost(Napi::Env env, Napi::Object js, const Cost& cost) {
  js.Set("calls", number(env, cost.calls));
  js.Set("seconds", number(env, cost.seconds));
  js.Set("flops", number(env, cost.flops));
  js.Set("bytes", number(env, cost.bytes));
  js.Set("floorSeconds", number(env, cost.floor));
}

Napi::Object matrix_peak(Napi::Env env, const MatrixPeak& peak) {
  Napi::Object js = Napi::Object::New(env);
  js.Set("product", number(env, peak.product));
  js.Set("registers", number(env, peak.registers));
  return js;
}

Napi::Object to_js(Napi::Env env, const CallCost& call) {
  Napi::Array ops = Napi::Array::New(env, call.ops.size());
  for (uint32_t i = 0; i < call.ops.size(); ++i) {
    Napi::Object js = Napi::Object::New(env);
    js.Set("op", call.ops[i].op);
    set_cost(env, js, call.ops[i].cost);
    ops.Set(i, js);
  }
  Napi::Array products = Napi::Array::New(env, call.products.size());
  for (uint32_t i = 0; i < call.products.size(); ++i) {
    const auto& [shape, cost] = call.products[i];
    Napi::Object js = Napi::Object::New(env);
    js.Set("m", Napi::Number::New(env, shape.m));
    js.Set("n", Napi::Number::New(env, shape.n));
    js.Set("k", Napi::Number::New(env, shape.k));
    js.Set("transposeA", shape.transpose_a);
    js.Set("transposeB", shape.transpose_b);
    js.Set("dtype", shape.dtype == SWIRL_FLOAT32 ? "float32" : "bfloat16");
    set_cost(env, js, cost);
    products.Set(i, js);
  }
  Napi::Object js = Napi::Object::New(env);
  js.Set("call", call.call);
  js.Set("count", number(env, call.count));
  js.Set("seconds", number(env, call.seconds));
  js.Set("ops", ops);
  js.Set("products", products);
  return js;
}

}  // namespace

Napi::Value to_js(Napi::Env env, const ProfileReport& report) {
  Napi::Object peaks = Napi::Object::New(env);
  peaks.Set("float32", matrix_peak(env, report.peaks.float32));
  peaks.Set("bfloat16", matrix_peak(env, report.peaks.bfloat16));
  peaks.Set("bytes", number(env, report.peaks.bytes));
  Napi::Array calls = Napi::Array::New(env, report.calls.size());
  for (uint32_t i = 0; i < report.calls.size(); ++i) calls.Set(i, to_js(env, report.calls[i]));
  Napi::Object js = Napi::Object::New(env);
  js.Set("peaks", peaks);
  js.Set("seconds", number(env, report.seconds));
  js.Set("calls", calls);
  return js;
}

}  // namespace swirl
