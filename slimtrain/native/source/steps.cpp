// Steps of optimizers: moments and values of all variables are written over, or none where any number of what would
// come out is not finite.

#include <vector>

#include "parts.h"
#include "vectors.h"

namespace slimtrain::steps {
namespace {

namespace ffi = xla::ffi;

constexpr int64_t block = 4096;  // numbers that are worked on at once
constexpr int64_t share = 16;    // blocks below which a second thread gains nothing

// A rule takes a gradient, moments and a value one step on: numbers, or vectors of them. It is made of factors and of
// whether the variable has two axes or more.

struct Sgd {
  static constexpr int moments = 0;
  float rate;
  Sgd(const float* factors, bool) : rate(factors[0]) {}
  template <typename Number>
  void operator()(Number gradient, Number*, Number& value) const {
    value = value - gradient * rate;
  }
};

template <bool nesterov>
struct Momentum {
  static constexpr int moments = 1;
  float rate, momentum;
  Momentum(const float* factors, bool) : rate(factors[0]), momentum(factors[1]) {}
  template <typename Number>
  void operator()(Number gradient, Number* moment, Number& value) const {
    moment[0] = moment[0] * momentum + gradient;
    value = value - (nesterov ? gradient + moment[0] * momentum : moment[0]) * rate;
  }
};

struct Means {  // of gradients and of their squares
  float mean_kept, mean_new, square_kept, square_new;
  explicit Means(const float* factors)
      : mean_kept(factors[0]), mean_new(factors[1]), square_kept(factors[2]), square_new(factors[3]) {}
  template <typename Number>
  void move(Number gradient, Number* moment) const {
    moment[0] = moment[0] * mean_kept + gradient * mean_new;
    moment[1] = moment[1] * square_kept + gradient * square_new * gradient;
  }
};

struct Adam {
  static constexpr int moments = 2;
  float rate, factor, epsilon;
  Means means;
  Adam(const float* factors, bool) : rate(factors[0]), factor(factors[1]), epsilon(factors[6]), means(factors + 2) {}
  template <typename Number>
  void operator()(Number gradient, Number* moment, Number& value) const {
    means.move(gradient, moment);
    value = value - moment[0] * factor / (root(moment[1]) + epsilon) * rate;
  }
};

struct Adamw {
  static constexpr int moments = 2;
  float rate, mean_share, square_share, epsilon, decay;
  Means means;
  Adamw(const float* factors, bool matrix)
      : rate(factors[0]), mean_share(factors[1]), square_share(factors[2]), epsilon(factors[7]),
        decay(matrix ? factors[8] : 0), means(factors + 3) {}
  template <typename Number>
  void operator()(Number gradient, Number* moment, Number& value) const {
    means.move(gradient, moment);
    value = value - (moment[0] / mean_share / (root(moment[1] / square_share) + epsilon) + value * decay) * rate;
  }
};

struct Adagrad {
  static constexpr int moments = 1;
  float rate;
  Adagrad(const float* factors, bool) : rate(factors[0]) {}
  template <typename Number>
  void operator()(Number gradient, Number* moment, Number& value) const {
    moment[0] = moment[0] + gradient * gradient;
    value = value - gradient / root(moment[0]) * rate;
  }
};

template <bool centered>
struct Rmsprop {  // its moments: the mean where centered, the mean square, the step before
  static constexpr int moments = 2 + centered;
  float rate, momentum, kept, fresh, epsilon;
  Rmsprop(const float* factors, bool)
      : rate(factors[0]), momentum(factors[1]), kept(factors[2]), fresh(factors[3]), epsilon(factors[4]) {}
  template <typename Number>
  void operator()(Number gradient, Number* moment, Number& value) const {
    Number &square = moment[centered], &step = moment[centered + 1];
    square = square * kept + gradient * fresh * gradient;
    Number spread = square;
    if constexpr (centered) {
      moment[0] = moment[0] * kept + gradient * fresh;
      spread = square - moment[0] * moment[0];
    }
    step = step * momentum - gradient / root(spread + epsilon) * rate;
    value = value + step;
  }
};

template <int count>
struct Variable {
  float* moments[count + 1];  // the last one is the value
  const float* gradient;
  bool matrix;
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

using Factors = ffi::Buffer<ffi::F32>;

// Takes (0 or NaN where the step is not to be taken, the rule's factors), and of n variables each kind of moments, the
// values and the gradients, n each; gives moments and values, in their places, and whether the step was taken.
template <typename Rule>
ffi::Error step(ffi::ThreadPool pool, Factors given, ffi::RemainingArgs arrays, ffi::RemainingRets results) try {
  const float* factors = given.typed_data();
  constexpr int parts = Rule::moments + 1;
  const size_t count = arrays.size() / (parts + 1);
  std::vector<Variable<Rule::moments>> variables(count);
  std::vector<int64_t> sizes, ends;  // where the blocks of each variable end, if they were one
  int64_t blocks = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto at = [&](size_t part) { return arrays.get<ffi::Buffer<ffi::F32>>(part * count + i).value(); };
    for (int part = 0; part < parts; ++part) variables[i].moments[part] = at(part).typed_data();
    variables[i].gradient = at(parts).typed_data();
    variables[i].matrix = at(0).dimensions().size() > 1;
    sizes.push_back(static_cast<int64_t>(at(0).element_count()));
    ends.push_back(blocks += (sizes.back() + block - 1) / block);
  }
  const auto over_all = [&](const auto& work) {
    in_pieces(pool, ends, share, [&](size_t i, int64_t first, int64_t last) {
      const Rule rule(factors + 1, variables[i].matrix);
      work(variables[i], first * block, std::min(sizes[i], last * block), rule);
    });
  };
  std::atomic<bool> good{factors[0] == 0};
  if (good) over_all([&](const auto&... piece) { if (!finite(piece...)) good = false; });
  if (good) over_all([&](const auto&... piece) { take(piece...); });
  results.get<ffi::Buffer<ffi::PRED>>(parts * count).value()->typed_data()[0] = good;
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

// The same for a rule in two forms.
template <template <bool> class Rule>
ffi::Error step_of(ffi::ThreadPool pool, Factors given, ffi::RemainingArgs arrays, ffi::RemainingRets results,
                   int64_t form) {
  return (form ? step<Rule<true>> : step<Rule<false>>)(pool, given, arrays, results);
}

}  // namespace

#define SLIMTRAIN_STEP \
  ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Factors>().RemainingArgs().RemainingRets()
XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_sgd, step<Sgd>, SLIMTRAIN_STEP);
XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_momentum, step_of<Momentum>, SLIMTRAIN_STEP.Attr<int64_t>("nesterov"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_adam, step<Adam>, SLIMTRAIN_STEP);
XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_adamw, step<Adamw>, SLIMTRAIN_STEP);
XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_adagrad, step<Adagrad>, SLIMTRAIN_STEP);
XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_rmsprop, step_of<Rmsprop>, SLIMTRAIN_STEP.Attr<int64_t>("centered"));

}  // namespace slimtrain::steps
