// Winograd's convolutions of stride 1, and their gradients by the inputs, which are such convolutions too.

#include "winograd.h"

#include "ending.h"

namespace slimtrain::winograd {
namespace {

namespace ffi = xla::ffi;

// B^T d B of one tile: four rows of inputs, `channels` apart.
void transform_tile(const float* const (&rows)[4], int64_t channels, float* to, int64_t plane) {
  const float *first = rows[0], *second = rows[1], *third = rows[2], *fourth = rows[3];
  for (int64_t c = 0; c < channels; c += lanes) {
    const auto at = [&](const float* row, int column) { return load(row + column * channels + c); };
    float* target = to + c;
    const auto line = [&](Vector a, Vector b, Vector d, Vector e) {
      store(target, a - d), store(target + plane, b + d), store(target + 2 * plane, d - b);
      store(target + 3 * plane, b - e);
      target += 4 * plane;
    };
    const auto less = [&](const float* a, const float* b) {
      line(at(a, 0) - at(b, 0), at(a, 1) - at(b, 1), at(a, 2) - at(b, 2), at(a, 3) - at(b, 3));
    };
    less(first, third);
    line(at(second, 0) + at(third, 0), at(second, 1) + at(third, 1), at(second, 2) + at(third, 2),
         at(second, 3) + at(third, 3));
    less(third, second), less(second, fourth);
  }
}

}  // namespace

void transform_inputs(const Plane& p, const Tiles& tiles, const float* x, int64_t first, int64_t last, float* to,
                      int64_t plane) {
  float* none = floats(edge, (p.width + 16) * p.in);  // a row of no inputs
  float* copy = none + p.width * p.in;
  std::fill_n(none, p.width * p.in, 0.0f);
  in_runs(tiles, first, last, [&](const Run& run, int64_t tile) {
    const float* rows[4];
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t row = run.row - p.before_y + i;
      rows[i] = row < 0 || row >= p.height ? none : x + (run.example * p.height + row) * p.width * p.in;
    }
    for (int64_t i = 0; i < run.tiles; ++i) {
      const int64_t column = run.column - p.before_x + 2 * i, at = column * p.in;
      float* target = to + (tile - first + i) * tile_step(p.in);
      if (column >= 0 && column + 4 <= p.width) {
        transform_tile({rows[0] + at, rows[1] + at, rows[2] + at, rows[3] + at}, p.in, target, plane);
        continue;
      }
      const int64_t begin = std::max<int64_t>(column, 0), end = std::min(column + 4, p.width);
      std::fill_n(copy, 16 * p.in, 0.0f);
      for (int64_t row = 0; row < 4 && begin < end; ++row)
        std::copy(rows[row] + begin * p.in, rows[row] + end * p.in, copy + (4 * row + begin - column) * p.in);
      transform_tile({copy, copy + 4 * p.in, copy + 8 * p.in, copy + 12 * p.in}, p.in, target, plane);
    }
  });
}

namespace {

// G g G^T: tap(row, column) gives g, put(plane, value) takes what comes out.
template <typename Tap, typename Put>
void transform_kernel(const Tap& tap, const Put& put) {
  const auto spread = [](Vector a, Vector b, Vector c, const auto& to) {
    const Vector ends = 0.5f * (a + c), middle = 0.5f * b;
    to(0, a), to(1, ends + middle), to(2, ends - middle), to(3, c);
  };
  Vector half[4][3];
  for (int j = 0; j < 3; ++j) spread(tap(0, j), tap(1, j), tap(2, j), [&](int i, Vector value) { half[i][j] = value; });
  for (int i = 0; i < 4; ++i)
    spread(half[i][0], half[i][1], half[i][2], [&](int j, Vector value) { put(4 * i + j, value); });
}

// A convolution's weights; of a gradient by the inputs the kernel is turned round, and inputs are outputs.
struct Weights {
  const float* at;
  bool turned;
};

// The weights to a strip of outputs, [16][in][width].
void transform_weights(const Plane& p, const Weights& w, const Strip& strip, float* to) {
  for (int64_t c = 0; c < p.in; ++c)
    for (int64_t o = 0; o < strip.width; o += lanes) {
      const auto tap = [&](int i, int j) {
        if (!w.turned) return load(w.at + ((3 * i + j) * p.in + c) * p.out + strip.first + o);
        const float* from = w.at + ((8 - 3 * i - j) * p.out + strip.first + o) * p.in + c;
        Vector taps;
        for (int lane = 0; lane < lanes; ++lane) taps[lane] = from[lane * p.in];
        return taps;
      };
      transform_kernel(tap, [&](int plane, Vector value) { store(to + (plane * p.in + c) * strip.width + o, value); });
    }
}

// Products of Tall tiles, `step` numbers apart, and weights [depth][Wide vectors].
template <int Tall, int Wide>
struct ProductsOf {
  static void run(const float* v, int64_t step, const float* u, int64_t depth, float* to) {
    Vector total[Tall][Wide] = {};
    for (int64_t i = 0; i < depth; ++i, ++v, u += Wide * lanes) {
      Vector right[Wide];
#pragma GCC unroll 2
      for (int j = 0; j < Wide; ++j) right[j] = load(u + j * lanes);
#pragma GCC unroll 16
      for (int p = 0; p < Tall; ++p)
#pragma GCC unroll 2
        for (int j = 0; j < Wide; ++j) total[p][j] += v[p * step] * right[j];
    }
#pragma GCC unroll 16
    for (int p = 0; p < Tall; ++p)
#pragma GCC unroll 2
      for (int j = 0; j < Wide; ++j) store(to + (p * Wide + j) * lanes, total[p][j]);
  }
};

struct Outputs {
  float* at;
  const Ending* ending;  // or none
};

// A^T m A of the products of tiles [first, last), [16][tiles][width].
void transform_back(const Plane& p, const Tiles& tiles, const float* products, int64_t plane, const Strip& strip,
                    int64_t first, int64_t last, const Outputs& y) {
  in_runs(tiles, first, last, [&](const Run& run, int64_t tile) {
    for (int64_t o = 0; o < strip.width; o += lanes) {
      const auto put = [&](float* to, Vector value) {
        store(to, y.ending ? (*y.ending)(value, strip.first + o) : value);
      };
      const float* from = products + (tile - first) * strip.width + o;
      float* to = y.at + ((run.example * p.rows + run.row) * p.columns + run.column) * p.out + strip.first + o;
      for (int64_t i = 0; i < run.tiles; ++i, from += strip.width, to += 2 * p.out) {
        Vector upper[4], lower[4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
          const auto m = [&](int row) { return load(from + (4 * row + j) * plane); };
          upper[j] = m(0) + m(1) + m(2), lower[j] = m(1) - m(2) - m(3);
        }
        const bool beside = run.column + 2 * i + 1 < p.columns;
        put(to, upper[0] + upper[1] + upper[2]);
        if (beside) put(to + p.out, upper[1] - upper[2] - upper[3]);
        if (run.row + 1 == p.rows) continue;
        put(to + p.columns * p.out, lower[0] + lower[1] + lower[2]);
        if (beside) put(to + (p.columns + 1) * p.out, lower[1] - lower[2] - lower[3]);
      }
    }
  });
}

// A strip of the outputs of tiles [first, last), from transformed inputs and weights.
void outputs_of(const Plane& p, const Tiles& tiles, const float* inputs, int64_t plane, const float* weights,
                const Strip& strip, int64_t first, int64_t last, const Outputs& y) {
  const int64_t count = last - first, groups = (count + tall - 1) / tall, step = tile_step(p.in);
  const int64_t made = count * strip.width + 16;
  float* products = floats(own_outputs, planes * made);
  for (int64_t i = 0; i < planes; ++i)
    for (int64_t group = 0; group < groups; ++group) {  // of even heights: a small last one would waste registers
      const int64_t from = begin_of(group, groups, count), height = begin_of(group + 1, groups, count) - from;
      tile_of<ProductsOf>(height, strip.pair())(inputs + i * plane + from * step, step,
                                                weights + i * p.in * strip.width, p.in,
                                                products + i * made + from * strip.width);
    }
  transform_back(p, tiles, products, made, strip, first, last, y);
}

// Threads take tiles, of all outputs.
void by_tiles(const Plane& p, const Tiles& tiles, const float* x, const Weights& w, const Outputs& y,
              ffi::ThreadPool& pool) {
  const int64_t strips = Strip::count(p.out);
  const Lent weights(planes * p.in * p.out * sizeof(float));
  const auto of_strip = [&](const Strip& strip) { return weights.floats() + planes * p.in * strip.first; };
  in_parts(pool, strips, [&](int64_t part) {
    const Strip strip = Strip::of(part, p.out);
    transform_weights(p, w, strip, of_strip(strip));
  });
  const int64_t fewest = (tiles.total + at_once - 1) / at_once;
  const int64_t blocks = std::max(fewest, parts_of(pool, (tiles.total + tall - 1) / tall));
  in_parts(pool, blocks, [&](int64_t block) {
    const int64_t first = begin_of(block, blocks, tiles.total), last = begin_of(block + 1, blocks, tiles.total);
    const int64_t plane = plane_step(last - first, p.in);
    float* inputs = floats(own_inputs, planes * plane);
    transform_inputs(p, tiles, x, first, last, inputs, plane);
    for (int64_t i = 0; i < strips; ++i) {
      const Strip strip = Strip::of(i, p.out);
      outputs_of(p, tiles, inputs, plane, of_strip(strip), strip, first, last, y);
    }
  });
}

// Threads take strips of the outputs, of all tiles: transformed weights never leave the cache.
void by_strips(const Plane& p, const Tiles& tiles, const float* x, const Weights& w, const Outputs& y,
               ffi::ThreadPool& pool) {
  const int64_t plane = plane_step(tiles.total, p.in), step = tile_step(p.in);
  const Lent transformed(planes * plane * sizeof(float));
  float* inputs = transformed.floats();
  in_parts(pool, (tiles.total + tall - 1) / tall, [&](int64_t part) {
    const int64_t first = part * tall, last = std::min(tiles.total, first + tall);
    transform_inputs(p, tiles, x, first, last, inputs + first * step, plane);
  });
  in_parts(pool, Strip::count(p.out), [&](int64_t part) {
    const Strip strip = Strip::of(part, p.out);
    float* weights = floats(own_weights, planes * p.in * strip.width);
    transform_weights(p, w, strip, weights);
    for (int64_t first = 0; first < tiles.total; first += at_once)
      outputs_of(p, tiles, inputs + first * step, plane, weights, strip, first,
                 std::min(tiles.total, first + at_once), y);
  });
}

void convolve(const Plane& p, int64_t batch, const float* x, const Weights& w, const Outputs& y,
              ffi::ThreadPool& pool) {
  const Tiles tiles(p, batch);
  const bool strips = p.out >= 2 * tiles.total && tiles.total <= shared_tiles(p.in);
  (strips && Strip::count(p.out) >= 2 * pool.num_threads() ? by_strips : by_tiles)(p, tiles, x, w, y, pool);
}

ffi::Error forward(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> x, ffi::Buffer<ffi::F32> w,
                   ffi::ResultBuffer<ffi::F32> y, Ints stride, Ints rate, Ints before, Ints after, int64_t groups) try {
  const Geometry g = Geometry::of(x.dimensions(), w.dimensions(), y->dimensions(), stride, rate, before, after, groups);
  if (!taken(g)) return refused();
  convolve(Plane(g), g.batch, x.typed_data(), {w.typed_data(), false}, {y->typed_data(), nullptr}, pool);
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

ffi::Error ended(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> x, ffi::Buffer<ffi::F32> w, ffi::Buffer<ffi::F32> biases,
                 ffi::ResultBuffer<ffi::F32> y, Ints stride, Ints rate, Ints before, Ints after, int64_t groups,
                 float low, float high) try {
  const Geometry g = Geometry::of(x.dimensions(), w.dimensions(), y->dimensions(), stride, rate, before, after, groups);
  if (!taken(g)) return refused();
  const Ending ending = {biases.typed_data(), low, high};
  convolve(Plane(g), g.batch, x.typed_data(), {w.typed_data(), false}, {y->typed_data(), &ending}, pool);
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

// A convolution of the outputs' gradient, padded so that each input meets all of the kernel.
ffi::Error input_gradient(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> y, ffi::Buffer<ffi::F32> w,
                          ffi::ResultBuffer<ffi::F32> x, Ints stride, Ints rate, Ints before, Ints after,
                          int64_t groups) try {
  Geometry g = Geometry::of(x->dimensions(), w.dimensions(), y.dimensions(), stride, rate, before, after, groups);
  if (!taken(g)) return refused();
  std::swap(g.in, g.out);
  std::swap(g.inputs, g.outputs);
  for (int64_t& before_axis : g.before) before_axis = 2 - before_axis;
  convolve(Plane(g), g.batch, y.typed_data(), {w.typed_data(), true}, {x->typed_data(), nullptr}, pool);
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

}  // namespace

SLIMTRAIN_CONVOLUTION(slimtrain_winograd_forward, forward);
SLIMTRAIN_CONVOLUTION(slimtrain_winograd_input_gradient, input_gradient);
SLIMTRAIN_CONVOLUTION_ENDED(slimtrain_winograd_ended, ended);

}  // namespace slimtrain::winograd
