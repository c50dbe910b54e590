#include "stream.hpp"

namespace edgert::fake {
namespace {

using namespace edgert::cuda;

constexpr unsigned kDisableTiming = 2, kRecordExternal = 1;

StreamHandle default_stream(bool per_thread) {
  static StreamHandle streams[2] = {new StreamTag, new StreamTag};
  return streams[per_thread ? 1 : 0];
}

}  // namespace

StreamTag* stream_of(StreamHandle handle) {
  const auto number = reinterpret_cast<std::uintptr_t>(handle);
  if (number <= 2) return default_stream(number == 2);
  StreamTag* stream = live(handle);
  return stream != nullptr && stream->ordinal == current_ordinal() ? stream : nullptr;
}

Status enqueue(StreamHandle handle, Operation operation) {
  StreamTag* stream = stream_of(handle);
  if (stream == nullptr) return kInvalidHandle;
  const std::lock_guard lock(stream->mutex);
  if (stream->recording != nullptr) return record(*stream, std::move(operation));
  stream->queue->push(std::move(operation.work));
  return kSuccess;
}

}  // namespace edgert::fake

using namespace edgert::fake;
using namespace edgert::cuda;

Status cuStreamCreate(StreamHandle* stream, unsigned) {
  if (const Status status = enter(__func__)) return status;
  *stream = new StreamTag;
  (*stream)->ordinal = current_ordinal();
  count(Kind::kStream, 1);
  return kSuccess;
}

Status cuStreamDestroy_v2(StreamHandle handle) {
  const Status status = enter(__func__);
  if (status != kSuccess && lost() == 0) return status;
  StreamTag* stream = live(handle);
  if (stream == nullptr) return kInvalidHandle;
  stream->queue->stop();
  delete stream;
  count(Kind::kStream, -1);
  return status;
}

Status cuStreamSynchronize(StreamHandle handle) {
  if (const Status status = enter(__func__)) return lost() != 0 ? wait_for_lost_work() : status;
  StreamTag* stream = stream_of(handle);
  if (stream == nullptr) return kInvalidHandle;
  {
    const std::lock_guard lock(stream->mutex);
    if (stream->recording != nullptr) return forbid(*stream);
  }
  stream->queue->wait_idle();
  return lost();  // where the device was lost meanwhile
}

Status cuStreamWaitEvent(StreamHandle handle, EventHandle event_handle, unsigned flags) {
  if (const Status status = enter(__func__)) return status;
  StreamTag* stream = stream_of(handle);
  EventTag* event = live(event_handle);
  if (stream == nullptr || event == nullptr) return kInvalidHandle;
  if (flags != 0) return kNotSupported;
  const std::scoped_lock lock(stream->mutex, event->mutex);
  if (event->recording != nullptr) return join(*stream, *event);
  if (stream->recording != nullptr) return event->latest == nullptr ? kSuccess : kCaptureIsolation;
  if (event->latest != nullptr) stream->queue->push_wait(event->latest);
  return kSuccess;
}

Status cuLaunchHostFunc(StreamHandle stream, void (*function)(void*), void* data) {
  if (const Status status = enter(__func__)) return status;
  return enqueue(stream, {NodeType::kHost, [=] { function(data); }});
}

Status cuEventCreate(EventHandle* event, unsigned flags) {
  if (const Status status = enter(__func__)) return status;
  *event = new EventTag;
  (*event)->flags = flags;
  count(Kind::kEvent, 1);
  return kSuccess;
}

Status cuEventDestroy_v2(EventHandle handle) {
  const Status status = enter(__func__);
  if (status != kSuccess && lost() == 0) return status;
  EventTag* event = live(handle);
  if (event == nullptr) return kInvalidHandle;
  delete event;
  count(Kind::kEvent, -1);
  return status;
}

Status cuEventRecordWithFlags(EventHandle event_handle, StreamHandle handle, unsigned flags) {
  if (const Status status = enter(__func__)) return status;
  StreamTag* stream = stream_of(handle);
  EventTag* event = live(event_handle);
  if (stream == nullptr || event == nullptr) return kInvalidHandle;
  const std::scoped_lock lock(stream->mutex, event->mutex);
  if (flags == kRecordExternal) {
    if (stream->recording == nullptr) return kIllegalState;
    return record(*stream, {NodeType::kRecord, nullptr, nullptr, event});
  }
  event->recording = stream->recording;
  event->after = stream->last;
  if (stream->recording != nullptr) return kSuccess;
  event->latest = std::make_shared<Mark>();
  stream->queue->push_mark(event->latest);
  return kSuccess;
}

Status cuEventQuery(EventHandle handle) {
  if (const Status status = enter(__func__)) return status;
  EventTag* event = live(handle);
  if (event == nullptr) return kInvalidHandle;
  const std::lock_guard lock(event->mutex);
  if (event->recording != nullptr) return kCapturedEvent;
  return event->latest == nullptr || event->latest->done() ? lost() : kNotReady;
}

Status cuEventSynchronize(EventHandle handle) {
  if (const Status status = enter(__func__)) return lost() != 0 ? wait_for_lost_work() : status;
  EventTag* event = live(handle);
  if (event == nullptr) return kInvalidHandle;
  std::shared_ptr<const Mark> mark;
  {
    const std::lock_guard lock(event->mutex);
    if (event->recording != nullptr) return kCapturedEvent;
    mark = event->latest;
  }
  if (mark != nullptr) mark->wait();
  return lost();
}

Status cuEventElapsedTime(float* ms, EventHandle begin_handle, EventHandle end_handle) {
  if (const Status status = enter(__func__)) return status;
  EventTag *begin = live(begin_handle), *end = live(end_handle);
  if (begin == nullptr || end == nullptr || begin == end) return kInvalidHandle;
  const std::scoped_lock lock(begin->mutex, end->mutex);
  if (begin->latest == nullptr || end->latest == nullptr ||
      ((begin->flags | end->flags) & kDisableTiming) != 0)
    return kInvalidHandle;
  if (!begin->latest->done() || !end->latest->done()) return kNotReady;
  *ms = std::chrono::duration<float, std::milli>(end->latest->time - begin->latest->time).count();
  return kSuccess;
}
