// New arrays in place where a condition holds; else the old ones are written over them.

#include <cstring>

#include "xla/ffi/api/ffi.h"

namespace slimtrain::kept_unless {
namespace {

namespace ffi = xla::ffi;

// Takes the condition, n new arrays and n old ones; gives n, which lie where the new ones do.
ffi::Error kept_unless(ffi::AnyBuffer good, ffi::RemainingArgs arrays, ffi::RemainingRets results) {
  if (*static_cast<const bool*>(good.untyped_data())) return ffi::Error::Success();
  for (size_t i = 0; i < results.size(); ++i) {
    const auto old = arrays.get<ffi::AnyBuffer>(results.size() + i);
    auto result = results.get<ffi::AnyBuffer>(i);
    if (!old.has_value()) return old.error();
    if (!result.has_value()) return result.error();
    std::memcpy((*result)->untyped_data(), old->untyped_data(), old->size_bytes());
  }
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_kept_unless, kept_unless,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().RemainingArgs().RemainingRets());

}  // namespace slimtrain::kept_unless
