// The command line of a kernel benchmark: options that each take a value.
#ifndef SWIRL_BENCH_OPTIONS_H_
#define SWIRL_BENCH_OPTIONS_H_

#include <map>
#include <string>

#include "bench/measure.h"

namespace bench {

// known: every option with what it is when not given. Ends the program at any other, and at one without a value.
inline std::map<std::string, std::string> options(int count, char** arguments,
                                                  std::map<std::string, std::string> known) {
  for (int i = 1; i < count; i += 2) {
    const std::string option = arguments[i];
    const auto found = known.find(option);
    if (found == known.end()) {
      std::string names;
      for (const auto& each : known) names += (names.empty() ? "" : ", ") + each.first;
      give_up(option + " is none of " + names);
    }
    if (i + 1 == count) give_up(option + " needs a value");
    found->second = arguments[i + 1];
  }
  return known;
}

}  // namespace bench

#endif  // SWIRL_BENCH_OPTIONS_H_
