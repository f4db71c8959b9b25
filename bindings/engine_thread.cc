#include "bindings/engine_thread.h"

#include <utility>

namespace swirl {

EngineThread::EngineThread() : thread_([this] { loop(); }) {}

EngineThread::~EngineThread() {
  stop({});
  join();
}

void EngineThread::post(uint64_t id, Task task) {
  {
    std::list<Entry> entry;  // allocated outside the lock
    entry.push_back({id, std::move(task)});
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;
    queue_.splice(queue_.end(), entry);
  }
  wake_.notify_one();
}

bool EngineThread::withdraw(uint64_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto entry = queue_.begin(); entry != queue_.end(); ++entry) {
    if (entry->id != id) continue;
    queue_.erase(entry);
    return true;
  }
  return false;
}

void EngineThread::run(const Task& task) {
  std::mutex done_mutex;
  std::condition_variable done_wake;
  bool done = false;
  post(0, [&] {
    task();
    std::lock_guard<std::mutex> lock(done_mutex);
    done = true;
    done_wake.notify_one();
  });
  std::unique_lock<std::mutex> lock(done_mutex);
  done_wake.wait(lock, [&] { return done; });
}

void EngineThread::stop(Task last) {
  std::list<Entry> dropped;  // destroyed outside the lock
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    last_ = std::move(last);
    dropped.swap(queue_);
  }
  wake_.notify_one();
}

bool EngineThread::busy() {
  std::lock_guard<std::mutex> lock(mutex_);
  return busy_ || !queue_.empty();
}

void EngineThread::join() {
  if (thread_.joinable()) thread_.join();
}

void EngineThread::loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) break;
    Task task = std::move(queue_.front().task);
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    task();
    task = nullptr;  // releases its captures here, not under the lock
    lock.lock();
    busy_ = false;
  }
  Task last = std::move(last_);
  lock.unlock();
  if (last) last();
}

}  // namespace swirl
