// Replay: copies of what was recorded, with the arguments of the moment.
#include "graph.hpp"

#include <algorithm>

using namespace edgert::fake;
using namespace edgert::cuda;

Status cuGraphInstantiateWithFlags(GraphExecHandle* exec, GraphHandle graph, std::uint64_t) {
  if (const Status status = enter(__func__)) return status;
  if (live(graph) == nullptr) return kInvalidHandle;
  auto* instance = new GraphExecTag;
  for (const auto& node : graph->nodes) instance->steps.push_back({node.get(), node->operation});
  instance->graph_alive = graph->alive;
  *exec = instance;
  count(Kind::kExec, 1);
  return kSuccess;
}

Status cuGraphUpload(GraphExecHandle exec, StreamHandle stream) {
  if (const Status status = enter(__func__)) return status;
  return live(exec) != nullptr && stream_of(stream) != nullptr ? kSuccess : kInvalidHandle;
}

Status cuGraphLaunch(GraphExecHandle exec, StreamHandle handle) {
  if (const Status status = enter(__func__)) return status;
  StreamTag* stream = stream_of(handle);
  if (live(exec) == nullptr || stream == nullptr) return kInvalidHandle;
  const std::lock_guard lock(stream->mutex);
  if (stream->recording != nullptr) return kNotSupported;  // a child graph: nobody has one
  if (exec->replayed != nullptr) stream->queue->push_wait(exec->replayed);
  for (const GraphExecTag::Step& step : exec->steps) {
    if (step.operation.type != NodeType::kRecord) {
      stream->queue->push(step.operation.work);
      continue;
    }
    EventTag* event = live(step.operation.event);
    if (event == nullptr) return kInvalidHandle;
    const std::lock_guard event_lock(event->mutex);
    event->recording = nullptr;
    event->latest = std::make_shared<Mark>();
    stream->queue->push_mark(event->latest);
  }
  exec->replayed = std::make_shared<Mark>();
  stream->queue->push_mark(exec->replayed);
  return kSuccess;
}

Status cuGraphNodeGetType(NodeHandle node, int* type) {
  if (const Status status = enter(__func__)) return status;
  *type = static_cast<int>(node->operation.type);
  return kSuccess;
}

Status cuGraphExecKernelNodeSetParams_v2(GraphExecHandle exec, NodeHandle node,
                                         const KernelNodeParams* params) {
  if (const Status status = enter(__func__)) return status;
  if (live(exec) == nullptr) return kInvalidHandle;
  if (!*exec->graph_alive) return kInvalidValue;  // a node goes with its graph
  const auto step = std::find_if(exec->steps.begin(), exec->steps.end(),
                                 [&](const auto& candidate) { return candidate.node == node; });
  if (step == exec->steps.end() || step->operation.function != params->function ||
      params->function == nullptr)
    return kInvalidValue;
  const Shape shape{{params->grid_x, params->grid_y, params->grid_z},
                    {params->block_x, params->block_y, params->block_z},
                    params->shared_bytes};
  return prepare_kernel(params->function, shape, params->arguments, step->operation);
}

Status cuGraphExecDestroy(GraphExecHandle exec) {
  const Status status = enter(__func__);
  if (status != kSuccess && lost() == 0) return status;
  if (live(exec) == nullptr) return kInvalidHandle;
  delete exec;
  count(Kind::kExec, -1);
  return status;
}

Status cuGraphDestroy(GraphHandle graph) {
  const Status status = enter(__func__);
  if (status != kSuccess && lost() == 0) return status;
  if (live(graph) == nullptr) return kInvalidHandle;
  *graph->alive = false;
  delete graph;
  count(Kind::kGraph, -1);
  return status;
}
