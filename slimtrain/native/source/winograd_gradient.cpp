// The gradient of Winograd's convolutions by their weights: G^T (sum over tiles of B^T d B and A dy A^T) G, the sums in
// planes of [in, out].

#include "winograd.h"

namespace slimtrain::winograd_gradient {
namespace {

namespace ffi = xla::ffi;
using namespace winograd;

// A dy A^T of the outputs' gradient of tiles [first, last), [planes][tiles][channels].
template <int Size>
void transform_outputs(const Plane& p, const Tiles& tiles, const float* y, int64_t first, int64_t last, float* to,
                       int64_t plane) {
  constexpr int size = tile_of_kernel(Size);
  in_runs(tiles, first, last, [&](const Run& run, int64_t tile) {
    const int64_t rows = std::min<int64_t>(size, p.rows - run.row);
    for (int64_t i = 0; i < run.tiles; ++i) {
      const int64_t column = run.column + size * i, columns = std::min<int64_t>(size, p.columns - column);
      const float* from = y + ((run.example * p.rows + run.row) * p.columns + column) * p.out;
      float* target = to + (tile - first + i) * tile_step(p.out);
      for (int64_t o = 0; o < p.out; o += lanes) {
        Vector half[side][size];
#pragma GCC unroll 4
        for (int j = 0; j < size; ++j)
          to_points<size, powers>(
              [&](int i) { return i < rows && j < columns ? load(from + (i * p.columns + j) * p.out + o) : Vector{}; },
              [&](int i, Vector value) { half[i][j] = value; });
        for (int row = 0; row < side; ++row)
          to_points<size, powers>([&](int j) { return half[row][j]; }, [&](int column, Vector value) {
            store(target + (side * row + column) * plane + o, value);
          });
      }
    }
  });
}

struct Transformed {  // tiles of inputs, or of the outputs' gradient
  float* at;
  int64_t step, plane;
};

// What the transforms of some tiles take.
int64_t size_of(int64_t tiles, int64_t channels) { return planes * plane_step(tiles, channels); }

Transformed transformed(float* at, int64_t tiles, int64_t channels) {
  return {at, tile_step(channels), plane_step(tiles, channels)};
}

struct Sums {  // of a strip, [planes][in], rows `step` numbers apart
  float* at;
  int64_t step;
};

void add(const Plane& p, const Transformed& x, const Transformed& y, int64_t tiles, bool first, const Strip& strip,
         const Sums& sums) {
  static const std::vector<int64_t> once = {0};
  const Walk walk = {once, tiles, x.step, first};
  for (int64_t plane = 0; plane < planes; ++plane)
    evenly(p.in, tall, [&](int64_t from, int64_t height) {
      tile_of<AddProducts>(height, strip.pair())(x.at + plane * x.plane + from, y.at + plane * y.plane + strip.first,
                                                 walk, y.step, sums.at + (plane * p.in + from) * sums.step, sums.step);
    });
}

// G^T s G of a strip's sums for inputs [from, to).
template <int Size>
void transform_back(const Plane& p, const Sums& sums, const Strip& strip, int64_t from, int64_t to, float* w) {
  for (int64_t c = from; c < to; ++c)
    for (int64_t o = 0; o < strip.width; o += lanes) {
      Vector half[Size][side];
      for (int j = 0; j < side; ++j)
        from_points<Size, weighed>([&](int i) { return load(sums.at + ((side * i + j) * p.in + c) * sums.step + o); },
                                   [&](int i, Vector value) { half[i][j] = value; });
      for (int i = 0; i < Size; ++i)
        from_points<Size, weighed>([&](int j) { return half[i][j]; }, [&](int j, Vector value) {
          store(w + ((Size * i + j) * p.in + c) * p.out + strip.first + o, value);
        });
    }
}

// Threads take tiles, and each has sums of its own.
template <int Size>
void by_tiles(const Plane& p, const Tiles& tiles, const float* x, const float* y, float* w, ffi::ThreadPool& pool) {
  const int64_t size = planes * p.in * p.out, strips = Strip::count(p.out);
  const Lent total(size * sizeof(float));
  float* sums = total.floats();
  sum_over(pool, tiles.total, size, sums, [&](int64_t from, int64_t count, float* own) {
    float* inputs_at = floats(own_inputs, size_of(at_once, p.in));
    float* outputs_at = floats(own_outputs, size_of(at_once, p.out));
    for (int64_t first = from; first < from + count; first += at_once) {
      const int64_t last = std::min(from + count, first + at_once);
      const Transformed inputs = transformed(inputs_at, last - first, p.in);
      const Transformed outputs = transformed(outputs_at, last - first, p.out);
      transform_inputs(p, tiles, x, first, last, inputs.at, inputs.plane);
      transform_outputs<Size>(p, tiles, y, first, last, outputs.at, outputs.plane);
      for (int64_t i = 0; i < strips; ++i) {
        const Strip strip = Strip::of(i, p.out);
        add(p, inputs, outputs, last - first, first == from, strip, {own + strip.first, p.out});
      }
    }
  });
  const int64_t parts = parts_of(pool, p.in);
  in_parts(pool, parts, [&](int64_t part) {
    for (int64_t i = 0; i < strips; ++i) {
      const Strip strip = Strip::of(i, p.out);
      const int64_t from = begin_of(part, parts, p.in), to = begin_of(part + 1, parts, p.in);
      transform_back<Size>(p, {sums + strip.first, p.out}, strip, from, to, w);
    }
  });
}

// Threads take strips of the outputs, of all tiles at once: each sum is written once, where it belongs.
template <int Size>
void by_strips(const Plane& p, const Tiles& tiles, const float* x, const float* y, float* w, ffi::ThreadPool& pool) {
  const int64_t rounds = (tiles.total - 1) / shared_tiles(p.in + p.out) + 1;
  const int64_t most = (tiles.total - 1) / rounds + 1;
  const Lent all(rounds == 1 ? 0 : planes * p.in * p.out * sizeof(float));
  const Lent inputs_at(size_of(most, p.in) * sizeof(float));
  const Lent outputs_at(size_of(most, p.out) * sizeof(float));
  for (int64_t round = 0; round < rounds; ++round) {
    const int64_t begin = begin_of(round, rounds, tiles.total);
    const int64_t count = begin_of(round + 1, rounds, tiles.total) - begin;
    const Transformed inputs = transformed(inputs_at.floats(), count, p.in);
    const Transformed outputs = transformed(outputs_at.floats(), count, p.out);
    in_parts(pool, (count + tall - 1) / tall, [&](int64_t part) {
      const int64_t skipped = part * tall, first = begin + skipped, last = begin + std::min(count, skipped + tall);
      transform_inputs(p, tiles, x, first, last, inputs.at + skipped * inputs.step, inputs.plane);
      transform_outputs<Size>(p, tiles, y, first, last, outputs.at + skipped * outputs.step, outputs.plane);
    });
    in_parts(pool, Strip::count(p.out), [&](int64_t part) {
      const Strip strip = Strip::of(part, p.out);
      const int64_t size = planes * p.in;
      float* sums = rounds == 1 ? floats(own_weights, size * strip.width) : all.floats() + size * strip.first;
      const Sums mine = {sums, strip.width};
      add(p, inputs, outputs, count, round == 0, strip, mine);
      if (round + 1 == rounds) transform_back<Size>(p, mine, strip, 0, p.in, w);
    });
  }
}

template <int Size>
void to_weights(const Plane& p, int64_t batch, const float* x, const float* y, float* w, ffi::ThreadPool& pool) {
  const Tiles tiles(p, batch);
  const bool many = p.in * p.out >= 64 * tiles.total && Strip::count(p.out) >= 2 * pool.num_threads();
  if (tiles.total == 0) std::fill_n(w, Size * Size * p.in * p.out, 0.0f);
  else (many ? by_strips<Size> : by_tiles<Size>)(p, tiles, x, y, w, pool);
}

ffi::Error weights_gradient(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> x, ffi::Buffer<ffi::F32> y,
                            ffi::ResultBuffer<ffi::F32> w, Ints stride, Ints rate, Ints before, Ints after,
                            int64_t groups) try {
  const Geometry g = Geometry::of(x.dimensions(), w->dimensions(), y.dimensions(), stride, rate, before, after, groups);
  if (!taken(g)) return refused();
  (g.kernel[0] == 3 ? to_weights<3> : to_weights<5>)(Plane(g), g.batch, x.typed_data(), y.typed_data(),
                                                     w->typed_data(), pool);
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

}  // namespace

SLIMTRAIN_CONVOLUTION(slimtrain_winograd_weights_gradient, weights_gradient);

}  // namespace slimtrain::winograd_gradient
