// The one thread an engine lives on: tasks run in the order they were posted, never two at once.
// Everything that touches the engine runs here, its construction and destruction included.
#ifndef SWIRL_BINDINGS_ENGINE_THREAD_H_
#define SWIRL_BINDINGS_ENGINE_THREAD_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace swirl {

class EngineThread {
 public:
  using Task = std::function<void()>;

  EngineThread();
  // Stops and joins.
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // Queues a task. Tasks may not throw. After stop() it is dropped.
  void post(uint64_t id, Task task);
  // Takes a task out of the queue; false when it has begun, ended, or never was.
  bool withdraw(uint64_t id);
  // Runs a task and waits for it. Only while nothing else keeps the thread busy for long.
  void run(const Task& task);
  // Drops what is queued; `last` runs after the task that is running, then the thread ends. Later calls do
  // nothing.
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
  std::deque<Entry> queue_;
  Task last_;
  bool stopping_ = false;
  bool busy_ = false;
  std::thread thread_;  // last: starts when the rest is there
};

}  // namespace swirl

#endif  // SWIRL_BINDINGS_ENGINE_THREAD_H_
