import { SwirlError } from "../errors/swirl-error.js";

/** Without this error, a stage without questions would succeed and do nothing. */
export function noQuestions(stage: string): SwirlError {
  return new SwirlError("INPUT", `${stage}: there are no questions`, {
    remedy: "check the data file and its limit",
    details: { field: "questions" },
  });
}
