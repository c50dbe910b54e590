// Work that is the same for every frame: recorded once and replayed, or, where something in it
// cannot be recorded, enqueued step by step each time.
#pragma once

#include <functional>
#include <string>

#include "cuda/graph.hpp"
#include "cuda/stream.hpp"

namespace edgert::cuda {

class Recording {
 public:
  // Enqueues on the stream; while it is recorded, `capture` is not null.
  using Work = std::function<void(Capture* capture)>;

  // With `graphs` false nothing is recorded.
  Recording(const Stream& stream, Work work, bool graphs);

  // The first call records.
  void run();
  // The next run() records anew: something changed that a graph cannot exchange.
  void forget();
  Graph& graph() { return graph_; }
  bool recorded() const { return static_cast<bool>(graph_); }
  // Why run() enqueues instead; empty where it replays or has not run yet.
  const std::string& why_not() const { return why_not_; }

 private:
  const Stream& stream_;
  Work work_;
  Graph graph_;
  std::string why_not_;
};

// Marks a moment in a lane's work, at each replay where the work is being recorded.
void mark(const Event& event, StreamView stream, const Capture* capture);

}  // namespace edgert::cuda
