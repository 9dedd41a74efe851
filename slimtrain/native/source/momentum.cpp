// Gradient descent with momentum: moments and variables of all variables are written over, or none where any number of
// what would come out is not finite.

#include <vector>

#include "parts.h"
#include "vectors.h"

namespace slimtrain {
namespace {

namespace ffi = xla::ffi;

constexpr int64_t block = 4096;  // numbers that are worked on at once
constexpr int64_t share = 16;    // blocks below which a second thread gains nothing

struct Variable {
  float *moment, *value;
  const float* gradient;
};

struct Factors {
  float rate, momentum;
};

// One number, or a vector of them.
template <bool nesterov, typename Number>
void step(Number gradient, Number& moment, Number& value, Factors by) {
  moment = moment * by.momentum + gradient;
  value = value - (nesterov ? gradient + moment * by.momentum : moment) * by.rate;
}

template <bool nesterov>
void take(const Variable& of, int64_t from, int64_t to, Factors by) {
  int64_t i = from;
  for (; i + lanes <= to; i += lanes) {
    Vector moment = load(of.moment + i), value = load(of.value + i);
    step<nesterov>(load(of.gradient + i), moment, value, by);
    store(of.moment + i, moment);
    store(of.value + i, value);
  }
  for (; i < to; ++i) step<nesterov>(of.gradient[i], of.moment[i], of.value[i], by);
}

// Whether all that would come out is finite: a number less itself is 0 then, else NaN.
template <bool nesterov>
bool finite(const Variable& of, int64_t from, int64_t to, Factors by) {
  Vector bad = {};
  int64_t i = from;
  for (; i + lanes <= to; i += lanes) {
    Vector moment = load(of.moment + i), value = load(of.value + i);
    step<nesterov>(load(of.gradient + i), moment, value, by);
    bad += (moment - moment) + (value - value);
  }
  float rest = 0;
  for (; i < to; ++i) {
    float moment = of.moment[i], value = of.value[i];
    step<nesterov>(of.gradient[i], moment, value, by);
    rest += (moment - moment) + (value - value);
  }
  for (int lane = 0; lane < lanes; ++lane) rest += bad[lane];
  return rest == 0;
}

// Takes (rate, momentum, 0 or NaN where the step is not to be taken), and of n variables the moments, the values and
// the gradients, n each; gives the moments and the values, in their places, and whether the step was taken.
ffi::Error momentum(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> factors, ffi::RemainingArgs arrays,
                    ffi::RemainingRets results, int64_t nesterov) try {
  const size_t count = arrays.size() / 3;
  std::vector<Variable> variables;
  std::vector<int64_t> sizes, ends;  // where the blocks of each variable end, if they were one
  int64_t blocks = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto at = [&](size_t place) { return arrays.get<ffi::Buffer<ffi::F32>>(place).value().typed_data(); };
    variables.push_back({at(i), at(count + i), at(2 * count + i)});
    sizes.push_back(static_cast<int64_t>(arrays.get<ffi::Buffer<ffi::F32>>(i).value().element_count()));
    ends.push_back(blocks += (sizes.back() + block - 1) / block);
  }
  const Factors by = {factors.typed_data()[0], factors.typed_data()[1]};
  const auto over_all = [&](const auto& work) {
    in_pieces(pool, ends, share, [&](size_t i, int64_t first, int64_t last) {
      work(variables[i], first * block, std::min(sizes[i], last * block));
    });
  };
  std::atomic<bool> good{factors.typed_data()[2] == 0};
  const auto check = nesterov ? finite<true> : finite<false>;
  const auto write = nesterov ? take<true> : take<false>;
  if (good) over_all([&](const Variable& of, int64_t from, int64_t to) { if (!check(of, from, to, by)) good = false; });
  if (good) over_all([&](const Variable& of, int64_t from, int64_t to) { write(of, from, to, by); });
  results.get<ffi::Buffer<ffi::PRED>>(2 * count).value()->typed_data()[0] = good;
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

}  // namespace
}  // namespace slimtrain

XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_momentum, slimtrain::momentum,
                              xla::ffi::Ffi::Bind()
                                  .Ctx<xla::ffi::ThreadPool>()
                                  .Arg<xla::ffi::Buffer<xla::ffi::F32>>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<int64_t>("nesterov"));
