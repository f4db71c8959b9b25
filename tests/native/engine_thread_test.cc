// The engine's thread: order, withdrawal, stopping. Built with -fsanitize=thread it is the test of its locks.
#include "bindings/engine_thread.h"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using swirl::EngineThread;

int failures = 0;

void expect(bool condition, const char* what) {
  if (condition) return;
  ++failures;
  std::fprintf(stderr, "FAIL %s\n", what);
}

// A task that holds the thread until it is opened.
class Gate {
 public:
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    reached_ = true;
    wake_.notify_all();
    wake_.wait(lock, [this] { return open_; });
  }
  void await_reached() {
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, [this] { return reached_; });
  }
  void open() {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    wake_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool reached_ = false, open_ = false;
};

void tasks_run_in_order_on_one_thread() {
  EngineThread thread;
  std::vector<int> order;  // no lock: only the thread writes, run() synchronises the reading
  std::thread::id id;
  thread.run([&] { id = std::this_thread::get_id(); });
  bool same = true;
  for (int i = 0; i < 1000; ++i) {
    thread.post(i, [&, i] {
      order.push_back(i);
      same = same && std::this_thread::get_id() == id;
    });
  }
  thread.run([] {});
  bool ascending = order.size() == 1000;
  for (size_t i = 0; ascending && i < order.size(); ++i) ascending = order[i] == static_cast<int>(i);
  expect(ascending, "a thousand tasks run once each, in order");
  expect(same && id != std::this_thread::get_id(), "on one thread of their own");
}

void only_queued_tasks_can_be_withdrawn() {
  EngineThread thread;
  Gate gate;
  bool ran = false;
  thread.post(1, [&] { gate.wait(); });
  thread.post(2, [&] { ran = true; });
  gate.await_reached();
  expect(thread.busy(), "a thread with a running task is busy");
  expect(!thread.withdraw(1), "a running task stays");
  expect(thread.withdraw(2), "a queued one goes");
  expect(!thread.withdraw(2), "once");
  gate.open();
  thread.run([] {});
  expect(!ran, "and never runs");
}

void stop_drops_the_queue_and_runs_last() {
  EngineThread thread;
  Gate gate;
  std::vector<int> order;
  thread.post(1, [&] {
    gate.wait();
    order.push_back(1);
  });
  thread.post(2, [&] { order.push_back(2); });
  gate.await_reached();
  thread.stop([&] { order.push_back(3); });
  thread.stop([&] { order.push_back(4); });
  thread.post(5, [&] { order.push_back(5); });
  gate.open();
  thread.join();
  thread.join();
  expect(order == std::vector<int>({1, 3}),
         "the running task ends, the queue is dropped, the first `last` runs");
}

void many_may_post_while_one_stops() {
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> ran{0};
    EngineThread thread;
    std::vector<std::thread> posters;
    for (int p = 0; p < 3; ++p) {
      posters.emplace_back([&, p] {
        for (int i = 0; i < 20; ++i) {
          thread.post(p * 20 + i, [&] { ++ran; });
          thread.withdraw(p * 20 + i - 1);
        }
      });
    }
    thread.stop({});
    for (std::thread& poster : posters) poster.join();
    thread.join();
    expect(ran <= 60, "no task runs twice");
  }
}

}  // namespace

int main() {
  tasks_run_in_order_on_one_thread();
  only_queued_tasks_can_be_withdrawn();
  stop_drops_the_queue_and_runs_last();
  many_may_post_while_one_stops();
  return failures == 0 ? 0 : 1;
}
