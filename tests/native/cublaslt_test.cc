// Where cuBLASLt is looked for, and what is said when it is not there: the file that was named, or every place.
#include "cuda/cublaslt.cu"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

namespace {

// In a child, because the answer is kept for the process.
bool reason_holds(const char* file, const char* folder, const char* words[], int count) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    setenv("SWIRL_CUBLASLT", file, 1);
    setenv("CUDA_HOME", folder, 1);
    std::string reason;
    const auto starts = [](const swirl::cuda::cublaslt::Library&) { return swirl::cuda::cublaslt::kSuccess; };
    const bool found = swirl::cuda::cublaslt::open_library(starts, &reason) != nullptr;
    bool good = !found || *file == 0;  // on a machine that has it, the search may succeed
    for (int i = 0; i < count && !found; ++i) {
      if (reason.find(words[i]) != std::string::npos) continue;
      std::fprintf(stderr, "FAIL \"%s\" is not in: %s\n", words[i], reason.c_str());
      good = false;
    }
    _exit(good ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

int main() {
  const char* missing[] = {"/no/such/libcublasLt.so.13", "pip install nvidia-cublas", "SWIRL_CUBLASLT"};
  const char* other[] = {"libm.so.6: lacks functions"};
  const char* search[] = {"libcublasLt.so.13", "libcublasLt.so.12", "/no/toolkit/lib64/",
                          "/usr/local/cuda/lib64/"};
  const bool ok = reason_holds("/no/such/libcublasLt.so.13", "", missing, 3) &
                  reason_holds("libm.so.6", "", other, 1) & reason_holds("", "/no/toolkit", search, 4);
  std::printf("cublaslt: %s\n", ok ? "ok" : "FAILED");
  return ok ? 0 : 1;
}
