// Work in equal parts on the threads that XLA keeps anyway: no second pool, nothing that spins beside it.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace slimtrain {

// Calls work(0) to work(count - 1), in any order, and returns when all are done. The caller takes parts too, so that
// it never waits for a thread that waits itself. The first exception comes out here.
template <typename Work>
void in_parts(xla::ffi::ThreadPool& pool, int64_t count, const Work& work) {
  if (count <= 1) {
    if (count == 1) work(0);
    return;
  }
  struct Shared {
    std::atomic<int64_t> next{0};
    int64_t done = 0;
    std::exception_ptr error;
    std::mutex mutex;
    std::condition_variable changed;
  };
  auto shared = std::make_shared<Shared>();
  // A helper that comes late finds no part left and touches nothing of the caller's.
  auto help = [shared, count, &work] {
    for (int64_t part; (part = shared->next.fetch_add(1)) < count;) {
      std::exception_ptr error;
      try {
        work(part);
      } catch (...) {
        error = std::current_exception();
      }
      std::lock_guard<std::mutex> lock(shared->mutex);
      if (error && !shared->error) shared->error = error;
      if (++shared->done == count) shared->changed.notify_all();
    }
  };
  const int64_t helpers = std::min<int64_t>(count, pool.num_threads()) - 1;
  for (int64_t helper = 0; helper < helpers; ++helper) pool.Schedule(decltype(help)(help));
  help();
  std::unique_lock<std::mutex> lock(shared->mutex);
  shared->changed.wait(lock, [&] { return shared->done == count; });
  if (shared->error) std::rethrow_exception(shared->error);
}

// Where part `part` of `count` begins, of `size` things.
inline int64_t begin_of(int64_t part, int64_t count, int64_t size) { return size * part / count; }

// Calls work(first, number) for `count` things in order, at most `most` at a time and about as many each time: a small
// last part would waste registers.
template <typename Work>
void evenly(int64_t count, int64_t most, const Work& work) {
  const int64_t parts = (count + most - 1) / most;
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t first = begin_of(part, parts, count);
    work(first, begin_of(part + 1, parts, count) - first);
  }
}

// How many parts `count` things are worked on in: the machine's threads, or fewer for fewer things.
inline int64_t parts_of(const xla::ffi::ThreadPool& pool, int64_t count) {
  return std::max<int64_t>(1, std::min<int64_t>(pool.num_threads(), count));
}

// How many bands of rows each example is cut into, so that every thread has one: 1 where there are examples enough.
inline int64_t bands_of(const xla::ffi::ThreadPool& pool, int64_t batch, int64_t rows) {
  return batch ? std::min<int64_t>(rows, (pool.num_threads() + batch - 1) / batch) : 1;
}

// Work on many arrays as if they were one: calls work(array, first, last) for pieces of them, in any order, shared out
// among threads. `ends` is where each array ends in the whole; `share` is below what a second thread gains nothing.
template <typename Work>
void in_pieces(xla::ffi::ThreadPool& pool, const std::vector<int64_t>& ends, int64_t share, const Work& work) {
  const int64_t total = ends.empty() ? 0 : ends.back();
  const int64_t parts = std::max<int64_t>(1, std::min<int64_t>(2 * pool.num_threads(), total / share));
  in_parts(pool, parts, [&](int64_t part) {
    const int64_t last = begin_of(part + 1, parts, total);
    int64_t at = begin_of(part, parts, total);
    size_t i = std::upper_bound(ends.begin(), ends.end(), at) - ends.begin();
    for (; at < last; ++i) {
      const int64_t to = std::min(last, ends[i]), begin = i ? ends[i - 1] : 0;
      work(i, at - begin, to - begin);
      at = to;
    }
  });
}

// Memory, not of the heap: there it would come to lie behind the block that XLA computes in, and glibc before 2.38 does
// not find that block's place again when something is behind it.
class Mapped {
 public:
  Mapped() = default;
  Mapped(Mapped&& other) noexcept : at_(std::exchange(other.at_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapped& operator=(Mapped&& other) noexcept {
    std::swap(at_, other.at_), std::swap(size_, other.size_);
    return *this;
  }
  ~Mapped() { release(); }

  // At least so many bytes; what was there is lost where it was smaller.
  void* of(size_t bytes) {
    if (size_ >= bytes) return at_;
    release();
    bytes = (bytes + 4095) / 4096 * 4096;
    void* found = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED) throw std::bad_alloc();
    at_ = found, size_ = bytes;
    madvise(at_, size_, MADV_HUGEPAGE);
    return at_;
  }

  size_t size() const { return size_; }

 private:
  void release() {
    if (at_) munmap(at_, size_);
    at_ = nullptr, size_ = 0;
  }

  void* at_ = nullptr;
  size_t size_ = 0;
};

// Memory of one thread for one purpose, kept from call to call. `which` parts buffers that are in use at once.
inline void* kept(int which, size_t bytes) {
  static thread_local Mapped memory[4];
  return memory[which].of(bytes);
}

// Memory that all threads of one call share, lent for its time: any thread of XLA's may make the next call, and each
// would keep as much if it were its own.
class Lent {
 public:
  explicit Lent(size_t bytes) {
    Store& store = stored();
    std::lock_guard<std::mutex> lock(store.mutex);
    const auto smaller = [](const Mapped& one, const Mapped& other) { return one.size() < other.size(); };
    std::sort(store.free.begin(), store.free.end(), smaller);
    auto found = std::find_if(store.free.begin(), store.free.end(), [=](const Mapped& m) { return m.size() >= bytes; });
    if (found == store.free.end() && found != store.free.begin()) --found;  // the largest one grows
    if (found != store.free.end()) {
      memory_ = std::move(*found);
      store.free.erase(found);
    }
    at = memory_.of(bytes);
  }
  ~Lent() {
    Store& store = stored();
    std::lock_guard<std::mutex> lock(store.mutex);
    store.free.push_back(std::move(memory_));
  }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  void* at;
  float* floats() const { return static_cast<float*>(at); }

 private:
  struct Store {
    std::mutex mutex;
    std::vector<Mapped> free;
  };
  static Store& stored() {
    static Store* one = new Store;  // threads may end after this library's own objects
    return *one;
  }
  Mapped memory_;
};

// Adds up what work(first thing, number of things, sums [size]) finds of each part of `count` things, in the parts'
// order, so that the total is the same every time.
template <typename Work>
void sum_over(xla::ffi::ThreadPool& pool, int64_t count, int64_t size, float* total, const Work& work) {
  const int64_t parts = parts_of(pool, count);
  const Lent sums(parts == 1 ? 0 : parts * size * sizeof(float));
  float* found = parts == 1 ? total : sums.floats();
  in_parts(pool, parts, [&](int64_t part) {
    const int64_t from = begin_of(part, parts, count);
    work(from, begin_of(part + 1, parts, count) - from, found + part * size);
  });
  if (parts == 1) return;
  in_parts(pool, parts, [&](int64_t part) {
    for (int64_t i = begin_of(part, parts, size); i < begin_of(part + 1, parts, size); ++i) {
      float sum = found[i];
      for (int64_t other = 1; other < parts; ++other) sum += found[other * size + i];
      total[i] = sum;
    }
  });
}

}  // namespace slimtrain
