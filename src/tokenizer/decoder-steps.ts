/** What the steps of a decoder or pre-tokenizer in tokenizer.json say about the bytes of tokens. */
interface Step {
  type?: string;
  decoders?: Step[];
  pretokenizers?: Step[];
  replacement?: string;
  pattern?: { String?: string };
  content?: string;
  start?: number;
  prepend_scheme?: string;
  add_prefix_space?: boolean;
}

function steps(step: unknown): Step[] {
  if (typeof step !== "object" || step === null) return [];
  const inner = (step as Step).decoders ?? (step as Step).pretokenizers;
  return inner ? inner.flatMap(steps) : [step as Step];
}

/** Whether a step of this type is in it, at any depth. */
export function hasStep(step: unknown, type: string): boolean {
  return steps(step).some((one) => one.type === type);
}

/** The character that a decoder turns into a space. */
export function spaceSymbol(decoder: unknown): string | undefined {
  for (const step of steps(decoder)) {
    if (step.type === "Metaspace") return step.replacement ?? "▁";
    if (step.type === "Replace" && step.content === " ") return step.pattern?.String;
  }
  return undefined;
}

/** Llama 2's and Mistral's decoders remove the space that their encoders prepend. */
export function stripsFirstSpace(decoder: unknown): boolean {
  return steps(decoder).some(
    (step) =>
      (step.type === "Strip" && step.content === " " && (step.start ?? 0) > 0) ||
      (step.type === "Metaspace" && step.prepend_scheme !== "never" && step.add_prefix_space !== false),
  );
}
