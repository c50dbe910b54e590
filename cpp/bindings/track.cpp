// edgert.ByteTrack and the Tracks that it returns.
#include "track/bytetrack.hpp"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <string>

#include "bindings/bindings.hpp"
#include "bindings/track_docs.hpp"
#include "error.hpp"

namespace edgert::bindings {
namespace {

using track::Box;

// Calls with fewer rows keep the interpreter lock: giving it up costs as much as the work.
constexpr py::ssize_t kReleaseRows = 64;

std::string shape_text(const py::array& array) {
  return py::str(py::tuple(array.attr("shape"))).cast<std::string>();
}

// Any array-like as a C-contiguous array of T, without a copy where it is one.
template <class T>
py::array as_array(py::handle object, const char* name) {
  try {
    return py::array_t<T, py::array::c_style | py::array::forcecast>(
        py::reinterpret_borrow<py::object>(object));
  } catch (const py::error_already_set& cause) {
    throw InvalidArgument(std::string(name) + " cannot be read as numbers (" + cause.what() +
                          "), expected an array");
  }
}

// By type number: pybind11's own check builds dtypes to compare, which takes longer than the
// tracker.
template <class T>
bool is_array_of(py::handle object) {
  if (!py::isinstance<py::array>(object)) return false;
  const auto array = py::reinterpret_borrow<py::array>(object);
  const py::dtype type = array.dtype();
  return type.num() == py::dtype::num_of<T>() && type.byteorder() == '=' &&
         (array.flags() & py::array::c_style) != 0;
}

// Owns what its spans view.
class RealArray {
 public:
  RealArray(py::handle object, const char* name)
      : is_float_(is_array_of<float>(object)),
        array_(is_float_ || is_array_of<double>(object) ? py::reinterpret_borrow<py::array>(object)
                                                        : as_array<double>(object, name)) {}

  const py::array& array() const { return array_; }

  track::Reals view() const {
    const auto size = static_cast<std::size_t>(array_.size());
    if (is_float_) return std::span(static_cast<const float*>(array_.data()), size);
    return std::span(static_cast<const double*>(array_.data()), size);
  }

 private:
  bool is_float_;
  py::array array_;
};

// The tracks of one frame, in one block of memory that the arrays handed out view.
class Tracks {
 public:
  explicit Tracks(const track::TracksView& view)
      : count_(view.ids.size()), dropped_(view.dropped), block_(new std::byte[count_ * kRowBytes]) {
    std::byte* to = block_.get();
    const auto put = [&to](const auto& column) {
      if (!column.empty()) std::memcpy(to, column.data(), column.size_bytes());
      to += column.size_bytes();
    };
    put(view.ids);
    put(view.boxes);
    put(view.scores);
    put(view.detection_indices);
    put(view.class_ids);
  }

  std::size_t count() const { return count_; }
  std::size_t dropped() const { return dropped_; }

  template <class T, std::size_t kOffset, py::ssize_t... kColumns>
  static py::array column(const py::object& self) {
    const Tracks& tracks = self.cast<const Tracks&>();
    const auto count = static_cast<py::ssize_t>(tracks.count_);
    return py::array_t<T>({count, kColumns...},
                          reinterpret_cast<T*>(tracks.block_.get() + tracks.count_ * kOffset),
                          self);
  }

  // Bytes a track before each column; the widest come first, so that all are aligned.
  static constexpr std::size_t kIds = 0;
  static constexpr std::size_t kBoxes = kIds + sizeof(std::int64_t);
  static constexpr std::size_t kScores = kBoxes + sizeof(Box);
  static constexpr std::size_t kDetectionIndices = kScores + sizeof(double);
  static constexpr std::size_t kClassIds = kDetectionIndices + sizeof(std::int32_t);
  static constexpr std::size_t kRowBytes = kClassIds + sizeof(std::int32_t);

 private:
  std::size_t count_, dropped_;
  std::unique_ptr<std::byte[]> block_;
};

class Tracker {
 public:
  explicit Tracker(const track::ByteTrackOptions& options) : tracker_(options) {}

  Tracks update(py::handle boxes_object, py::handle scores_object, py::handle class_ids_object,
                py::handle features_object, std::optional<double> timestamp,
                py::handle warp_object);

  void reset() {
    const Use use(*this);
    tracker_.reset();
  }

  py::array_t<double> history(std::int64_t id) {
    const Use use(*this);
    const auto entries = tracker_.history(id);
    py::array_t<double> out({static_cast<py::ssize_t>(entries.size()), py::ssize_t{5}});
    static_assert(sizeof(track::History::Entry) == 5 * sizeof(double));
    std::memcpy(out.mutable_data(), entries.data(), entries.size() * sizeof(entries[0]));
    return out;
  }

  track::ByteTrack& native() { return tracker_; }

  std::string repr() const {
    const track::ByteTrackOptions& o = tracker_.options();
    return py::str(
               "ByteTrack(track_high_thresh={}, track_low_thresh={}, new_track_thresh={}, "
               "match_thresh={}, track_buffer={}, frame_rate={}, fuse_score={}): "
               "frame {}, {} tracked, {} lost")
        .format(o.track_high_thresh, o.track_low_thresh, o.new_track_threshold(), o.match_thresh,
                o.track_buffer, o.frame_rate, o.fuse_score, tracker_.frame(),
                tracker_.tracked_count(), tracker_.lost_count())
        .cast<std::string>();
  }

 private:
  // One caller at a time: the interpreter lock is not held throughout an update.
  class Use {
   public:
    explicit Use(Tracker& tracker) : busy_(tracker.busy_) {
      if (busy_.exchange(true, std::memory_order_acquire)) {
        throw Error(
            "this ByteTrack is in use by another thread; give every stream its own tracker");
      }
    }
    ~Use() { busy_.store(false, std::memory_order_release); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    std::atomic<bool>& busy_;
  };

  track::ByteTrack tracker_;
  std::atomic<bool> busy_ = false;
};

Tracks Tracker::update(py::handle boxes_object, py::handle scores_object,
                       py::handle class_ids_object, py::handle features_object,
                       std::optional<double> timestamp, py::handle warp_object) {
  const RealArray boxes(boxes_object, "boxes"), scores(scores_object, "scores");
  const py::array &b = boxes.array(), &s = scores.array();
  if (s.ndim() != 1) {
    throw InvalidArgument("scores has shape " + shape_text(s) + ", expected (N,)");
  }
  const py::ssize_t count = s.shape(0);
  const bool empty = count == 0 && b.size() == 0;  // [] and (0, 5) are fine too
  if (!empty && (b.ndim() != 2 || b.shape(1) != 4 || b.shape(0) != count)) {
    throw InvalidArgument("boxes has shape " + shape_text(b) + ", expected (" +
                          std::to_string(count) + ", 4): x1, y1, x2, y2 for each of the " +
                          std::to_string(count) + " scores");
  }
  track::Detections detections{.boxes = boxes.view(), .scores = scores.view()};
  detections.timestamp = timestamp;

  std::optional<py::array> class_ids, features, warp;  // an empty py::array is a new NumPy array
  if (!class_ids_object.is_none()) {
    class_ids = as_array<std::int32_t>(class_ids_object, "class_ids");
    if (class_ids->size() != count) {
      throw InvalidArgument("class_ids has shape " + shape_text(*class_ids) + ", expected (" +
                            std::to_string(count) + ",)");
    }
    detections.class_ids = {static_cast<const std::int32_t*>(class_ids->data()),
                            static_cast<std::size_t>(count)};
  }
  if (!features_object.is_none()) {
    features = as_array<float>(features_object, "features");
    if (!(count == 0 && features->size() == 0) &&
        (features->ndim() != 2 || features->shape(0) != count || features->shape(1) == 0)) {
      throw InvalidArgument("features has shape " + shape_text(*features) + ", expected (" +
                            std::to_string(count) + ", D) with D of at least 1");
    }
    if (count > 0) {
      detections.features = {static_cast<const float*>(features->data()),
                             static_cast<std::size_t>(features->size())};
      detections.feature_width = static_cast<std::size_t>(features->shape(1));
    }
  }
  if (!warp_object.is_none()) {
    warp = as_array<double>(warp_object, "warp");
    if (warp->ndim() != 2 || warp->shape(0) != 2 || warp->shape(1) != 3) {
      throw InvalidArgument("warp has shape " + shape_text(*warp) + ", expected (2, 3)");
    }
    const auto* m = static_cast<const double*>(warp->data());
    detections.warp = track::Warp{m[0], m[1], m[2], m[3], m[4], m[5]};
  }

  const Use use(*this);
  std::optional<py::gil_scoped_release> released;
  if (count >= kReleaseRows) released.emplace();
  return Tracks(tracker_.update(detections));
}

std::string tracks_repr(const Tracks& tracks) {
  return "Tracks(" + std::to_string(tracks.count()) +
         (tracks.count() == 1 ? " track)" : " tracks)");
}

}  // namespace

std::shared_ptr<track::ByteTrack> share_tracker(const py::object& tracker) {
  track::ByteTrack& native = tracker.cast<Tracker&>().native();
  // The last owner may be a thread without the interpreter lock.
  return {&native, [owner = tracker](track::ByteTrack*) mutable {
            py::gil_scoped_acquire acquire;
            owner = py::object();
          }};
}

void bind_track(py::module_& m) {
  py::class_<Tracks>(m, "Tracks", kTracksDoc)
      .def_property_readonly("ids", &Tracks::column<std::int64_t, Tracks::kIds>, "(M,) int64.")
      .def_property_readonly("boxes", &Tracks::column<double, Tracks::kBoxes, 4>,
                             "(M, 4) float64 x1, y1, x2, y2 in frame pixels: the Kalman filter's.")
      .def_property_readonly("scores", &Tracks::column<double, Tracks::kScores>,
                             "(M,) float64, of the detection that each track took.")
      .def_property_readonly("detection_indices",
                             &Tracks::column<std::int32_t, Tracks::kDetectionIndices>,
                             "(M,) int32, the row of the input that each track took.")
      .def_property_readonly("class_ids", &Tracks::column<std::int32_t, Tracks::kClassIds>,
                             "(M,) int32, of that detection; -1 where the input had none.")
      .def_property_readonly("dropped", &Tracks::dropped,
                             "Rows of the input that could not be used.")
      .def("__len__", &Tracks::count)
      .def("__repr__", &tracks_repr);

  const track::ByteTrackOptions d;
  py::class_<Tracker>(m, "ByteTrack", kByteTrackDoc)
      .def(py::init([](double high, double low, std::optional<double> fresh, double match,
                       double buffer, double rate, bool fuse, bool class_aware, int min_hits,
                       int history, double appearance, double proximity, double momentum) {
             return std::make_unique<Tracker>(
                 track::ByteTrackOptions{.track_high_thresh = high,
                                         .track_low_thresh = low,
                                         .new_track_thresh = fresh,
                                         .match_thresh = match,
                                         .track_buffer = buffer,
                                         .frame_rate = rate,
                                         .fuse_score = fuse,
                                         .class_aware = class_aware,
                                         .min_hits = min_hits,
                                         .history = history,
                                         .appearance_thresh = appearance,
                                         .proximity_thresh = proximity,
                                         .feature_momentum = momentum});
           }),
           py::kw_only(), py::arg("track_high_thresh") = d.track_high_thresh,
           py::arg("track_low_thresh") = d.track_low_thresh,
           py::arg("new_track_thresh") = py::none(), py::arg("match_thresh") = d.match_thresh,
           py::arg("track_buffer") = d.track_buffer, py::arg("frame_rate") = d.frame_rate,
           py::arg("fuse_score") = d.fuse_score, py::arg("class_aware") = d.class_aware,
           py::arg("min_hits") = d.min_hits, py::arg("history") = d.history,
           py::arg("appearance_thresh") = d.appearance_thresh,
           py::arg("proximity_thresh") = d.proximity_thresh,
           py::arg("feature_momentum") = d.feature_momentum)
      .def("update", &Tracker::update, py::arg("boxes"), py::arg("scores"),
           py::arg("class_ids") = py::none(), py::arg("features") = py::none(), py::kw_only(),
           py::arg("timestamp") = py::none(), py::arg("warp") = py::none(), kUpdateDoc)
      .def("history", &Tracker::history, py::arg("track_id"), kHistoryDoc)
      .def("reset", &Tracker::reset, "Forgets everything; ids start at 1 again.")
      .def("__repr__", &Tracker::repr);
}

}  // namespace edgert::bindings
