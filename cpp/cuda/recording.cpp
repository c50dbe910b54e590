#include "cuda/recording.hpp"

#include <exception>

namespace edgert::cuda {

Recording::Recording(const Stream& stream, Work work, bool graphs)
    : stream_(stream), work_(std::move(work)), why_not_(graphs ? "" : "graphs are switched off") {}

void Recording::run() {
  if (!graph_ && why_not_.empty()) {
    try {
      Capture capture(stream_);
      work_(&capture);
      graph_ = capture.finish();
    } catch (const std::exception& error) {
      why_not_ = error.what();
    }
  }
  if (graph_) {
    graph_.launch(stream_);
  } else {
    work_(nullptr);
  }
}

void Recording::forget() {
  graph_ = Graph();
}

}  // namespace edgert::cuda
