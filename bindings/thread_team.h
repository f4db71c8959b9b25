// The OpenMP threads of an engine, started before they are needed.
#ifndef SWIRL_BINDINGS_THREAD_TEAM_H_
#define SWIRL_BINDINGS_THREAD_TEAM_H_

#include <cstdint>

namespace swirl {

// Starts the OpenMP threads of the calling thread; 0 = one per core. Throws std::system_error if the system cannot
// start another thread. Without this call, libgomp would end the process in the first parallel region.
void start_thread_team(int32_t threads);

}  // namespace swirl

#endif  // SWIRL_BINDINGS_THREAD_TEAM_H_
