#include "state.hpp"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>
#include <vector>

#include "context.hpp"

namespace edgert::fake {
namespace {

// ---- settings, "key=value,key=value"

[[noreturn]] void refuse(const char* what, std::string_view found) {
  std::fprintf(stderr, "fake driver: %s: \"%.*s\"\n", what, static_cast<int>(found.size()),
               found.data());
  std::abort();
}

template <typename Visitor>
void for_each_item(std::string_view text, Visitor visit) {
  while (!text.empty()) {
    const std::size_t end = text.find(',');
    visit(text.substr(0, end));
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
  }
}

Facts parse_facts(const char* text) {
  Facts facts;
  for_each_item(text, [&](std::string_view item) {
    const std::size_t equals = item.find('=');
    if (equals == item.npos) refuse("a fact is key=value", item);
    const std::string_view key = item.substr(0, equals);
    const std::string value(item.substr(equals + 1));
    const auto number = std::strtoull(value.c_str(), nullptr, 10);
    if (key == "name")
      facts.name = value;
    else if (key == "memory")
      facts.memory = number;
    else if (int* slot = key == "devices"              ? &facts.devices
                         : key == "capability"         ? &facts.capability
                         : key == "integrated"         ? &facts.integrated
                         : key == "driver"             ? &facts.driver
                         : key == "multiprocessors"    ? &facts.multiprocessors
                         : key == "shared"             ? &facts.shared
                         : key == "concurrent_managed" ? &facts.concurrent_managed
                                                       : nullptr)
      *slot = static_cast<int>(number);
    else
      refuse("no such fact", key);
  });
  if (facts.concurrent_managed < 0) facts.concurrent_managed = facts.integrated ? 0 : 1;
  return facts;
}

Facts& stored_facts() {
  static Facts& facts = *new Facts([] {
    const char* text = std::getenv("EDGERT_FAKE_CUDA_DEVICE");
    return parse_facts(text != nullptr ? text : "");
  }());
  return facts;
}

// ---- faults

struct Fault {
  std::string function;
  int nth, calls, status;
};

struct Faults {
  std::mutex mutex;
  std::vector<Fault> list;
  // Read at every call, written by tests: relaxed, so that it orders nothing between threads.
  std::atomic<bool> armed{false};

  Faults() {
    const char* text = std::getenv("EDGERT_FAKE_CUDA_FAIL");
    for_each_item(text != nullptr ? text : "", [&](std::string_view item) {
      char function[64];
      int nth = 0, status = 0;
      if (std::sscanf(std::string(item).c_str(), "%63[^:]:%d:%d", function, &nth, &status) != 3)
        refuse("a fault is function:nth:status", item);
      list.push_back({function, nth, 0, status});
    });
    armed = !list.empty();
  }
};

Faults& faults() {
  static Faults& all = *new Faults;
  return all;
}

bool destroys_context(Status status) {
  return status == 214 || status == 700 || status == 702 || status == 710 ||
         (status >= 714 && status <= 719) || status == 999;
}

std::atomic<Status> lost_with{0};
std::atomic<int> pending{0};
std::array<std::atomic<long>, 9> alive{};

}  // namespace

const Facts& facts() {
  return stored_facts();
}

Status lost() {
  return lost_with.load(std::memory_order_relaxed);
}

Status fault(const char* function) {
  Faults& all = faults();
  if (!all.armed.load(std::memory_order_relaxed)) return 0;
  const std::lock_guard lock(all.mutex);
  Status status = 0;
  for (Fault& entry : all.list)
    if (entry.function == function && (++entry.calls == entry.nth || entry.nth == 0))
      status = entry.status;
  if (destroys_context(status)) lost_with.store(status, std::memory_order_relaxed);
  return status;
}

Status enter_without_context(const char* function) {
  if (const Status status = fault(function)) return status;
  return initialised_in(getpid()) ? 0 : cuda::kNotInitialized;
}

Status enter(const char* function) {
  if (const Status status = enter_without_context(function)) return status;
  if (const Status status = lost()) return status;
  return check_current_context();
}

void count_work(int change) {
  pending.fetch_add(change, std::memory_order_release);
}

Status wait_for_lost_work() {
  while (pending.load(std::memory_order_acquire) > 0) usleep(100);
  return lost();
}

void count(Kind kind, long change) {
  alive[static_cast<std::size_t>(kind)].fetch_add(change, std::memory_order_relaxed);
}

}  // namespace edgert::fake

using namespace edgert::fake;

void fake_cuda_fail(const char* function, int nth, int status) {
  Faults& all = faults();
  const std::lock_guard lock(all.mutex);
  all.list.push_back({function, nth, 0, status});
  all.armed = true;
}

void fake_cuda_heal() {
  if (lost() != 0) wait_for_lost_work();
  Faults& all = faults();
  const std::lock_guard lock(all.mutex);
  all.list.clear();
  all.armed = false;
  lost_with = 0;
}

long fake_cuda_alive(const char* kind) {
  constexpr std::array kNames{"context", "memory", "managed", "host",  "stream",
                              "event",   "graph",  "exec",    "module"};
  static_assert(kNames.size() == alive.size());
  long found = 0;
  bool known = kind == nullptr;
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kind == nullptr || std::strcmp(kind, kNames[i]) == 0) {
      found += alive[i].load(std::memory_order_relaxed);
      known = true;
    }
  if (!known) refuse("no such kind", kind);
  return found;
}

void fake_cuda_device(const char* facts) {
  stored_facts() = parse_facts(facts);
}
