export { type CalculatorInput, calculate, calculator } from "./calculator.js";
export { CalculatorError } from "./calculator-error.js";
