import { SwirlError } from "../../errors/swirl-error.js";

/** An expression that cannot be evaluated, with code INPUT. The message is one short sentence for the model to read. */
export class CalculatorError extends SwirlError {
  constructor(message: string) {
    super("INPUT", message);
  }
}
