// Recording: a stream, and those that wait for its events, write a graph instead of running.
#include <algorithm>
#include <thread>

#include "graph.hpp"

namespace edgert::fake {

using namespace edgert::cuda;

struct Recording {
  StreamHandle origin;
  int mode;
  std::thread::id thread;
  std::unique_ptr<GraphTag> graph = std::make_unique<GraphTag>();
  std::vector<StreamHandle> members;
  std::atomic<bool> broken{false};
};

namespace {

constexpr int kRelaxed = 2;

// The one capture that is not relaxed; edgert has none, another library of the process may.
std::atomic<Recording*> strict{nullptr};

void add(std::vector<NodeHandle>& nodes, NodeHandle node) {
  if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
}

bool comes_before(const NodeTag* node, const std::vector<NodeHandle>& last) {
  return std::any_of(last.begin(), last.end(), [&](const NodeTag* candidate) {
    return candidate == node || comes_before(node, candidate->after);
  });
}

// Everything that other streams have recorded is awaited by the one that began.
bool joined(const Recording& recording) {
  return std::all_of(recording.members.begin(), recording.members.end(), [&](StreamHandle member) {
    return std::all_of(member->last.begin(), member->last.end(), [&](const NodeTag* node) {
      return comes_before(node, recording.origin->last);
    });
  });
}

}  // namespace

Status record(StreamTag& stream, Operation operation) {
  Recording& recording = *stream.recording;
  if (recording.broken) return kCaptureInvalidated;
  auto& nodes = recording.graph->nodes;
  nodes.push_back(std::make_unique<NodeTag>(NodeTag{std::move(operation), stream.last}));
  stream.last = {nodes.back().get()};
  return kSuccess;
}

Status join(StreamTag& stream, const EventTag& event) {
  if (event.recording->graph == nullptr) return kCapturedEvent;  // that capture is over
  if (stream.recording == nullptr) {
    stream.recording = event.recording;
    stream.recording->members.push_back(&stream);
  } else if (stream.recording != event.recording) {
    stream.recording->broken = event.recording->broken = true;
    return kCaptureIsolation;
  }
  for (NodeHandle node : event.after) add(stream.last, node);
  return kSuccess;
}

Status forbid(StreamTag& stream) {
  stream.recording->broken = true;
  return kCaptureUnsupported;
}

bool invalidate_strict_capture() {
  Recording* recording = strict.load();
  if (recording != nullptr) recording->broken = true;
  return recording != nullptr;
}

}  // namespace edgert::fake

using namespace edgert::fake;
using namespace edgert::cuda;

Status cuStreamBeginCapture_v2(StreamHandle handle, int mode) {
  if (const Status status = enter(__func__)) return status;
  if (reinterpret_cast<std::uintptr_t>(handle) <= 1) return kCaptureUnsupported;
  StreamTag* stream = stream_of(handle);
  if (stream == nullptr) return kInvalidHandle;
  const std::lock_guard lock(stream->mutex);
  if (stream->recording != nullptr) return kIllegalState;
  stream->recording = std::make_shared<Recording>();
  stream->recording->origin = stream;
  stream->recording->mode = mode;
  stream->recording->thread = std::this_thread::get_id();
  stream->recording->members = {stream};
  stream->last.clear();
  if (mode != kRelaxed) strict = stream->recording.get();
  return kSuccess;
}

Status cuStreamEndCapture(StreamHandle handle, GraphHandle* graph) {
  const Status status = enter(__func__);
  if (status != kSuccess && lost() == 0) return status;
  StreamTag* stream = stream_of(handle);
  *graph = nullptr;
  if (stream == nullptr) return kInvalidHandle;
  const std::shared_ptr<Recording> recording = stream->recording;
  if (recording == nullptr) return kIllegalState;
  if (recording->origin != stream) return kCaptureUnmatched;
  const bool is_joined = joined(*recording);
  for (StreamHandle member : recording->members) {
    member->recording = nullptr;
    member->last.clear();
  }
  if (recording->mode != kRelaxed) strict = nullptr;
  std::unique_ptr<GraphTag> recorded = std::move(recording->graph);
  if (status != kSuccess) return status;
  if (recording->broken) return kCaptureInvalidated;
  if (!is_joined) return kCaptureUnjoined;
  *graph = recorded.release();
  count(Kind::kGraph, 1);
  return kSuccess;
}

Status cuStreamGetCaptureInfo_v2(StreamHandle handle, int* state, std::uint64_t* id,
                                 GraphHandle* graph, const NodeHandle** last, std::size_t* nodes) {
  if (const Status status = enter(__func__)) return status;
  StreamTag* stream = stream_of(handle);
  if (stream == nullptr) return kInvalidHandle;
  const std::lock_guard lock(stream->mutex);
  *state = stream->recording == nullptr ? 0 : stream->recording->broken ? 2 : 1;
  if (*state != 1) return kSuccess;
  if (id != nullptr) *id = reinterpret_cast<std::uintptr_t>(stream->recording.get());
  if (graph != nullptr) *graph = stream->recording->graph.get();
  if (last != nullptr) *last = stream->last.data();
  if (nodes != nullptr) *nodes = stream->last.size();
  return kSuccess;
}
