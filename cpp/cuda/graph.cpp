#include "cuda/graph.hpp"

#include <string>
#include <utility>

#include "cuda/cuda_error.hpp"

namespace edgert::cuda {
namespace {

constexpr int kRelaxed = 2;        // CU_STREAM_CAPTURE_MODE_RELAXED
constexpr int kCaptureActive = 1;  // CU_STREAM_CAPTURE_STATUS_ACTIVE
constexpr int kKernelNode = 0;     // CU_GRAPH_NODE_TYPE_KERNEL

}  // namespace

// ---- replay

Graph::Graph(Graph&& other) noexcept {
  *this = std::move(other);
}

Graph& Graph::operator=(Graph&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(graph_, other.graph_);
  std::swap(exec_, other.exec_);
  return *this;
}

Graph::~Graph() {
  if (graph_ == nullptr) return;
  device_->make_current_for_cleanup();
  if (exec_ != nullptr) report(driver().graph_exec_destroy(exec_), "destroy a graph's instance");
  report(driver().graph_destroy(graph_), "destroy a graph");
}

void Graph::launch(StreamView stream) const {
  require(exec_ != nullptr, "launch: the graph is empty; take one from Capture::finish()");
  device_->make_current();
  check(driver().graph_launch(exec_, stream.handle()), "replay a graph");
}

void Graph::set_arguments_raw(KernelNode node, const Function& function, const Launch& shape,
                              void** arguments) {
  require(exec_ != nullptr, "set_arguments: the graph is empty; take one from Capture::finish()");
  device_->make_current();
  const KernelNodeParams params{function.handle(),
                                shape.grid.x,
                                shape.grid.y,
                                shape.grid.z,
                                shape.block.x,
                                shape.block.y,
                                shape.block.z,
                                shape.shared_bytes,
                                arguments,
                                nullptr,
                                nullptr,   // a function is given, not a library's kernel
                                nullptr};  // the current context
  const Status status = driver().graph_exec_kernel_node_set_params(exec_, node.handle(), &params);
  if (status != kSuccess)
    throw CudaError(std::string("exchange the arguments of ") + function.name() + " in a graph",
                    status);
}

// ---- recording

Capture::Capture(const Stream& stream) : stream_(stream) {
  stream_.device()->make_current();
  check(driver().stream_begin_capture(stream_.view().handle(), kRelaxed), "record a stream");
}

Capture::~Capture() {
  if (!open_) return;
  stream_.device()->make_current_for_cleanup();
  GraphHandle graph = nullptr;
  const Status status = driver().stream_end_capture(stream_.view().handle(), &graph);
  // Invalidated: what broke the recording has been thrown as an error already.
  if (status != kCaptureInvalidated) report(status, "drop the recording of a stream");
  if (graph != nullptr) report(driver().graph_destroy(graph), "destroy a dropped recording");
}

KernelNode Capture::last_kernel() const {
  stream_.device()->make_current();
  int state = 0;
  const NodeHandle* nodes = nullptr;
  std::size_t count = 0;
  check(driver().stream_get_capture_info(stream_.view().handle(), &state, nullptr, nullptr, &nodes,
                                         &count),
        "ask what has been recorded last");
  int type = -1;
  if (state == kCaptureActive && count == 1)
    check(driver().graph_node_get_type(nodes[0], &type), "ask what a graph's node is");
  if (type != kKernelNode)
    throw Error("last_kernel: what the stream has recorded last is no kernel launch (state " +
                std::to_string(state) + ", " + std::to_string(count) + " nodes, type " +
                std::to_string(type) + "); ask right after launching it");
  return KernelNode(nodes[0]);
}

Graph Capture::finish() {
  require(open_, "finish: this recording has been finished already");
  stream_.device()->make_current();
  open_ = false;  // whatever comes now, the driver ends it
  Graph graph;
  graph.device_ = stream_.device();
  check(driver().stream_end_capture(stream_.view().handle(), &graph.graph_),
        "end the recording of a stream");
  check(driver().graph_instantiate(&graph.exec_, graph.graph_, 0), "instantiate a graph");
  // Here, so that the first replay costs no more than the others.
  check(driver().graph_upload(graph.exec_, stream_.view().handle()), "upload a graph");
  return graph;
}

}  // namespace edgert::cuda
