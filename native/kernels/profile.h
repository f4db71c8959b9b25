// Profile: the kernel table of an opened device with a clock in front of every entry.
//
// table() and handle() stand in for the device's own; calls reach the device unchanged. Time, calls, work and
// floors add up per kernel, and per shape of matrix product, under the engine call that is under way; between
// calls nothing is recorded. On a device that is not the CPU every entry is waited for, so kernels no longer
// overlap with the host.
//
// One thread calls it. The device stays its owner's, open for as long as this lives.
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
  double floor = 0;  // seconds: the sum over calls of the longer of computing and moving, at the peaks
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
  double seconds = 0;                 // of the whole calls; what the kernels did not take is the host's
  std::vector<OpCost> ops;            // by name
  std::vector<ProductCost> products;  // what "gemm" is made of
};

struct ProfileReport {
  Peaks peaks;
  double seconds = 0;           // since the profile began, calls or not
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
  Costs* now_ = nullptr;  // of the call under way
};

}  // namespace swirl

#endif  // SWIRL_KERNELS_PROFILE_H_
