// Products of matrices a tile at a time: its sums, `tall` rows of two vectors at most, stay in registers.
#pragma once

#include <utility>
#include <vector>

#include "vectors.h"

namespace slimtrain {

// Tall rows of Wide vectors of sums.
template <int Tall, int Wide>
struct RegisterTile {
  Vector sums[Tall][Wide] = {};

  // Adds the products of a column, `step` numbers from row to row, and Wide vectors.
  [[gnu::always_inline]] void add(const float* column, int64_t step, const float* vectors) {
    Vector right[Wide];
#pragma GCC unroll 2
    for (int j = 0; j < Wide; ++j) right[j] = load(vectors + j * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < Tall; ++i)
#pragma GCC unroll 2
      for (int j = 0; j < Wide; ++j) sums[i][j] += column[i * step] * right[j];
  }

  // Calls work(row, vector, sum) for all sums.
  template <typename Work>
  [[gnu::always_inline]] void each(const Work& work) const {
#pragma GCC unroll 16
    for (int i = 0; i < Tall; ++i)
#pragma GCC unroll 2
      for (int j = 0; j < Wide; ++j) work(i, j, sums[i][j]);
  }
};

// Products of Tall rows, `step` numbers apart, and a matrix [depth][Wide vectors].
template <int Tall, int Wide>
struct ProductsOf {
  static void run(const float* x, int64_t step, const float* w, int64_t depth, float* y) {
    RegisterTile<Tall, Wide> tile;
    for (int64_t i = 0; i < depth; ++i) tile.add(x + i, step, w + i * Wide * lanes);
    tile.each([=](int i, int j, Vector sum) { store(y + (i * Wide + j) * lanes, sum); });
  }
};

struct Kernel {  // how far taps are apart in a tile's inputs
  int64_t rows, row_step, groups, group_step, length;
};

// Tall pixels that are `step` numbers apart, Wide vectors; the weights are [rows][groups][length][Wide vectors].
template <int Tall, int Wide>
struct OutputsOf {
  static void run(const float* x, const float* w, const Kernel& kernel, int64_t step, float* y, int64_t out) {
    RegisterTile<Tall, Wide> tile;
    for (int64_t row = 0; row < kernel.rows; ++row)
      for (int64_t group = 0; group < kernel.groups; ++group) {
        const float* a = x + row * kernel.row_step + group * kernel.group_step;
        for (int64_t i = 0; i < kernel.length; ++i, w += Wide * lanes) tile.add(a + i, step, w);
      }
    tile.each([=](int i, int j, Vector sum) { store(y + i * out + j * lanes, sum); });
  }
};

struct Walk {  // over pixels: where each row of inputs starts, how far its pixels are apart
  const std::vector<int64_t>& starts;
  int64_t columns, step;
  bool first;  // of those whose products are added up
};

// Adds to a tile of a gradient, [Tall rows of `out`][Wide vectors], or begins it; the pixels of y are `width` apart.
template <int Tall, int Wide>
struct AddProducts {
  static void run(const float* x, const float* y, const Walk& walk, int64_t width, float* sums, int64_t out) {
    RegisterTile<Tall, Wide> tile;
    for (const int64_t start : walk.starts) {
      const float* a = x + start;
      for (int64_t column = 0; column < walk.columns; ++column, a += walk.step, y += width) tile.add(a, 1, y);
    }
    tile.each([&](int i, int j, Vector added) {
      float* sum = sums + i * out + j * lanes;
      store(sum, walk.first ? added : load(sum) + added);  // sums of sums round less than one long one
    });
  }
};

// Tile<height, 2>::run where `pair`, else Tile<height, 1>::run; `height` is 1 to `tall`.
template <template <int, int> class Tile, int... Less>
auto tile_among(int64_t height, bool pair, std::integer_sequence<int, Less...>) {
  static constexpr decltype(&Tile<1, 1>::run) single[] = {Tile<Less + 1, 1>::run...};
  static constexpr decltype(&Tile<1, 1>::run) paired[] = {Tile<Less + 1, 2>::run...};
  return (pair ? paired : single)[height - 1];
}

template <template <int, int> class Tile>
auto tile_of(int64_t height, bool pair) {
  return tile_among<Tile>(height, pair, std::make_integer_sequence<int, tall>());
}

}  // namespace slimtrain
