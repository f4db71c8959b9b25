/**
 * Steps of a pre-tokenizer whose JavaScript version treats some characters differently from the Rust one, rewritten as
 * a Split, which treats them the same:
 *   Digits      means every numeric character (½, ², Ⅻ) in Rust, only decimal digits in JavaScript
 *   ByteLevel   splits at white space as Unicode has it in Rust; JavaScript's \s has U+FEFF and lacks U+0085
 */
interface Step {
  type?: string;
  pretokenizers?: Step[];
  individual_digits?: boolean;
  use_regex?: boolean;
  add_prefix_space?: boolean;
}

/** The words of GPT-2 (Radford et al., 2019), as every byte-level tokenizer without a pattern of its own splits them. */
export const GPT2_WORDS =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

export function exactPreTokenizer(step: unknown): unknown {
  if (typeof step !== "object" || step === null) return step;
  const { type, pretokenizers, individual_digits, use_regex = true, add_prefix_space } = step as Step;
  if (type === "Sequence" && pretokenizers) {
    return { ...step, pretokenizers: pretokenizers.map(exactPreTokenizer) };
  }
  if (type === "Digits") return split(individual_digits ? "\\p{N}" : "\\p{N}+");
  // A prefix space is added before the words are split, so such a step is kept as it is.
  if (type === "ByteLevel" && use_regex && !add_prefix_space) {
    return { type: "Sequence", pretokenizers: [split(GPT2_WORDS), { ...step, use_regex: false }] };
  }
  return step;
}

function split(pattern: string) {
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
}
