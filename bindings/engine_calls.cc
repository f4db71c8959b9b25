#include "bindings/engine_calls.h"

#include <chrono>
#include <exception>
#include <new>
#include <utility>

#include "bindings/argument.h"
#include "bindings/results.h"
#include "bindings/thread_team.h"

namespace swirl {
namespace {

constexpr auto kCreate = "createEngine";
constexpr auto kProgressInterval = std::chrono::milliseconds(50);

}  // namespace

EngineCalls::EngineCalls(Napi::Env env, std::shared_ptr<std::set<EngineCalls*>> engines,
                         std::function<void(bool)> keep_alive)
    : env_(env), engines_(std::move(engines)), keep_alive_(std::move(keep_alive)) {
  engines_->insert(this);
  try {
    ended_ = std::make_unique<Message>();
    ended_->kind = Message::Kind::kEnded;
    messages_ = Messages::New(env, "swirl engine", 0, 1, this);
    messages_open_ = true;
    messages_.Unref(env);
    // Hooks run in reverse order: ours comes before the one that closes messages_.
    if (napi_add_env_cleanup_hook(env, on_environment_end, this) != napi_ok)
      throw Error("INTERNAL", kCreate, "createEngine: Node refused the clean-up hook");
    hooked_ = true;
  } catch (...) {
    shut_down();
    release();
    throw;
  }
}

Napi::Value EngineCalls::create(const EngineOptions& options, Finish made) {
  return queue(kCreate, env_.Undefined(), [this, options, made = std::move(made)](Call&) {
    make_engine(options);
    return made;
  });
}

void EngineCalls::create_now(const EngineOptions& options) {
  std::exception_ptr failed;
  thread_.run([&] {
    try {
      make_engine(options);
    } catch (...) {
      failed = std::current_exception();
    }
  });
  if (failed) std::rethrow_exception(failed);
}

// On the engine thread.
void EngineCalls::make_engine(const EngineOptions& options) {
  if (options.device == "cpu") start_thread_team(options.threads);
  engine_ = std::make_unique<Engine>(options);
}

EngineCalls::~EngineCalls() {
  shut_down();
  release();
}

void EngineCalls::on_environment_end(void* self) {
  auto* calls = static_cast<EngineCalls*>(self);
  calls->hooked_ = false;
  calls->messages_open_ = false;  // Node closes them next
  calls->shut_down();
}

Napi::Value EngineCalls::start(const char* op, const Napi::Value& options, Work work) {
  return queue(op, options, [this, work = std::move(work)](Call& call) { return work(*engine_, call); });
}

Napi::Value EngineCalls::queue(const char* op, const Napi::Value& options, Task work) {
  if (disposed_) return rejected(*disposed_error(op));
  const uint64_t id = next_id_++;
  Watch watched = watch(id, op, options);  // runs getters of the caller's
  const auto cancelled = watched.cancelled;
  if (disposed_ || *cancelled) {
    unwatch(watched);
    return rejected(disposed_ ? *disposed_error(op)
                              : *make_error("ABORTED", op, " was aborted before it began"));
  }
  const auto deferred = Napi::Promise::Deferred::New(env_);
  try {
    auto job = std::make_shared<Job>(
        Job{id, op, std::move(work), cancelled, !watched.on_progress.IsEmpty(), std::make_unique<Message>()});
    job->outcome->id = id;
    pending_.emplace(id, Pending{deferred, op, {}});
    thread_.post(id, [this, job] { run(*job); });
  } catch (...) {
    pending_.erase(id);
    unwatch(watched);
    throw;
  }
  // From here on nothing allocates. The engine thread may have run the call already; its message comes later.
  pending_.at(id).watch = std::move(watched);
  if (pending_.size() == 1) {
    messages_.Ref(env_);
    keep_alive_(true);
  }
  return deferred.Promise();
}

// On the engine thread.
void EngineCalls::run(Job& job) {
  try {
    if (posted_error_) {
      job.outcome->error = std::move(posted_error_);
    } else if (*job.cancelled) {
      job.outcome->error = make_error("ABORTED", job.op, " was aborted before it began");
    } else {
      Call call;
      call.cancelled = job.cancelled.get();
      if (job.progress) {
        call.progress = [this, id = job.id, last = std::chrono::steady_clock::time_point()](
                            int64_t done, int64_t total) mutable {
          const auto now = std::chrono::steady_clock::now();
          if (done < total && now - last < kProgressInterval) return;
          last = now;
          std::unique_ptr<Message> message(new (std::nothrow) Message);
          if (!message) return;  // losing one report is harmless
          message->kind = Message::Kind::kProgress;
          message->id = id;
          message->done = done;
          message->total = total;
          send(std::move(message));
        };
      }
      job.outcome->finish = job.work(call);
    }
  } catch (...) {
    job.outcome->error = caught(job.op);
  }
  send(std::move(job.outcome));
}

void EngineCalls::post(const char* op, std::function<void(Engine&)> work) {
  if (disposed_) throw Error(*disposed_error(op));
  thread_.post(0, [this, op, work = std::move(work)] {
    try {
      work(*engine_);
    } catch (...) {
      posted_error_ = caught(op);
    }
  });
}

void EngineCalls::send(std::unique_ptr<Message> message) {
  if (messages_.NonBlockingCall(message.get()) == napi_ok) message.release();
}

// On the JavaScript thread; env is null when the environment is closing and the message must only be freed.
void EngineCalls::on_message(Napi::Env env, Napi::Function, EngineCalls* self, Message* raw) {
  const std::unique_ptr<Message> message(raw);
  if (static_cast<napi_env>(env) == nullptr || self == nullptr || self->shut_down_) return;
  Napi::HandleScope scope(env);
  switch (message->kind) {
    case Message::Kind::kProgress:
      self->report(*message);
      break;
    case Message::Kind::kSettled:
      self->settle(message->id, message->finish, message->error);
      break;
    case Message::Kind::kEnded:
      self->thread_.join();
      self->release();
      self->keep_alive_(false);  // may free self
      break;
  }
}

EngineCalls::Watch EngineCalls::watch(uint64_t id, const char* op, const Napi::Value& options) {
  Watch watch;
  if (options.IsUndefined() || options.IsNull()) return watch;
  const Argument call(options, "call", op);
  const Argument on_progress = call["onProgress"];
  if (!on_progress.absent()) watch.on_progress = Napi::Persistent(on_progress.function());
  const Argument signal = call["signal"];
  if (signal.absent()) return watch;
  if (signal["aborted"].boolean()) {
    *watch.cancelled = true;
    return watch;
  }
  const Napi::Object target = signal.object();
  // The listener may outlive this object if the signal's methods do not work as specified.
  const Napi::Function listener =
      Napi::Function::New(env_, [this, id, engines = engines_](const Napi::CallbackInfo&) {
        if (engines->count(this) != 0) cancel(id);
      });
  watch.signal = Napi::Persistent(target);
  watch.on_abort = Napi::Persistent(listener);
  signal["addEventListener"].function().Call(target, {Napi::String::New(env_, "abort"), listener});
  return watch;
}

void EngineCalls::unwatch(const Watch& watch) {
  if (watch.on_abort.IsEmpty()) return;
  const Napi::Object signal = watch.signal.Value();
  signal.Get("removeEventListener")
      .As<Napi::Function>()
      .Call(signal, {Napi::String::New(signal.Env(), "abort"), watch.on_abort.Value()});
}

// The running call stops at its next check; a queued one ends here.
void EngineCalls::cancel(uint64_t id) {
  const auto entry = pending_.find(id);
  if (entry == pending_.end()) return;
  *entry->second.watch.cancelled = true;
  if (!thread_.withdraw(id)) return;
  settle(id, {}, make_error("ABORTED", entry->second.op, " was aborted before it began"));
}

void EngineCalls::report(const Message& message) {
  const auto entry = pending_.find(message.id);
  if (entry == pending_.end() || !entry->second.watch.thrown.IsEmpty()) return;
  const Napi::Function on_progress = entry->second.watch.on_progress.Value();
  try {
    on_progress.Call({number(env_, message.done), number(env_, message.total)});
  } catch (const Napi::Error& error) {
    // The caller awaits the promise, so it rejects with the exception.
    const auto again =
        pending_.find(message.id);  // the callback may have disposed the engine, or ended the process
    if (again == pending_.end()) return;
    *again->second.watch.cancelled = true;
    const Napi::Value thrown = error.Value();
    again->second.watch.thrown = Napi::Persistent(
        thrown.IsObject() ? thrown.As<Napi::Object>()
                          : Napi::Error::New(env_, "onProgress threw a value that is not an object").Value());
  } catch (...) {
    // No memory for this report.
  }
}

void EngineCalls::settle(uint64_t id, const Finish& finish, const ErrorPointer& error) {
  const auto entry = pending_.find(id);
  if (entry == pending_.end()) return;  // rejected earlier: aborted in the queue, or disposed
  const Pending pending = std::move(entry->second);
  pending_.erase(entry);
  if (!pending.watch.thrown.IsEmpty()) {
    pending.deferred.Reject(pending.watch.thrown.Value());
  } else if (error) {
    pending.deferred.Reject(to_js_error(env_, *error).Value());
  } else {
    try {
      pending.deferred.Resolve(finish(env_));
    } catch (const Napi::Error& failed) {
      pending.deferred.Reject(failed.Value());
    } catch (...) {
      pending.deferred.Reject(to_js_error(env_, *caught(pending.op)).Value());
    }
  }
  let_go();
  unwatch(pending.watch);
}

// After the last pending call: the process may end, and the owner may be collected.
void EngineCalls::let_go() {
  if (!pending_.empty()) return;
  messages_.Unref(env_);
  if (!disposed_) keep_alive_(false);  // when disposed, only kEnded releases it
}

Napi::Value EngineCalls::rejected(const Error& error) const {
  const auto deferred = Napi::Promise::Deferred::New(env_);
  deferred.Reject(to_js_error(env_, error).Value());
  return deferred.Promise();
}

void EngineCalls::dispose() {
  if (disposed_) return;
  disposed_ = true;
  if (shut_down_) return;
  if (pending_.empty()) keep_alive_(true);  // until kEnded
  for (auto& [id, pending] : pending_) *pending.watch.cancelled = true;
  const bool idle = !thread_.busy();
  thread_.stop([this] {
    engine_.reset();
    send(std::move(ended_));
  });
  while (!pending_.empty()) settle(pending_.begin()->first, {}, disposed_error(pending_.begin()->second.op));
  if (idle) thread_.join();
}

void EngineCalls::shut_down() {
  engines_->erase(this);
  if (shut_down_) return;
  shut_down_ = true;
  disposed_ = true;
  for (auto& [id, pending] : pending_) *pending.watch.cancelled = true;
  thread_.stop([this] { engine_.reset(); });
  thread_.join();
  pending_.clear();
}

void EngineCalls::release() {
  engines_->erase(this);
  if (hooked_) napi_remove_env_cleanup_hook(env_, on_environment_end, this);
  hooked_ = false;
  if (messages_open_) messages_.Release();
  messages_open_ = false;
}

const Engine& EngineCalls::engine(const char* op) const {
  if (disposed_) throw Error(*disposed_error(op));
  return *engine_;
}

ErrorPointer EngineCalls::disposed_error(const char* op) noexcept {
  return make_error("DISPOSED", op, ": the engine was disposed",
                    "create a new engine, or dispose this one after its last call");
}

}  // namespace swirl
