// Work that is the same for every frame: recorded once and replayed, or, where something in it
// cannot be recorded, enqueued step by step each time.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>

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

// The borders between the stages of a lane's work, of one frame in kTimedFrames: a recording with
// events in it takes the driver three times as long to replay (an H100's: 4 us, and 13 with four
// events).
template <std::size_t kCount>
class Borders {
 public:
  explicit Borders(const std::shared_ptr<Device>& device)
      : Borders(device, std::make_index_sequence<kCount>()) {}

  // At each replay, where the work is being recorded.
  void mark(std::size_t index, StreamView stream, const Capture* capture) const {
    if (capture != nullptr) {
      events_[index].record_in_graph(stream);
    } else {
      events_[index].record(stream);
    }
  }
  // Of the stage that begins at border `index`, once the next one has been passed.
  float ms(std::size_t index) const { return events_[index + 1].ms_since(events_[index]); }

 private:
  template <std::size_t... kIndex>
  Borders(const std::shared_ptr<Device>& device, std::index_sequence<kIndex...>)
      : events_{(static_cast<void>(kIndex), Event(device, Event::Timing::kOn))...} {}

  std::array<Event, kCount> events_;
};

constexpr unsigned kTimedFrames = 16;  // of so many frames of a lane one is timed

}  // namespace edgert::cuda
