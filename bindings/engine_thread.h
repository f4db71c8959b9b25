// The thread of an engine: tasks run one at a time, in the order of posting. All use of the engine happens here,
// including construction and destruction.
#ifndef SWIRL_BINDINGS_ENGINE_THREAD_H_
#define SWIRL_BINDINGS_ENGINE_THREAD_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

namespace swirl {

class EngineThread {
 public:
  using Task = std::function<void()>;

  // Throws std::system_error when the system can start no further thread.
  EngineThread();
  // Stops and joins.
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // Queues a task, or drops it after stop(). Tasks must not throw. Throws std::bad_alloc, and then nothing has changed.
  void post(uint64_t id, Task task);
  // Removes a task from the queue; false if it has begun or ended, or never existed.
  bool withdraw(uint64_t id);
  // Runs a task and waits for it. Use only when the thread is not busy.
  void run(const Task& task);
  // Drops queued tasks; `last` runs after the current task, then the thread ends. Later calls do nothing. Allocates
  // nothing, so that an engine can be disposed of when memory is exhausted.
  void stop(Task last);
  // True when a task is running now.
  bool busy();
  // Waits for the thread to end; stop() comes first.
  void join();

 private:
  struct Entry {
    uint64_t id;
    Task task;
  };

  void loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::list<Entry> queue_;  // unlike a deque, an empty one owns no memory
  Task last_;
  bool stopping_ = false;
  bool busy_ = false;
  std::thread thread_;  // last member: starts after the others are constructed
};

}  // namespace swirl

#endif  // SWIRL_BINDINGS_ENGINE_THREAD_H_
