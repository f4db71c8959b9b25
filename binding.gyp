{
  "variables": {
    "swirl_onednn%": "<!(node scripts/native-build.mjs onednn)",
    "swirl_version": "<!(node scripts/native-build.mjs version)"
  },
  "targets": [
    {
      "target_name": "swirl",
      "sources": ["<!@(node scripts/native-build.mjs sources)"],
      "include_dirs": ["<!@(node -p \"require('node-addon-api').include\")", "."],
      # The last define: in a worker that is being terminated every call into JavaScript fails, at any moment.
      "defines": ["NAPI_VERSION=9", "NAPI_CPP_EXCEPTIONS", "NODE_ADDON_API_CPP_EXCEPTIONS_ALL", "NODE_ADDON_API_DISABLE_DEPRECATED", "SWIRL_VERSION=\"<(swirl_version)\"", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
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
