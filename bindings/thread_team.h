// The OpenMP threads of an engine, started before they are needed.
#ifndef SWIRL_BINDINGS_THREAD_TEAM_H_
#define SWIRL_BINDINGS_THREAD_TEAM_H_

#include <cstdint>

namespace swirl {

// Starts the team of the calling thread; 0 = one thread per core. Throws std::system_error when the system can start no
// further thread: left to the first parallel region, libgomp would end the process there.
void start_thread_team(int32_t threads);

}  // namespace swirl

#endif  // SWIRL_BINDINGS_THREAD_TEAM_H_
