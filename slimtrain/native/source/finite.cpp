// Whether all numbers of many arrays are finite, each read once.

#include <cstring>
#include <vector>

#include "parts.h"

namespace slimtrain::finite {
namespace {

namespace ffi = xla::ffi;

constexpr int64_t share = 64 * 1024;  // numbers below which a second thread gains nothing

bool all_finite(const float* values, int64_t count) {
  int32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    int32_t bits;
    std::memcpy(&bits, values + i, sizeof(bits));
    largest = std::max(largest, bits & 0x7fffffff);
  }
  return largest < 0x7f800000;  // above are the infinities and what is no number
}

ffi::Error finite(ffi::ThreadPool pool, ffi::RemainingArgs arrays, ffi::ResultBuffer<ffi::PRED> result) try {
  std::vector<const float*> values;
  std::vector<int64_t> ends;  // where each array ends, if they were one
  int64_t total = 0;
  for (size_t i = 0; i < arrays.size(); ++i) {
    const auto array = arrays.get<ffi::Buffer<ffi::F32>>(i);
    if (!array.has_value()) return array.error();
    values.push_back(array->typed_data());
    ends.push_back(total += static_cast<int64_t>(array->element_count()));
  }
  std::atomic<bool> good{true};
  in_pieces(pool, ends, share, [&](size_t i, int64_t first, int64_t last) {
    if (!all_finite(values[i] + first, last - first)) good = false;
  });
  result->typed_data()[0] = good;
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_all_finite, finite,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .Ret<ffi::Buffer<ffi::PRED>>());

}  // namespace slimtrain::finite
