// Matrix products by oneDNN (2.6 and 3.x). A primitive is created once per shape and kept.
//
// oneDNN chooses its blocking by the whole shape, so a row's bits may depend on the number of rows in the call:
// the engine's promise that sampler and trainer agree to the bit holds with the portable back end only.
#include "native/cpu/gemm.h"

#if defined(SWIRL_ONEDNN)

#include <dnnl.hpp>
#include <exception>
#include <map>
#include <new>
#include <tuple>

#include "native/cpu/device.h"

namespace swirl {
namespace {

using Key = std::tuple<bool, bool, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int, bool, int>;

dnnl::memory::data_type type_of(swirl_dtype dtype) {
  return dtype == SWIRL_FLOAT32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

// [rows, columns] at stride ld, or its transpose.
dnnl::memory::desc matrix(int64_t rows, int64_t columns, int64_t ld, bool transpose, swirl_dtype dtype) {
  const dnnl::memory::dims strides = transpose ? dnnl::memory::dims{1, ld} : dnnl::memory::dims{ld, 1};
  return dnnl::memory::desc({rows, columns}, type_of(dtype), strides);
}

}  // namespace

struct OneDnn {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  struct Entry {
    dnnl::matmul primitive;
    dnnl::memory a, b, c;
  };
  std::map<Key, Entry> made;
};

namespace {

OneDnn::Entry make(OneDnn* library, const Product& p) {
  const dnnl::memory::desc a = matrix(p.m, p.k, p.lda, p.transpose_a, p.dtype);
  const dnnl::memory::desc b = matrix(p.k, p.n, p.ldb, p.transpose_b, p.dtype);
  const dnnl::memory::desc c = matrix(p.m, p.n, p.ldc, false, p.c_type);
  dnnl::primitive_attr attributes;
  if (p.accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul::primitive_desc description(library->engine, a, b, c, attributes);
#else
  const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(a, b, c), attributes, library->engine);
#endif
  return {dnnl::matmul(description), dnnl::memory(a, library->engine, nullptr),
          dnnl::memory(b, library->engine, nullptr), dnnl::memory(c, library->engine, nullptr)};
}

// The C++ wrapper allocates as well: its failure is reported as out of memory, like oneDNN's own.
swirl_status status_of(const std::exception& error) {
  const auto* reported = dynamic_cast<const dnnl::error*>(&error);
  const bool memory = dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
                      (reported != nullptr && reported->status == dnnl_out_of_memory);
  return memory ? SWIRL_OUT_OF_MEMORY : SWIRL_DEVICE_ERROR;
}

}  // namespace

swirl_status onednn_open(swirl_device* device, OneDnn** out) {
  try {
    *out = new OneDnn;
    return SWIRL_OK;
  } catch (const std::exception& error) {
    return fail(device, status_of(error), "oneDNN: %s", error.what());
  }
}

void onednn_close(OneDnn* library) { delete library; }

std::string onednn_name() {
  const dnnl_version_t* version = dnnl_version();
  return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

swirl_status onednn_product(swirl_device* device, OneDnn* library, const Product& p) {
  try {
#if defined(_OPENMP)
    omp_set_num_threads(device->threads);
#endif
    const Key key(p.transpose_a, p.transpose_b, p.m, p.n, p.k, p.lda, p.ldb, p.ldc, p.dtype, p.accumulate,
                  p.c_type);
    auto found = library->made.find(key);
    if (found == library->made.end()) found = library->made.emplace(key, make(library, p)).first;
    OneDnn::Entry& entry = found->second;
    entry.a.set_data_handle(const_cast<void*>(p.a));
    entry.b.set_data_handle(const_cast<void*>(p.b));
    entry.c.set_data_handle(p.c);
    entry.primitive.execute(library->stream,
                            {{DNNL_ARG_SRC, entry.a}, {DNNL_ARG_WEIGHTS, entry.b}, {DNNL_ARG_DST, entry.c}});
    library->stream.wait();
    return SWIRL_OK;
  } catch (const std::exception& error) {
    return fail(device, status_of(error), "gemm m %d n %d k %d: oneDNN: %s", p.m, p.n, p.k, error.what());
  }
}

}  // namespace swirl

#endif
