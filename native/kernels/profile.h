// Profile: a kernel table that times every entry of an opened device's table.
//
// table() and handle() replace the device's own; calls reach the device unchanged. Time, calls, work and lower bounds
// add up per kernel, and per shape of matrix product, for the current engine call; between calls nothing is recorded.
// On a device other than the CPU every entry waits for the kernel, so kernels no longer overlap with the host.
//
// One thread calls it. It does not own the device, which must stay open during its lifetime.
#ifndef SWIRL_KERNELS_PROFILE_H_
#define SWIRL_KERNELS_PROFILE_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "kernels.h"
#include "peaks.h"
#include "work.h"

namespace swirl {

struct Cost {
  int64_t calls = 0;
  double seconds = 0, flops = 0, bytes = 0;
  double floor =
      0;  // seconds: sum over calls of the roofline bound, the longer of computing and moving at the peaks
  void add(double took, const Work&, const Peaks&);
};

struct OpCost {
  std::string op;  // as in kernels.h
  Cost cost;
};

struct ProductCost {
  ProductShape product;
  Cost cost;
};

// All engine calls of one kind ("update").
struct CallCost {
  std::string call;
  int64_t count = 0;
  double seconds = 0;                 // of the whole calls; time outside kernels is the host's
  std::vector<OpCost> ops;            // by name
  std::vector<ProductCost> products;  // the parts of "gemm"
};

struct ProfileReport {
  Peaks peaks;
  double seconds = 0;           // since the profile began, including time between calls
  std::vector<CallCost> calls;  // by name
};

class Profile {
 public:
  // Measures the device's peaks first.
  Profile(const swirl_kernels&, swirl_device*);
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  const swirl_kernels* table() const { return &table_; }
  swirl_device* handle() { return reinterpret_cast<swirl_device*>(this); }

  // While it lives, kernels count as part of this engine call. Does nothing on a null profile.
  class Call {
   public:
    Call(Profile*, const char* name);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

   private:
    Profile* profile_;
    std::chrono::steady_clock::time_point started_;
  };

  ProfileReport report() const;

 private:
  template <auto Entry, auto Counted>
  struct Timed;
  struct Through;

  using ProductKey = std::tuple<int32_t, int32_t, int32_t, bool, bool, int>;
  struct Costs {
    int64_t count = 0;
    double seconds = 0;
    std::map<std::string_view, Cost> ops;  // names of work.cc
    std::map<ProductKey, ProductCost> products;
  };

  void record(double took, const Work&);

  const swirl_kernels& inner_;
  swirl_device* device_;
  bool waits_;  // for the device, after each entry
  swirl_kernels table_;
  Peaks peaks_;
  std::chrono::steady_clock::time_point began_;
  std::map<std::string, Costs> calls_;
  Costs* now_ = nullptr;  // of the current call
};

}  // namespace swirl

#endif  // SWIRL_KERNELS_PROFILE_H_
