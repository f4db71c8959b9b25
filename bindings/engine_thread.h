// The one thread an engine lives on: tasks run in the order they were posted, never two at once.
// Everything that touches the engine runs here, its construction and destruction included.
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

  // Queues a task. Tasks may not throw. After stop() it is dropped. Throws std::bad_alloc, and then has done nothing.
  void post(uint64_t id, Task task);
  // Takes a task out of the queue; false when it has begun, ended, or never was.
  bool withdraw(uint64_t id);
  // Runs a task and waits for it. Only while nothing else keeps the thread busy for long.
  void run(const Task& task);
  // Drops what is queued; `last` runs after the task that is running, then the thread ends. Later calls do
  // nothing. Allocates nothing: an engine can be given up when there is no memory.
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
  std::thread thread_;  // last: starts when the rest is there
};

}  // namespace swirl

#endif  // SWIRL_BINDINGS_ENGINE_THREAD_H_
