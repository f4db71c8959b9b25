#include "bindings/engine_calls.h"

#include <chrono>
#include <utility>

#include "bindings/argument.h"
#include "bindings/results.h"

namespace swirl {
namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(50);

}  // namespace

EngineCalls::EngineCalls(Napi::Env env, const EngineOptions& options,
                         std::shared_ptr<std::set<EngineCalls*>> engines,
                         std::function<void(bool)> keep_alive)
    : env_(env), engines_(std::move(engines)), keep_alive_(std::move(keep_alive)) {
  std::exception_ptr failed;
  thread_.run([&] {
    try {
      engine_ = std::make_unique<Engine>(options);
    } catch (...) {
      failed = std::current_exception();
    }
  });
  if (failed) throw as_error(failed, "createEngine");
  messages_ = Messages::New(env, "swirl engine", 0, 1, this);
  messages_.Unref(env);
  messages_open_ = true;
  // Hooks run in reverse order: ours comes before the one that closes messages_.
  napi_add_env_cleanup_hook(env, on_environment_end, this);
  hooked_ = true;
  engines_->insert(this);
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
  if (disposed_) return rejected(disposed_error(op));
  const uint64_t id = next_id_++;
  Pending pending{Napi::Promise::Deferred::New(env_), op, {}};
  const Napi::Promise promise = pending.deferred.Promise();
  try {
    pending.watch = watch(id, op, options);
  } catch (const Error& error) {
    pending.deferred.Reject(to_js_error(env_, error).Value());
    return promise;
  }
  const std::shared_ptr<std::atomic<bool>> cancelled = pending.watch.cancelled;
  const bool progress = !pending.watch.on_progress.IsEmpty();
  pending_.emplace(id, std::move(pending));
  if (pending_.size() == 1) {
    messages_.Ref(env_);
    keep_alive_(true);
  }
  if (*cancelled) {
    const Error error("ABORTED", op, std::string(op) + " was aborted before it began");
    settle(id, {}, &error);
    return promise;
  }
  thread_.post(id, [this, id, op, cancelled, progress, work = std::move(work)] {
    run(id, op, *cancelled, progress, work);
  });
  return promise;
}

// On the engine thread.
void EngineCalls::run(uint64_t id, const char* op, const std::atomic<bool>& cancelled, bool progress,
                      const Work& work) {
  Call call;
  call.cancelled = &cancelled;
  if (progress) {
    call.progress = [this, id, last = std::chrono::steady_clock::time_point()](int64_t done,
                                                                               int64_t total) mutable {
      const auto now = std::chrono::steady_clock::now();
      if (done < total && now - last < kProgressInterval) return;
      last = now;
      auto message = std::make_unique<Message>();
      message->kind = Message::Kind::kProgress;
      message->id = id;
      message->done = done;
      message->total = total;
      send(std::move(message));
    };
  }
  auto message = std::make_unique<Message>();
  message->id = id;
  try {
    if (posted_error_) {
      message->error = std::move(posted_error_);
    } else if (cancelled) {
      message->error =
          std::make_shared<Error>("ABORTED", op, std::string(op) + " was aborted before it began");
    } else {
      message->finish = work(*engine_, call);
    }
  } catch (...) {
    message->error = std::make_shared<Error>(as_error(std::current_exception(), op));
  }
  send(std::move(message));
}

void EngineCalls::post(const char* op, std::function<void(Engine&)> work) {
  if (disposed_) throw disposed_error(op);
  thread_.post(0, [this, op, work = std::move(work)] {
    try {
      work(*engine_);
    } catch (...) {
      posted_error_ = std::make_shared<Error>(as_error(std::current_exception(), op));
    }
  });
}

void EngineCalls::send(std::unique_ptr<Message> message) {
  if (messages_.NonBlockingCall(message.get()) == napi_ok) message.release();
}

// On the JavaScript thread; env is null when the environment is closing and the message only has to go.
void EngineCalls::on_message(Napi::Env env, Napi::Function, EngineCalls* self, Message* raw) {
  const std::unique_ptr<Message> message(raw);
  if (static_cast<napi_env>(env) == nullptr || self == nullptr || self->shut_down_) return;
  Napi::HandleScope scope(env);
  switch (message->kind) {
    case Message::Kind::kProgress:
      self->report(*message);
      break;
    case Message::Kind::kSettled:
      self->settle(message->id, message->finish, message->error.get());
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
  const Napi::Function listener =
      Napi::Function::New(env_, [this, id](const Napi::CallbackInfo&) { cancel(id); });
  signal["addEventListener"].function().Call(target, {Napi::String::New(env_, "abort"), listener});
  watch.signal = Napi::Persistent(target);
  watch.on_abort = Napi::Persistent(listener);
  return watch;
}

// The running call stops at its next look; a queued one ends here.
void EngineCalls::cancel(uint64_t id) {
  const auto entry = pending_.find(id);
  if (entry == pending_.end()) return;
  *entry->second.watch.cancelled = true;
  if (!thread_.withdraw(id)) return;
  const Error error("ABORTED", entry->second.op,
                    std::string(entry->second.op) + " was aborted before it began");
  settle(id, {}, &error);
}

void EngineCalls::report(const Message& message) {
  const auto entry = pending_.find(message.id);
  if (entry == pending_.end() || !entry->second.watch.thrown.IsEmpty()) return;
  const Napi::Function on_progress = entry->second.watch.on_progress.Value();
  try {
    on_progress.Call({number(env_, message.done), number(env_, message.total)});
  } catch (const Napi::Error& error) {
    // Its caller looks at the promise, so the exception goes there.
    const auto again =
        pending_.find(message.id);  // the callback may have disposed the engine, or ended the process
    if (again == pending_.end()) return;
    *again->second.watch.cancelled = true;
    const Napi::Value thrown = error.Value();
    again->second.watch.thrown = Napi::Persistent(
        thrown.IsObject() ? thrown.As<Napi::Object>()
                          : Napi::Error::New(env_, "onProgress threw a value that is not an object").Value());
  }
}

void EngineCalls::settle(uint64_t id, const Finish& finish, const Error* error) {
  const auto entry = pending_.find(id);
  if (entry == pending_.end()) return;  // rejected earlier: aborted in the queue, or disposed
  const Pending pending = std::move(entry->second);
  pending_.erase(entry);
  if (!pending.watch.thrown.IsEmpty()) {
    pending.deferred.Reject(pending.watch.thrown.Value());
  } else if (error != nullptr) {
    pending.deferred.Reject(to_js_error(env_, *error).Value());
  } else {
    try {
      pending.deferred.Resolve(finish(env_));
    } catch (const Napi::Error& failed) {
      pending.deferred.Reject(failed.Value());
    }
  }
  if (!pending.watch.on_abort.IsEmpty()) {
    const Napi::Object signal = pending.watch.signal.Value();
    signal.Get("removeEventListener")
        .As<Napi::Function>()
        .Call(signal, {Napi::String::New(env_, "abort"), pending.watch.on_abort.Value()});
  }
  if (!pending_.empty()) return;
  messages_.Unref(env_);
  if (!disposed_) keep_alive_(false);  // when disposed, only kEnded lets go
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
    auto message = std::make_unique<Message>();
    message->kind = Message::Kind::kEnded;
    send(std::move(message));
  });
  while (!pending_.empty()) {
    const Error error = disposed_error(pending_.begin()->second.op);
    settle(pending_.begin()->first, {}, &error);
  }
  if (idle) thread_.join();
}

void EngineCalls::shut_down() {
  if (shut_down_) return;
  shut_down_ = true;
  disposed_ = true;
  engines_->erase(this);
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
  if (disposed_) throw disposed_error(op);
  return *engine_;
}

Error EngineCalls::disposed_error(const char* op) const {
  return Error("DISPOSED", op, std::string(op) + ": the engine was disposed",
               "create a new engine, or dispose this one after its last call");
}

}  // namespace swirl
