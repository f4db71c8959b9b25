/** An expression that cannot be evaluated. The message is one short sentence for the model to read. */
export class CalculatorError extends Error {
  /** Always "CalculatorError". */
  override readonly name = "CalculatorError";
}
