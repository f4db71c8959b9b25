import { expect, it } from "vitest";
import { SwirlError } from "../errors/swirl-error.js";
import { fromNative } from "./from-native.js";

it("keeps code, remedy and details of a native error", () => {
  const native = Object.assign(new Error("update: batch[0].tokens is empty"), {
    code: "INPUT",
    remedy: "give it tokens",
    details: { op: "update", field: "batch[0].tokens" },
  });
  const error = fromNative(native);
  expect(error).toBeInstanceOf(SwirlError);
  expect(error).toMatchObject({ code: "INPUT", remedy: "give it tokens", cause: native });
  expect(error.details).toEqual({ op: "update", field: "batch[0].tokens" });
  expect(error.message).toBe("update: batch[0].tokens is empty\n  → give it tokens");
});

it("does not trust a code it does not know", () => {
  expect(fromNative(Object.assign(new Error("x"), { code: "ERR_OTHER" })).code).toBe("INTERNAL");
  expect(fromNative("thrown text")).toMatchObject({ code: "INTERNAL", message: "thrown text" });
});

it("leaves a SwirlError as it is", () => {
  const error = new SwirlError("MEMORY", "too large");
  expect(fromNative(error)).toBe(error);
});
