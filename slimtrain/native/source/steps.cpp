// Steps of optimizers: moments and values of all variables are written over, or none where any number of what would
// come out is not finite.

#include <vector>

#include "parts.h"
#include "vectors.h"

namespace slimtrain {
namespace {

namespace ffi = xla::ffi;

constexpr int64_t block = 4096;  // numbers that are worked on at once
constexpr int64_t share = 16;    // blocks below which a second thread gains nothing

// A rule takes a gradient, moments and a value one step on: numbers, or vectors of them.

struct Sgd {
  static constexpr int moments = 0;
  float rate;
  explicit Sgd(const float* factors) : rate(factors[0]) {}
  template <typename Number>
  void operator()(Number gradient, Number*, Number& value) const {
    value = value - gradient * rate;
  }
};

template <bool nesterov>
struct Momentum {
  static constexpr int moments = 1;
  float rate, momentum;
  explicit Momentum(const float* factors) : rate(factors[0]), momentum(factors[1]) {}
  template <typename Number>
  void operator()(Number gradient, Number* moment, Number& value) const {
    moment[0] = moment[0] * momentum + gradient;
    value = value - (nesterov ? gradient + moment[0] * momentum : moment[0]) * rate;
  }
};

struct Adam {
  static constexpr int moments = 2;
  float rate, factor, mean_kept, mean_new, square_kept, square_new, epsilon;
  explicit Adam(const float* factors)
      : rate(factors[0]), factor(factors[1]), mean_kept(factors[2]), mean_new(factors[3]), square_kept(factors[4]),
        square_new(factors[5]), epsilon(factors[6]) {}
  template <typename Number>
  void operator()(Number gradient, Number* moment, Number& value) const {
    moment[0] = moment[0] * mean_kept + gradient * mean_new;
    moment[1] = moment[1] * square_kept + gradient * square_new * gradient;
    value = value - moment[0] * factor / (root(moment[1]) + epsilon) * rate;
  }
};

template <int count>
struct Variable {
  float* moments[count + 1];  // the last one is the value
  const float* gradient;
};

// Calls done(numbers or vectors that came out, where they belong) for each place of [from, to).
template <typename Rule, typename Done>
void stepped(const Variable<Rule::moments>& of, int64_t from, int64_t to, const Rule& rule, const Done& done) {
  constexpr int parts = Rule::moments + 1;
  Vector vectors[parts];  // the moments, and the value after them
  float numbers[parts];
  int64_t i = from;
  for (; i + lanes <= to; i += lanes) {
    for (int part = 0; part < parts; ++part) vectors[part] = load(of.moments[part] + i);
    rule(load(of.gradient + i), vectors, vectors[parts - 1]);
    done(vectors, i);
  }
  for (; i < to; ++i) {
    for (int part = 0; part < parts; ++part) numbers[part] = of.moments[part][i];
    rule(of.gradient[i], numbers, numbers[parts - 1]);
    done(numbers, i);
  }
}

template <typename Rule>
void take(const Variable<Rule::moments>& of, int64_t from, int64_t to, const Rule& rule) {
  stepped(of, from, to, rule, [&](const auto* numbers, int64_t i) {
    for (int part = 0; part <= Rule::moments; ++part)
      std::memcpy(of.moments[part] + i, numbers + part, sizeof(*numbers));
  });
}

// Whether all that would come out is finite: a number less itself is 0 then, else NaN.
template <typename Rule>
bool finite(const Variable<Rule::moments>& of, int64_t from, int64_t to, const Rule& rule) {
  Vector bad = {};
  float rest = 0;
  const auto add = [&](auto number) {
    if constexpr (sizeof(number) == sizeof(float))
      rest += number - number;
    else
      bad += number - number;
  };
  stepped(of, from, to, rule, [&](const auto* numbers, int64_t) {
    for (int part = 0; part <= Rule::moments; ++part) add(numbers[part]);
  });
  for (int lane = 0; lane < lanes; ++lane) rest += bad[lane];
  return rest == 0;
}

// Takes (0 or NaN where the step is not to be taken, the rule's factors), and of n variables each kind of moments, the
// values and the gradients, n each; gives moments and values, in their places, and whether the step was taken.
template <typename Rule>
ffi::Error step(ffi::ThreadPool& pool, const float* factors, ffi::RemainingArgs& arrays, ffi::RemainingRets& results) {
  constexpr int parts = Rule::moments + 1;
  const size_t count = arrays.size() / (parts + 1);
  std::vector<Variable<Rule::moments>> variables(count);
  std::vector<int64_t> sizes, ends;  // where the blocks of each variable end, if they were one
  int64_t blocks = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto at = [&](size_t part) { return arrays.get<ffi::Buffer<ffi::F32>>(part * count + i).value(); };
    for (int part = 0; part < parts; ++part) variables[i].moments[part] = at(part).typed_data();
    variables[i].gradient = at(parts).typed_data();
    sizes.push_back(static_cast<int64_t>(at(0).element_count()));
    ends.push_back(blocks += (sizes.back() + block - 1) / block);
  }
  const Rule rule(factors + 1);
  const auto over_all = [&](const auto& work) {
    in_pieces(pool, ends, share, [&](size_t i, int64_t first, int64_t last) {
      work(variables[i], first * block, std::min(sizes[i], last * block));
    });
  };
  using Of = const Variable<Rule::moments>&;
  std::atomic<bool> good{factors[0] == 0};
  if (good) over_all([&](Of of, int64_t from, int64_t to) { if (!finite(of, from, to, rule)) good = false; });
  if (good) over_all([&](Of of, int64_t from, int64_t to) { take(of, from, to, rule); });
  results.get<ffi::Buffer<ffi::PRED>>(parts * count).value()->typed_data()[0] = good;
  return ffi::Error::Success();
}

using Factors = ffi::Buffer<ffi::F32>;

ffi::Error sgd(ffi::ThreadPool pool, Factors factors, ffi::RemainingArgs arrays, ffi::RemainingRets results) try {
  return step<Sgd>(pool, factors.typed_data(), arrays, results);
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

ffi::Error momentum(ffi::ThreadPool pool, Factors factors, ffi::RemainingArgs arrays, ffi::RemainingRets results,
                    int64_t nesterov) try {
  return (nesterov ? step<Momentum<true>> : step<Momentum<false>>)(pool, factors.typed_data(), arrays, results);
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

ffi::Error adam(ffi::ThreadPool pool, Factors factors, ffi::RemainingArgs arrays, ffi::RemainingRets results) try {
  return step<Adam>(pool, factors.typed_data(), arrays, results);
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

}  // namespace
}  // namespace slimtrain

using xla::ffi::Ffi;
#define SLIMTRAIN_STEP                           \
  Ffi::Bind()                                    \
      .Ctx<xla::ffi::ThreadPool>()               \
      .Arg<xla::ffi::Buffer<xla::ffi::F32>>()    \
      .RemainingArgs()                           \
      .RemainingRets()
XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_sgd, slimtrain::sgd, SLIMTRAIN_STEP);
XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_momentum, slimtrain::momentum, SLIMTRAIN_STEP.Attr<int64_t>("nesterov"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_adam, slimtrain::adam, SLIMTRAIN_STEP);
