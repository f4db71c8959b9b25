// EngineCalls: an engine on its own thread, and the JavaScript promises that wait for it.
//
// Everything here but the work itself runs on the JavaScript thread. JavaScript values stay there too: the
// engine thread gets copies, and sends back messages that name a call by its number. The owner is kept alive
// while a call is pending; the process stays alive while a call is pending, not otherwise. However the
// environment ends (last event, process.exit, worker.terminate), the engine thread is stopped and joined
// before it does.
//
// A failed allocation anywhere is the MEMORY error of one call. What the end of a call or of the engine needs is
// allocated before it begins, because the engine thread has nobody to report a second failure to.
#ifndef SWIRL_BINDINGS_ENGINE_CALLS_H_
#define SWIRL_BINDINGS_ENGINE_CALLS_H_

#include <napi.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "bindings/engine_thread.h"
#include "bindings/js_error.h"
#include "native/engine/engine.h"

namespace swirl {

class EngineCalls {
 public:
  // Makes the call's value, on the JavaScript thread.
  using Finish = std::function<Napi::Value(Napi::Env)>;
  // Runs on the engine thread; may throw.
  using Work = std::function<Finish(Engine&, const Call&)>;

  // Starts the thread; create() or create_now() comes next.
  // keep_alive(true) is called when the owner must not be collected, keep_alive(false) when it may be again.
  EngineCalls(Napi::Env, std::shared_ptr<std::set<EngineCalls*>> engines,
              std::function<void(bool)> keep_alive);
  ~EngineCalls();
  EngineCalls(const EngineCalls&) = delete;
  EngineCalls& operator=(const EngineCalls&) = delete;

  // Creates the engine on its thread. The promise resolves to what `made` gives, or rejects.
  Napi::Value create(const EngineOptions&, Finish made);
  // Creates the engine on its thread, and waits for that. Throws swirl::Error.
  void create_now(const EngineOptions&);

  // Queues work; the promise settles with what Finish makes, or rejects. watch: {onProgress, signal} or
  // absent. op names the call in errors and outlives it. Throws when watch is wrong or there is no memory.
  Napi::Value start(const char* op, const Napi::Value& watch, Work work);
  // A promise that is rejected already.
  Napi::Value rejected(const Error&) const;
  // Queues work whose only outcome is the engine's state. A failure rejects the next call.
  void post(const char* op, std::function<void(Engine&)> work);

  // Idempotent. Pending calls reject with DISPOSED at once; the running one is cancelled, and the engine is
  // freed on its thread: before this returns when the thread was idle, else when the running call has
  // stopped.
  void dispose();
  // Stops and joins without settling anything: the environment is ending. Idempotent.
  void shut_down();

  // For what engine.h allows on any thread. Throws DISPOSED.
  const Engine& engine(const char* op) const;

 private:
  using Task = std::function<Finish(const Call&)>;

  // What the caller watches a call with.
  struct Watch {
    Napi::FunctionReference on_progress;
    Napi::ObjectReference signal;
    Napi::FunctionReference on_abort;  // listens to signal
    std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
    Napi::ObjectReference thrown;  // by onProgress: what the call rejects with
  };

  struct Pending {
    Napi::Promise::Deferred deferred;
    const char* op;
    Watch watch;
  };

  // From the engine thread.
  struct Message {
    enum class Kind { kProgress, kSettled, kEnded } kind = Kind::kSettled;
    uint64_t id = 0;
    int64_t done = 0, total = 0;
    Finish finish;       // kSettled: the value, or
    ErrorPointer error;  // what it failed with
  };

  // A call, for the engine thread.
  struct Job {
    uint64_t id;
    const char* op;
    Task work;
    std::shared_ptr<std::atomic<bool>> cancelled;
    bool progress;
    std::unique_ptr<Message> outcome;  // filled in and sent at the end
  };

  static void on_message(Napi::Env, Napi::Function, EngineCalls*, Message*);
  using Messages = Napi::TypedThreadSafeFunction<EngineCalls, Message, on_message>;

  static void on_environment_end(void* self);

  void make_engine(const EngineOptions&);
  Napi::Value queue(const char* op, const Napi::Value& watch, Task);
  void run(Job&);
  void send(std::unique_ptr<Message>);
  Watch watch(uint64_t id, const char* op, const Napi::Value& options);
  static void unwatch(const Watch&);
  void cancel(uint64_t id);
  void report(const Message&);
  void settle(uint64_t id, const Finish&, const ErrorPointer&);
  void let_go();
  void release();
  static ErrorPointer disposed_error(const char* op) noexcept;

  Napi::Env env_;
  std::shared_ptr<std::set<EngineCalls*>> engines_;
  std::function<void(bool)> keep_alive_;
  std::unique_ptr<Engine> engine_;  // made and freed on thread_
  ErrorPointer posted_error_;       // thread_ only: what a post() failed with
  std::unique_ptr<Message> ended_;  // sent when a disposed engine is freed
  std::map<uint64_t, Pending> pending_;
  uint64_t next_id_ = 1;
  bool disposed_ = false;
  bool shut_down_ = false;
  bool hooked_ = false;         // on_environment_end is registered
  bool messages_open_ = false;  // messages_ is ours to release
  Messages messages_;
  EngineThread thread_;  // last: joins before the rest goes
};

}  // namespace swirl

#endif  // SWIRL_BINDINGS_ENGINE_CALLS_H_
