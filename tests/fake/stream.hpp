// Streams, events, and what a stream records when it is not to run.
#pragma once

#include <vector>

#include "queue.hpp"
#include "state.hpp"

namespace edgert::fake {

// CUgraphNodeType
enum class NodeType { kKernel = 0, kMemcpy = 1, kMemset = 2, kHost = 3, kEmpty = 5, kRecord = 7 };

inline constexpr Status kCaptureUnsupported = 900, kCaptureUnmatched = 903, kCaptureUnjoined = 904,
                        kCaptureIsolation = 905, kCapturedEvent = 907;

struct Recording;  // a capture under way, of one or several streams

}  // namespace edgert::fake

namespace edgert::cuda {

struct StreamTag {
  static constexpr std::uint32_t kMagic = 0x57EA0001;
  std::uint32_t magic = kMagic;
  int ordinal = 0;
  std::shared_ptr<fake::Queue> queue = fake::Queue::start();
  // One thread at a time records; others may enqueue.
  std::mutex mutex;
  std::shared_ptr<fake::Recording> recording;
  std::vector<NodeHandle> last;  // what the next recorded operation comes after
};

struct EventTag {
  static constexpr std::uint32_t kMagic = 0x57EA0002;
  std::uint32_t magic = kMagic;
  unsigned flags = 0;
  std::mutex mutex;
  std::shared_ptr<fake::Mark> latest;          // null: never recorded
  std::shared_ptr<fake::Recording> recording;  // recorded within a capture, after `after`
  std::vector<NodeHandle> after;
};

}  // namespace edgert::cuda

namespace edgert::fake {

// The object behind a handle, of the current context; null: there is none. A handle whose object
// is gone is AddressSanitizer's to find.
cuda::StreamTag* stream_of(cuda::StreamHandle handle);  // 0 and 1: legacy default, 2: per thread
template <typename Tag>
Tag* live(Tag* handle) {
  return handle != nullptr && handle->magic == Tag::kMagic ? handle : nullptr;
}

// What a stream is asked to do.
struct Operation {
  NodeType type;
  std::function<void()> work;
  cuda::FunctionHandle function = nullptr;  // of a kernel
  cuda::EventHandle event = nullptr;        // of a record within a graph
};

// Runs it after what the stream has, or records it where the stream is capturing.
Status enqueue(cuda::StreamHandle stream, Operation operation);

// ---- of a stream that is capturing: capture.cpp

Status record(cuda::StreamTag& stream, Operation operation);
Status join(cuda::StreamTag& stream, const cuda::EventTag& event);  // a wait for a captured event
Status forbid(cuda::StreamTag& stream);  // what cannot be recorded was asked for
// An allocation while a capture is not relaxed breaks it. True: it did.
bool invalidate_strict_capture();

}  // namespace edgert::fake
