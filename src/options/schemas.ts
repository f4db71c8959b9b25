/** zod schemas for the parts that every stage's options share: a signal and callbacks. */
import { z } from "zod";

export const signalSchema = z.custom<AbortSignal>((value) => value instanceof AbortSignal, {
  message: "must be an AbortSignal",
});

export function callback<Event>() {
  return z.custom<(event: Event) => void>((value) => typeof value === "function", {
    message: "must be a function",
  });
}
