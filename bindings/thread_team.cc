#include "bindings/thread_team.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace swirl {
namespace {

// Starts this many threads at once, then ends them. Throws std::system_error.
void try_threads(int32_t count) {
  std::mutex mutex;
  std::condition_variable wake;
  bool done = false;
  std::vector<std::thread> threads;
  threads.reserve(count);
  const auto end = [&] {
    {
      std::lock_guard<std::mutex> lock(mutex);
      done = true;
    }
    wake.notify_all();
    for (std::thread& thread : threads) thread.join();
  };
  try {
    for (int32_t i = 0; i < count; ++i) {
      threads.emplace_back([&] {
        std::unique_lock<std::mutex> lock(mutex);
        wake.wait(lock, [&] { return done; });
      });
    }
  } catch (...) {
    end();
    throw;
  }
  end();
}

}  // namespace

void start_thread_team(int32_t threads) {
#if defined(_OPENMP)
  const int32_t team = threads > 0 ? threads : omp_get_num_procs();
  if (team == 1) return;
  try_threads(team - 1);            // this thread belongs to the team
  std::atomic<int32_t> started{0};  // the compiler removes a region without effect
#pragma omp parallel num_threads(team)
  ++started;
#endif
}

}  // namespace swirl
