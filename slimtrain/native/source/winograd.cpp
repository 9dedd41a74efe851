// Winograd's convolutions of stride 1, and their gradients by the inputs, which are such convolutions too.

#include "winograd.h"

#include <tuple>

#include "ending.h"

namespace slimtrain::winograd {
namespace {

namespace ffi = xla::ffi;

// B^T d at 0 and at infinity.
template <typename Get>
Vector at_end(const Get& d, int end) {
  return d(end) - (square(0) + square(1)) * d(end + 2) + d(end + 4);
}

// B^T d at p and at -p.
template <typename Get>
std::pair<Vector, Vector> at_pair(const Get& d, int pair) {
  const Vector even = d(4) - square(1 - pair) * d(2), odd = powers[pair][1] * (d(3) - square(1 - pair) * d(1));
  return {even + odd, even - odd};
}

// B^T of a row of a tile, to its planes.
void transform_row(const Vector* row, float* to, int64_t plane) {
  const auto d = [=](int i) { return row[i]; };
  store(to, at_end(d, 0));
#pragma GCC unroll 2
  for (int pair = 0; pair < 2; ++pair) {
    const auto [plus, minus] = at_pair(d, pair);
    store(to + (2 * pair + 1) * plane, plus), store(to + (2 * pair + 2) * plane, minus);
  }
  store(to + (side - 1) * plane, at_end(d, 1));
}

// B^T d B of one tile: rows of inputs, `channels` apart.
void transform_tile(const float* const* rows, int64_t channels, float* to, int64_t plane) {
  for (int64_t c = 0; c < channels; c += lanes) {
    const auto column = [=](int j) { return [=](int i) { return load(rows[i] + j * channels + c); }; };
    const auto line = [=](int i) { return to + side * i * plane + c; };
    Vector one[side], other[side];
    for (int end = 0; end < 2; ++end) {
#pragma GCC unroll 6
      for (int j = 0; j < side; ++j) one[j] = at_end(column(j), end);
      transform_row(one, line((side - 1) * end), plane);
    }
#pragma GCC unroll 2
    for (int pair = 0; pair < 2; ++pair) {
#pragma GCC unroll 6
      for (int j = 0; j < side; ++j) std::tie(one[j], other[j]) = at_pair(column(j), pair);
      transform_row(one, line(2 * pair + 1), plane), transform_row(other, line(2 * pair + 2), plane);
    }
  }
}

}  // namespace

void transform_inputs(const Plane& p, const Tiles& tiles, const float* x, int64_t first, int64_t last, float* to,
                      int64_t plane) {
  float* copy = floats(edge, (planes + p.width) * p.in);
  float* none = copy + planes * p.in;  // a row of no inputs, where one is read
  bool filled = false;
  in_runs(tiles, first, last, [&](const Run& run, int64_t tile) {
    const float* rows[side];
    for (int64_t i = 0; i < side; ++i) {
      const int64_t row = run.row - p.before_y + i;
      const bool there = row >= 0 && row < p.height;
      if (!there && !filled) std::fill_n(none, p.width * p.in, 0.0f), filled = true;
      rows[i] = there ? x + (run.example * p.height + row) * p.width * p.in : none;
    }
    for (int64_t i = 0; i < run.tiles; ++i) {
      const int64_t column = run.column - p.before_x + tiles.size * i;
      const int64_t begin = std::max<int64_t>(column, 0), end = std::min(column + side, p.width);
      const bool inside = end - begin == side;
      if (!inside) std::fill_n(copy, planes * p.in, 0.0f);
      const float* from[side];
      for (int64_t row = 0; row < side; ++row) {
        from[row] = inside ? rows[row] + column * p.in : copy + row * side * p.in;
        if (!inside && begin < end)
          std::copy(rows[row] + begin * p.in, rows[row] + end * p.in, copy + (row * side + begin - column) * p.in);
      }
      transform_tile(from, p.in, to + (tile - first + i) * tile_step(p.in), plane);
    }
  });
}

namespace {

// A convolution's weights; of a gradient by the inputs the kernel is turned round, and inputs are outputs.
struct Weights {
  const float* at;
  bool turned;
};

// The weights to a strip of outputs, [planes][in][width].
template <int Size>
void transform_weights(const Plane& p, const Weights& w, const Strip& strip, float* to) {
  for (int64_t c = 0; c < p.in; ++c)
    for (int64_t o = 0; o < strip.width; o += lanes) {
      const auto tap = [&](int i, int j) {
        const int number = Size * i + j;
        if (!w.turned) return load(w.at + (number * p.in + c) * p.out + strip.first + o);
        const float* from = w.at + ((Size * Size - 1 - number) * p.out + strip.first + o) * p.in + c;
        Vector taps;
        for (int lane = 0; lane < lanes; ++lane) taps[lane] = from[lane * p.in];
        return taps;
      };
      Vector half[side][Size];
      for (int j = 0; j < Size; ++j)
        to_points<Size, weighed>([&](int i) { return tap(i, j); }, [&](int i, Vector value) { half[i][j] = value; });
      for (int i = 0; i < side; ++i)
        to_points<Size, weighed>([&](int j) { return half[i][j]; }, [&](int j, Vector value) {
          store(to + ((side * i + j) * p.in + c) * strip.width + o, value);
        });
    }
}

struct Outputs {
  float* at;
  const Ending* ending;  // or none
};

// A^T m A of the products of tiles [first, last), [planes][tiles][width].
template <int Size>
void transform_back(const Plane& p, const Tiles& tiles, const float* products, int64_t plane, const Strip& strip,
                    int64_t first, int64_t last, const Outputs& y) {
  constexpr int size = tile_of_kernel(Size);
  in_runs(tiles, first, last, [&](const Run& run, int64_t tile) {
    const int64_t rows = std::min<int64_t>(size, p.rows - run.row);
    for (int64_t i = 0; i < run.tiles; ++i) {
      const int64_t column = run.column + size * i, columns = std::min<int64_t>(size, p.columns - column);
      const float* from = products + (tile - first + i) * strip.width;
      float* to = y.at + ((run.example * p.rows + run.row) * p.columns + column) * p.out + strip.first;
      for (int64_t o = 0; o < strip.width; o += lanes) {
        Vector half[size][side];
#pragma GCC unroll 6
        for (int j = 0; j < side; ++j)
          from_points<size, powers>([&](int row) { return load(from + (side * row + j) * plane + o); },
                                    [&](int row, Vector value) { half[row][j] = value; });
        for (int64_t row = 0; row < rows; ++row) {
          float* target = to + row * p.columns * p.out + o;
          from_points<size, powers>([&](int j) { return half[row][j]; }, [&](int j, Vector value) {
            if (j < columns) store(target + j * p.out, y.ending ? (*y.ending)(value, strip.first + o) : value);
          });
        }
      }
    }
  });
}

// A strip of the outputs of tiles [first, last), from transformed inputs and weights.
template <int Size>
void outputs_of(const Plane& p, const Tiles& tiles, const float* inputs, int64_t plane, const float* weights,
                const Strip& strip, int64_t first, int64_t last, const Outputs& y) {
  const int64_t count = last - first, step = tile_step(p.in);
  const int64_t made = count * strip.width + 16;
  float* products = floats(own_outputs, planes * made);
  for (int64_t i = 0; i < planes; ++i)
    for (int64_t group = 0, groups = (count + tall - 1) / tall; group < groups; ++group) {
      // `evenly` is 3% slower here.
      const int64_t from = begin_of(group, groups, count), height = begin_of(group + 1, groups, count) - from;
      tile_of<ProductsOf>(height, strip.pair())(inputs + i * plane + from * step, step,
                                                weights + i * p.in * strip.width, p.in,
                                                products + i * made + from * strip.width);
    }
  transform_back<Size>(p, tiles, products, made, strip, first, last, y);
}

// Threads take tiles, of all outputs.
template <int Size>
void by_tiles(const Plane& p, const Tiles& tiles, const float* x, const Weights& w, const Outputs& y,
              ffi::ThreadPool& pool) {
  const int64_t strips = Strip::count(p.out);
  const Lent weights(planes * p.in * p.out * sizeof(float));
  const auto of_strip = [&](const Strip& strip) { return weights.floats() + planes * p.in * strip.first; };
  in_parts(pool, strips, [&](int64_t part) {
    const Strip strip = Strip::of(part, p.out);
    transform_weights<Size>(p, w, strip, of_strip(strip));
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
      outputs_of<Size>(p, tiles, inputs, plane, of_strip(strip), strip, first, last, y);
    }
  });
}

// Threads take strips of the outputs, of all tiles: transformed weights never leave the cache.
template <int Size>
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
    transform_weights<Size>(p, w, strip, weights);
    for (int64_t first = 0; first < tiles.total; first += at_once) {
      const int64_t last = std::min(tiles.total, first + at_once);
      outputs_of<Size>(p, tiles, inputs + first * step, plane, weights, strip, first, last, y);
    }
  });
}

template <int Size>
void convolve(const Plane& p, int64_t batch, const float* x, const Weights& w, const Outputs& y,
              ffi::ThreadPool& pool) {
  const Tiles tiles(p, batch);
  const bool strips = p.out >= 2 * tiles.total && tiles.total <= shared_tiles(p.in);
  const bool enough = Strip::count(p.out) >= 2 * pool.num_threads();
  (strips && enough ? by_strips<Size> : by_tiles<Size>)(p, tiles, x, w, y, pool);
}

void convolve(const Plane& p, int64_t batch, const float* x, const Weights& w, const Outputs& y,
              ffi::ThreadPool& pool) {
  (p.kernel_height == 3 ? convolve<3> : convolve<5>)(p, batch, x, w, y, pool);
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

ffi::Error input_gradient(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> y, ffi::Buffer<ffi::F32> w,
                          ffi::ResultBuffer<ffi::F32> x, Ints stride, Ints rate, Ints before, Ints after,
                          int64_t groups) try {
  const Geometry g = Geometry::of(x->dimensions(), w.dimensions(), y.dimensions(), stride, rate, before, after, groups);
  if (!taken(g)) return refused();
  convolve(Plane(g.turned()), g.batch, y.typed_data(), {w.typed_data(), true}, {x->typed_data(), nullptr}, pool);
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

}  // namespace

SLIMTRAIN_CONVOLUTION(slimtrain_winograd_forward, forward);
SLIMTRAIN_CONVOLUTION(slimtrain_winograd_input_gradient, input_gradient);
SLIMTRAIN_CONVOLUTION_ENDED(slimtrain_winograd_ended, ended);

}  // namespace slimtrain::winograd
