// EngineCalls: an engine on its own thread, and the JavaScript promises that wait for it.
//
// Only the work itself runs on the engine thread; everything else here runs on the JavaScript thread. JavaScript values
// never leave that thread: the engine thread gets copies, and sends messages that identify a call by number. A pending
// call keeps its owner and the process alive. However the environment ends (last event, process.exit,
// worker.terminate), the engine thread is stopped and joined first.
//
// A failed allocation becomes the MEMORY error of one call. The memory for ending a call or the engine is allocated in
// advance, because the engine thread could not report a second failure.
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
  // Creates the promise's value, on the JavaScript thread.
  using Finish = std::function<Napi::Value(Napi::Env)>;
  // Runs on the engine thread; may throw.
  using Work = std::function<Finish(Engine&, Call&)>;

  // Starts the thread. Call create() or create_now() next.
  // keep_alive(true) is called when the owner must not be collected, keep_alive(false) when it may be again.
  EngineCalls(Napi::Env, std::shared_ptr<std::set<EngineCalls*>> engines,
              std::function<void(bool)> keep_alive);
  ~EngineCalls();
  EngineCalls(const EngineCalls&) = delete;
  EngineCalls& operator=(const EngineCalls&) = delete;

  // Creates the engine on its thread. The promise resolves to the result of `made`, or rejects.
  Napi::Value create(const EngineOptions&, Finish made);
  // Creates the engine on its thread and waits. Throws swirl::Error.
  void create_now(const EngineOptions&);

  // Queues work. The promise resolves to the result of Finish, or rejects. watch: {onProgress, signal} or absent. op:
  // the call's name in errors; it must outlive the call. Throws if watch is invalid or memory is short.
  Napi::Value start(const char* op, const Napi::Value& watch, Work work);
  // A rejected promise.
  Napi::Value rejected(const Error&) const;
  // Queues work whose only outcome is the engine's state. A failure rejects the next call.
  void post(const char* op, std::function<void(Engine&)> work);

  // Idempotent. Pending calls reject with DISPOSED at once; the running one is cancelled, and the engine is
  // freed on its thread: before this returns when the thread was idle, else when the running call has
  // stopped.
  void dispose();
  // Stops and joins without settling anything: the environment is ending. Idempotent.
  void shut_down();

  // The engine, for members that engine.h marks "any thread". Throws DISPOSED.
  const Engine& engine(const char* op) const;

 private:
  using Task = std::function<Finish(Call&)>;

  // The caller's progress callback and abort signal.
  struct Watch {
    Napi::FunctionReference on_progress;
    Napi::ObjectReference signal;
    Napi::FunctionReference on_abort;  // listens to signal
    std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
    Napi::ObjectReference thrown;  // exception from onProgress: the call rejects with it
  };

  struct Pending {
    Napi::Promise::Deferred deferred;
    const char* op;
    Watch watch;
  };

  // A message from the engine thread.
  struct Message {
    enum class Kind { kProgress, kSettled, kEnded } kind = Kind::kSettled;
    uint64_t id = 0;
    int64_t done = 0, total = 0;
    Finish finish;       // kSettled: makes the value, or
    ErrorPointer error;  // the error
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
  ErrorPointer posted_error_;       // thread_ only: the error of a failed post()
  std::unique_ptr<Message> ended_;  // sent when a disposed engine is freed
  std::map<uint64_t, Pending> pending_;
  uint64_t next_id_ = 1;
  bool disposed_ = false;
  bool shut_down_ = false;
  bool hooked_ = false;         // on_environment_end is registered
  bool messages_open_ = false;  // messages_ must be released by this object
  Messages messages_;
  EngineThread thread_;  // last member: joined before the others are destroyed
};

}  // namespace swirl

#endif  // SWIRL_BINDINGS_ENGINE_CALLS_H_
