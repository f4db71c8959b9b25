/** What the calculator says about an expression it cannot evaluate: one short sentence, meant for the model to read. */
export class CalculatorError extends Error {
  override readonly name = "CalculatorError";
}
