# The engine by node-gyp (`npm run build:gyp`), for toolchains that are built around it. `npm install` calls the compiler
# directly instead (scripts/native-build.mjs): it needs no make or Python and builds in folders with blanks.
{
  "variables": {
    "swirl_onednn%": "<!(node --input-type=module -e \"import { hasOneDnn } from './scripts/native-build.mjs'; console.log(Number(hasOneDnn()))\")",
    "swirl_version": "<!(node -p \"require('./package.json').version\")"
  },
  "targets": [
    {
      "target_name": "swirl",
      "sources": ["<!@(node --input-type=module -e \"import { sources } from './scripts/native-build.mjs'; console.log(sources().join(' '))\")"],
      "include_dirs": ["<!@(node -p \"require('node-addon-api').include\")", "."],
      "defines": ["<!@(grep -v '^#' bindings/defines.txt)", "SWIRL_VERSION=\"<(swirl_version)\""],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17", "-O3", "-fno-math-errno", "-fopenmp", "-fvisibility=hidden", "-Wno-unused-parameter", "-Wno-maybe-uninitialized"],
      "ldflags": ["-fopenmp"],
      "conditions": [
        ["swirl_onednn==1", { "defines": ["SWIRL_ONEDNN=1"], "libraries": ["-ldnnl"] }],
        ["OS=='mac'", {
          "xcode_settings": {
            "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
            "GCC_ENABLE_CPP_RTTI": "YES",
            "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
            "MACOSX_DEPLOYMENT_TARGET": "11.0",
            "OTHER_CPLUSPLUSFLAGS": ["-O3", "-fno-math-errno", "-fvisibility=hidden"]
          }
        }]
      ]
    }
  ]
}
