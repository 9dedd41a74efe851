// Convolutions and their two gradients by oneDNN. A primitive runs on one thread; a batch is shared out among XLA's.

#include <omp.h>

#include <algorithm>
#include <mutex>
#include <numeric>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "ending.h"
#include "geometry.h"
#include "parts.h"

namespace slimtrain::onednn {
namespace {

namespace ffi = xla::ffi;
using dnnl::memory;
using Dims = memory::dims;

enum class Kind : char { forward, input_gradient, weights_gradient };

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::stream& stream() {
  static thread_local dnnl::stream one = (omp_set_num_threads(1), dnnl::stream(engine()));
  return one;
}

// [batch, channels, *space] as oneDNN names it, laid out channels last.
memory::desc values_of(int64_t batch, int64_t channels, const Sizes& space) {
  Dims dims = {batch, channels}, strides = {0, 1};
  dims.insert(dims.end(), space.begin(), space.end());
  strides.resize(dims.size());
  int64_t step = channels;
  for (size_t axis = dims.size() - 1; axis >= 2; --axis) {
    strides[axis] = step;
    step *= dims[axis];
  }
  strides[0] = step;
  return {dims, memory::data_type::f32, strides};
}

// [groups, out / groups, in / groups, *size] as oneDNN names it; without the groups where there is one.
Dims weights_dims(const Geometry& g) {
  Dims dims = {g.out / g.groups, g.in / g.groups};
  if (g.groups > 1) dims.insert(dims.begin(), g.groups);
  dims.insert(dims.end(), g.kernel.begin(), g.kernel.end());
  return dims;
}

// The same, laid out [*size, in / groups, groups, out / groups].
memory::desc weights_of(const Geometry& g) {
  Dims dims = weights_dims(g), strides = {1, g.out};
  if (g.groups > 1) strides.insert(strides.begin(), g.out / g.groups);
  strides.resize(dims.size());
  int64_t step = g.out * (g.in / g.groups);
  for (size_t axis = dims.size() - 1; axis >= dims.size() - g.kernel.size(); --axis) {
    strides[axis] = step;
    step *= dims[axis];
  }
  return {dims, memory::data_type::f32, strides};
}

struct Made {
  dnnl::primitive run;
  memory::desc inputs, weights, outputs, scratch;
};

Made make(Kind kind, const Geometry& g) {
  omp_set_num_threads(1);  // chosen for the one thread that it will run on
  const memory::desc x = values_of(g.batch, g.in, g.inputs), y = values_of(g.batch, g.out, g.outputs);
  const memory::desc w(weights_dims(g), memory::data_type::f32, memory::format_tag::any);
  Dims gaps = g.rate;
  for (int64_t& gap : gaps) gap -= 1;
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const auto direct = dnnl::algorithm::convolution_direct;
  const dnnl::convolution_forward::primitive_desc forward(engine(), dnnl::prop_kind::forward_training, direct, x, w, y,
                                                          g.stride, gaps, g.before, g.after, attributes);
  if (kind == Kind::forward)
    return {dnnl::convolution_forward(forward), x, forward.weights_desc(), y, forward.scratchpad_desc()};
  if (kind == Kind::input_gradient) {
    const dnnl::convolution_backward_data::primitive_desc back(engine(), direct, x, w, y, g.stride, gaps, g.before,
                                                               g.after, forward, attributes);
    return {dnnl::convolution_backward_data(back), x, back.weights_desc(), y, back.scratchpad_desc()};
  }
  const dnnl::convolution_backward_weights::primitive_desc back(engine(), direct, x, w, y, g.stride, gaps, g.before,
                                                                g.after, forward, attributes);
  return {dnnl::convolution_backward_weights(back), x, back.diff_weights_desc(), y, back.scratchpad_desc()};
}

const Made& made(Kind kind, const Geometry& g) {
  static std::mutex mutex;
  static std::unordered_map<std::string, Made> known;
  const std::string key = std::string(1, static_cast<char>(kind)) + g.key();
  std::lock_guard<std::mutex> lock(mutex);
  auto found = known.find(key);
  if (found == known.end()) found = known.emplace(key, make(kind, g)).first;
  return found->second;
}

constexpr int64_t share = 16384;  // weights below which a second thread gains nothing

struct Weights {  // in some layout
  memory::desc layout;
  void* at;
};

// Writes weights in another layout, or adds them to what is there.
void reorder(const Weights& from, const Weights& to, bool add = false) {
  memory source(from.layout, engine(), from.at), target(to.layout, engine(), to.at);
  dnnl::primitive_attr attributes;
  dnnl::post_ops sum;
  if (add) sum.append_sum();
  attributes.set_post_ops(sum);
  dnnl::reorder(source, target, attributes).execute(stream(), source, target);
}

// How many along the first axis lie together in a layout.
int64_t together(const memory::desc& layout) {
  const Dims axes = layout.get_inner_idxs(), sizes = layout.get_inner_blks();
  int64_t product = 1;
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i] == 0) product *= sizes[i];
  return product;
}

// The sum of weights in another layout, shared out among threads along their first axis.
void reorder_sum(ffi::ThreadPool& pool, const std::vector<Weights>& all, const Weights& to) {
  int64_t block = together(to.layout);
  for (const Weights& one : all) block = std::lcm(block, together(one.layout));
  const Dims dims = to.layout.get_dims();
  const int64_t blocks = (dims[0] + block - 1) / block, size = Geometry::product(dims);
  const int64_t parts = std::clamp<int64_t>(size / share, 1, std::min<int64_t>(pool.num_threads(), blocks));
  in_parts(pool, parts, [&](int64_t part) {
    Dims length = dims, start(dims.size(), 0);
    start[0] = begin_of(part, parts, blocks) * block;
    length[0] = std::min(dims[0], begin_of(part + 1, parts, blocks) * block) - start[0];
    const auto of = [&](const Weights& whole) { return Weights{whole.layout.submemory_desc(length, start), whole.at}; };
    for (const Weights& one : all) reorder(of(one), of(to), &one != &all[0]);
  });
}

enum Buffer { own_weights, scratchpad };

void run(Kind kind, const Made& one, float* x, void* w, float* y) {
  const bool onward = kind == Kind::forward, to_weights = kind == Kind::weights_gradient;
  memory inputs(one.inputs, engine(), x), weights(one.weights, engine(), w), outputs(one.outputs, engine(), y);
  memory scratch(one.scratch, engine(), kept(scratchpad, one.scratch.get_size()));
  one.run.execute(stream(), {{kind == Kind::input_gradient ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, inputs},
                             {to_weights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, weights},
                             {onward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, outputs},
                             {DNNL_ARG_SCRATCHPAD, scratch}});
}

// A part of a convolution that one thread computes: some examples, or some rows of one.
struct Piece {
  Geometry g;
  int64_t x, y;  // where its inputs and outputs begin
};

Piece examples_of(const Geometry& g, int64_t from, int64_t to) {
  Piece piece = {g, from * g.input_size(), from * g.output_size()};
  piece.g.batch = to - from;
  return piece;
}

// Of an example the output rows [from, to) with the inputs that they read; of no examples where those are padding only.
Piece output_rows(const Geometry& g, int64_t example, int64_t from, int64_t to) {
  Piece piece = examples_of(g, example, example + 1);
  const int64_t begin = from * g.stride[0] - g.before[0], end = (to - 1) * g.stride[0] - g.before[0] + g.reach(0);
  const int64_t first = std::max<int64_t>(0, begin), last = std::min(g.inputs[0], end);
  piece.g.inputs[0] = last - first, piece.g.outputs[0] = to - from;
  piece.g.before[0] = first - begin, piece.g.after[0] = std::max<int64_t>(0, end - last);
  piece.x += first * (g.input_size() / g.inputs[0]), piece.y += from * (g.output_size() / g.outputs[0]);
  if (first >= last) piece.g.batch = 0;
  return piece;
}

// Of an example the input rows [from, to) with the outputs that read them; of no examples where none do.
Piece input_rows(const Geometry& g, int64_t example, int64_t from, int64_t to) {
  Piece piece = examples_of(g, example, example + 1);
  const int64_t begin = from + g.before[0], end = to + g.before[0], stride = g.stride[0];
  const int64_t least = std::max<int64_t>(0, begin - g.reach(0) + stride) / stride;
  const int64_t first = std::min(least, begin / stride), last = std::min(g.outputs[0], (end - 1) / stride + 1);
  piece.g.inputs[0] = to - from, piece.g.outputs[0] = last - first;
  piece.g.before[0] = begin - first * stride;
  piece.g.after[0] = std::max<int64_t>(0, (last - 1) * stride + g.reach(0) - end);
  piece.x += from * (g.input_size() / g.inputs[0]), piece.y += first * (g.output_size() / g.outputs[0]);
  if (first >= last) piece.g.batch = 0;
  return piece;
}

// What a convolution is shared out in: `parts` groups of examples; where these are fewer than threads, rows of each.
std::vector<Piece> pieces_of(Kind kind, const Geometry& g, int64_t parts, const ffi::ThreadPool& pool) {
  std::vector<Piece> pieces;
  const int64_t rows = kind == Kind::input_gradient ? g.inputs[0] : g.outputs[0];
  constexpr int64_t most = 1 << 23;  // weights that gradients of all pieces may have
  int64_t bands = bands_of(pool, g.batch, rows);
  if (kind == Kind::weights_gradient)
    bands = std::min(bands, most / std::max<int64_t>(1, g.batch * g.weights_size()));
  if (bands > 1) {
    const auto of = kind == Kind::input_gradient ? input_rows : output_rows;
    for (int64_t i = 0; i < g.batch * bands; ++i)
      pieces.push_back(of(g, i / bands, begin_of(i % bands, bands, rows), begin_of(i % bands + 1, bands, rows)));
    if (std::all_of(pieces.begin(), pieces.end(), [](const Piece& piece) { return piece.g.batch == 1; })) return pieces;
    pieces.clear();
  }
  for (int64_t part = 0; part < parts; ++part)
    pieces.push_back(examples_of(g, begin_of(part, parts, g.batch), begin_of(part + 1, parts, g.batch)));
  return pieces;
}

// The outputs from the weights, or the gradient of the inputs.
void through(Kind kind, const Geometry& g, float* x, float* w, float* y, ffi::ThreadPool& pool,
             const Ending* ending = nullptr) {
  constexpr int64_t near = 131072;  // outputs that stay in the cache
  const int64_t threads = parts_of(pool, g.batch), examples = std::max<int64_t>(1, near / g.output_size());
  const int64_t parts = ending ? std::max(threads, g.batch / examples) : threads;
  const std::vector<Piece> pieces = pieces_of(kind, g, parts, pool);
  stream();
  const Made& first = made(kind, pieces[0].g);
  const memory::desc given = weights_of(g);
  const bool same = first.weights == given;
  const Lent ordered(same ? 0 : first.weights.get_size());
  void* weights = same ? w : ordered.at;
  if (!same) reorder_sum(pool, {{given, w}}, {first.weights, weights});
  in_parts(pool, pieces.size(), [&](int64_t part) {
    stream();
    const Piece& piece = pieces[part];
    const Made& one = made(kind, piece.g);
    void* mine = weights;
    if (one.weights != first.weights) {  // a part of another size may want another layout
      mine = kept(own_weights, one.weights.get_size());
      reorder({given, w}, {one.weights, mine});
    }
    run(kind, one, x + piece.x, mine, y + piece.y);
    if (ending) (*ending)(y + piece.y, piece.g.batch * piece.g.output_size(), g.out);
  });
}

void to_weights(const Geometry& g, float* x, float* w, float* y, ffi::ThreadPool& pool) {
  const Kind kind = Kind::weights_gradient;
  const std::vector<Piece> pieces = pieces_of(kind, g, parts_of(pool, g.batch), pool);
  std::vector<const Made*> ways;
  for (const Piece& piece : pieces) ways.push_back(&made(kind, piece.g));
  const memory::desc wanted = weights_of(g);
  const int64_t count = pieces.size(), size = g.weights_size();
  const auto found = [&](int64_t part, void* at) {
    stream();
    run(kind, *ways[part], x + pieces[part].x, at, y + pieces[part].y);
    return Weights{ways[part]->weights, at};
  };
  if (count * size < 8 * share) {  // each thread puts its own in order, and one adds them up
    const Lent all(count * size * sizeof(float));
    float* sums = all.floats();
    in_parts(pool, count, [&](int64_t part) {
      void* own = kept(own_weights, ways[part]->weights.get_size());
      reorder(found(part, own), {wanted, sums + part * size});
    });
    std::copy(sums, sums + size, w);
    for (int64_t part = 1; part < count; ++part)
      for (int64_t i = 0; i < size; ++i) w[i] += sums[part * size + i];
    return;
  }
  std::vector<size_t> starts = {0};  // bytes
  for (const Made* way : ways) starts.push_back(starts.back() + (way->weights.get_size() + 63) / 64 * 64);
  const Lent sums(starts.back());
  std::vector<Weights> all(count);
  in_parts(pool, count, [&](int64_t part) { all[part] = found(part, static_cast<char*>(sums.at) + starts[part]); });
  reorder_sum(pool, all, {wanted, w});
}

template <Kind kind>
ffi::Error convolve(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> first, ffi::Buffer<ffi::F32> second,
                    ffi::ResultBuffer<ffi::F32> result, Ints stride, Ints rate, Ints before, Ints after,
                    int64_t groups) try {
  // forward: (x, w) -> y; input gradient: (y, w) -> x; weights gradient: (x, y) -> w.
  const bool to_w = kind == Kind::weights_gradient, onward = kind == Kind::forward;
  const auto xs = kind == Kind::input_gradient ? result->dimensions() : first.dimensions();
  const auto ws = to_w ? result->dimensions() : second.dimensions();
  const auto ys = onward ? result->dimensions() : to_w ? second.dimensions() : first.dimensions();
  const Geometry g = Geometry::of(xs, ws, ys, stride, rate, before, after, groups);
  if (onward) through(kind, g, first.typed_data(), second.typed_data(), result->typed_data(), pool);
  if (kind == Kind::input_gradient)
    through(kind, g, result->typed_data(), second.typed_data(), first.typed_data(), pool);
  if (to_w) to_weights(g, first.typed_data(), result->typed_data(), second.typed_data(), pool);
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

ffi::Error convolve_and_end(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> x, ffi::Buffer<ffi::F32> w,
                            ffi::Buffer<ffi::F32> biases, ffi::ResultBuffer<ffi::F32> y, Ints stride, Ints rate,
                            Ints before, Ints after, int64_t groups, float low, float high) try {
  const Geometry g =
      Geometry::of(x.dimensions(), w.dimensions(), y->dimensions(), stride, rate, before, after, groups);
  const Ending ending = {biases.typed_data(), low, high};
  through(Kind::forward, g, x.typed_data(), w.typed_data(), y->typed_data(), pool, &ending);
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

}  // namespace

SLIMTRAIN_CONVOLUTION(slimtrain_onednn_forward, convolve<Kind::forward>);
SLIMTRAIN_CONVOLUTION(slimtrain_onednn_input_gradient, convolve<Kind::input_gradient>);
SLIMTRAIN_CONVOLUTION(slimtrain_onednn_weights_gradient, convolve<Kind::weights_gradient>);
SLIMTRAIN_CONVOLUTION_ENDED(slimtrain_onednn_ended, convolve_and_end);

}  // namespace slimtrain::onednn
