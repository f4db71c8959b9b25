#include "profile.h"

#include <cstring>

namespace swirl {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Profile& profile_of(swirl_device* handle) { return *reinterpret_cast<Profile*>(handle); }

}  // namespace

// The table's entry that runs and times the inner one; Counted computes the work from the same arguments.
template <auto Entry, auto Counted>
struct Profile::Timed {
  template <class... Arguments>
  static swirl_status call(swirl_device* handle, Arguments... arguments) {
    Profile& profile = profile_of(handle);
    const auto started = std::chrono::steady_clock::now();
    swirl_status status = (profile.inner_.*Entry)(profile.device_, arguments...);
    if (status == SWIRL_OK && profile.waits_) status = profile.inner_.synchronize(profile.device_);
    if (profile.now_) profile.record(seconds_since(started), Counted(arguments...));
    return status;
  }
};

// Entries without work are not timed; a second open would not be profiled, so the entry is absent.
struct Profile::Through {
  static swirl_status open(int32_t, int32_t, swirl_device**) { return SWIRL_UNSUPPORTED; }
  static void close(swirl_device* handle) { profile_of(handle).inner_.close(profile_of(handle).device_); }
  static const char* last_error(const swirl_device* handle) {
    if (!handle) return "";
    const Profile& profile = profile_of(const_cast<swirl_device*>(handle));
    return profile.inner_.last_error(profile.device_);
  }
  static swirl_status describe(swirl_device* handle, swirl_device_info* out) {
    return profile_of(handle).inner_.describe(profile_of(handle).device_, out);
  }
  static swirl_status allocate(swirl_device* handle, size_t bytes, void** out) {
    return profile_of(handle).inner_.allocate(profile_of(handle).device_, bytes, out);
  }
  static void release(swirl_device* handle, void* memory) {
    profile_of(handle).inner_.release(profile_of(handle).device_, memory);
  }
  static size_t packed_bytes(swirl_device* handle, int32_t n, int32_t k, swirl_dtype dtype) {
    return profile_of(handle).inner_.packed_bytes(profile_of(handle).device_, n, k, dtype);
  }
  static swirl_status synchronize(swirl_device* handle) {
    return profile_of(handle).inner_.synchronize(profile_of(handle).device_);
  }
};

Profile::Profile(const swirl_kernels& inner, swirl_device* device)
    : inner_(inner),
      device_(device),
      waits_(std::strcmp(inner.name, "cpu") != 0),
      table_(inner),
      peaks_(measure_peaks(inner, device)),
      began_(std::chrono::steady_clock::now()) {
  table_.open = Through::open;
  table_.close = Through::close;
  table_.last_error = Through::last_error;
  table_.describe = Through::describe;
  table_.register_peak = nullptr;  // measured above
  table_.allocate = Through::allocate;
  table_.release = Through::release;
  table_.synchronize = Through::synchronize;
  table_.upload = Timed<&swirl_kernels::upload, &work::upload>::call;
  table_.download = Timed<&swirl_kernels::download, &work::download>::call;
  table_.copy = Timed<&swirl_kernels::copy, &work::copy>::call;
  table_.zero = Timed<&swirl_kernels::zero, &work::zero>::call;
  table_.convert = Timed<&swirl_kernels::convert, &work::convert>::call;
  table_.gemm = Timed<&swirl_kernels::gemm, &work::gemm>::call;
  if (inner.gemm_packed) {
    table_.packed_bytes = Through::packed_bytes;
    table_.pack = Timed<&swirl_kernels::pack, &work::pack>::call;
    table_.gemm_packed = Timed<&swirl_kernels::gemm_packed, &work::gemm_packed>::call;
  }
  table_.embedding_forward = Timed<&swirl_kernels::embedding_forward, &work::embedding_forward>::call;
  table_.embedding_backward = Timed<&swirl_kernels::embedding_backward, &work::embedding_backward>::call;
  table_.rmsnorm_forward = Timed<&swirl_kernels::rmsnorm_forward, &work::rmsnorm_forward>::call;
  table_.rmsnorm_backward = Timed<&swirl_kernels::rmsnorm_backward, &work::rmsnorm_backward>::call;
  table_.rope = Timed<&swirl_kernels::rope, &work::rope>::call;
  table_.gated_forward = Timed<&swirl_kernels::gated_forward, &work::gated_forward>::call;
  table_.gated_backward = Timed<&swirl_kernels::gated_backward, &work::gated_backward>::call;
  table_.add = Timed<&swirl_kernels::add, &work::add>::call;
  table_.bias_forward = Timed<&swirl_kernels::bias_forward, &work::bias_forward>::call;
  table_.bias_backward = Timed<&swirl_kernels::bias_backward, &work::bias_backward>::call;
  table_.gather_rows = Timed<&swirl_kernels::gather_rows, &work::gather_rows>::call;
  table_.scatter_add_rows = Timed<&swirl_kernels::scatter_add_rows, &work::scatter_add_rows>::call;
  table_.convert_rows = Timed<&swirl_kernels::convert_rows, &work::convert_rows>::call;
  table_.scatter_rows = Timed<&swirl_kernels::scatter_rows, &work::scatter_rows>::call;
  table_.attention_forward = Timed<&swirl_kernels::attention_forward, &work::attention_forward>::call;
  table_.attention_backward = Timed<&swirl_kernels::attention_backward, &work::attention_backward>::call;
  table_.logprob_forward = Timed<&swirl_kernels::logprob_forward, &work::logprob_forward>::call;
  table_.logprob_backward = Timed<&swirl_kernels::logprob_backward, &work::logprob_backward>::call;
  table_.sample = Timed<&swirl_kernels::sample, &work::sample>::call;
  table_.sum_of_squares = Timed<&swirl_kernels::sum_of_squares, &work::sum_of_squares>::call;
  table_.adamw = Timed<&swirl_kernels::adamw, &work::adamw>::call;
  table_.adamw_check = Timed<&swirl_kernels::adamw_check, &work::adamw_check>::call;
  table_.adamw_compact = Timed<&swirl_kernels::adamw_compact, &work::adamw_compact>::call;
  table_.adamw_compact_check = Timed<&swirl_kernels::adamw_compact_check, &work::adamw_compact_check>::call;
}

void Cost::add(double took, const Work& work, const Peaks& peaks) {
  ++calls;
  seconds += took;
  flops += work.flops;
  bytes += work.bytes;
  floor += peaks.floor(work.flops, work.dtype, work.bytes);
}

void Profile::record(double took, const Work& work) {
  now_->ops[work.op].add(took, work, peaks_);
  const ProductShape& p = work.product;
  if (p.m == 0) return;
  ProductCost& kind = now_->products[{p.m, p.n, p.k, p.transpose_a, p.transpose_b, p.dtype}];
  kind.product = p;
  kind.cost.add(took, work, peaks_);
}

Profile::Call::Call(Profile* profile, const char* name)
    : profile_(profile), started_(std::chrono::steady_clock::now()) {
  if (profile_) profile_->now_ = &profile_->calls_[name];
}

Profile::Call::~Call() {
  if (!profile_) return;
  ++profile_->now_->count;
  profile_->now_->seconds += seconds_since(started_);
  profile_->now_ = nullptr;
}

ProfileReport Profile::report() const {
  ProfileReport report;
  report.peaks = peaks_;
  report.seconds = seconds_since(began_);
  for (const auto& [name, costs] : calls_) {
    CallCost call{name, costs.count, costs.seconds, {}, {}};
    for (const auto& [op, cost] : costs.ops) call.ops.push_back({std::string(op), cost});
    for (const auto& [key, product] : costs.products) call.products.push_back(product);
    report.calls.push_back(std::move(call));
  }
  return report;
}

}  // namespace swirl
