// Gradient descent with momentum: the moments and variables after a step, of all variables in one pass.

#include <vector>

#if defined(__AVX__)
#include <immintrin.h>
#endif

#include "parts.h"
#include "vectors.h"

namespace slimtrain {
namespace {

namespace ffi = xla::ffi;

constexpr int64_t block = 4096;         // numbers that are worked on at once
constexpr int64_t share = 16;           // blocks below which a second thread gains nothing
constexpr int64_t in_caches = 4 << 20;  // numbers; what is written beyond would push out all else that is there

struct Variable {
  const float *gradient, *moment, *value;
  float *next_moment, *next_value;
};

struct Factors {
  float rate, momentum;
};

// Past the caches, where `around`; `to` is aligned then.
template <bool around>
void put(float* to, Vector value) {
#if defined(__AVX512F__)
  if constexpr (around) return _mm512_stream_ps(to, reinterpret_cast<__m512>(value));
#elif defined(__AVX__)
  if constexpr (around) return _mm256_stream_ps(to, reinterpret_cast<__m256>(value));
#endif
  store(to, value);
}

// One number, or a vector of them. 0 is added to `bad` where what comes out is finite, else NaN.
template <bool nesterov, typename Number>
void step(Number gradient, Number& moment, Number& value, Number& bad, Factors by) {
  moment = moment * by.momentum + gradient;
  value = value - (nesterov ? gradient + moment * by.momentum : moment) * by.rate;
  bad += (moment - moment) + (value - value);
}

// Whether all that came out is finite.
template <bool nesterov, bool around>
bool step_over(const Variable& of, int64_t from, int64_t to, Factors by) {
  Vector bad = {};
  int64_t i = from;
  for (; i + lanes <= to; i += lanes) {
    Vector moment = load(of.moment + i), value = load(of.value + i);
    step<nesterov>(load(of.gradient + i), moment, value, bad, by);
    put<around>(of.next_moment + i, moment);
    put<around>(of.next_value + i, value);
  }
  float rest = 0;
  for (; i < to; ++i) {
    of.next_moment[i] = of.moment[i];
    of.next_value[i] = of.value[i];
    step<nesterov>(of.gradient[i], of.next_moment[i], of.next_value[i], rest, by);
  }
  for (int lane = 0; lane < lanes; ++lane) rest += bad[lane];
  return rest == 0;
}

bool aligned(const Variable& of) {
  const auto both = reinterpret_cast<uintptr_t>(of.next_moment) | reinterpret_cast<uintptr_t>(of.next_value);
  return both % sizeof(Vector) == 0;
}

template <bool nesterov>
bool step_over(const Variable& of, int64_t from, int64_t to, Factors by, bool around) {
  return around && aligned(of) ? step_over<nesterov, true>(of, from, to, by) : step_over<nesterov, false>(of, from, to, by);
}

// Takes (rate, momentum), and of n variables the gradients, the moments and the values, n each; gives the moments and
// the values after the step, and whether all of these are finite.
ffi::Error momentum(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> factors, ffi::RemainingArgs arrays,
                    ffi::RemainingRets results, int64_t nesterov) try {
  const size_t count = arrays.size() / 3;
  std::vector<Variable> variables;
  std::vector<int64_t> sizes, ends;  // where the blocks of each variable end, if they were one
  int64_t blocks = 0, total = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto taken = [&](size_t at) { return arrays.get<ffi::Buffer<ffi::F32>>(at).value(); };
    const auto given = [&](size_t at) { return results.get<ffi::Buffer<ffi::F32>>(at).value()->typed_data(); };
    variables.push_back({taken(i).typed_data(), taken(count + i).typed_data(), taken(2 * count + i).typed_data(),
                         given(i), given(count + i)});
    sizes.push_back(static_cast<int64_t>(taken(i).element_count()));
    ends.push_back(blocks += (sizes.back() + block - 1) / block);
    total += 2 * sizes.back();
  }
  const Factors by = {factors.typed_data()[0], factors.typed_data()[1]};
  const bool around = total > in_caches;
  std::atomic<bool> good{true};
  const auto run = nesterov ? step_over<true> : step_over<false>;
  in_pieces(pool, ends, share, [&](size_t i, int64_t first, int64_t last) {
    if (!run(variables[i], first * block, std::min(sizes[i], last * block), by, around)) good = false;
#if defined(__AVX__)
    if (around) _mm_sfence();
#endif
  });
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
